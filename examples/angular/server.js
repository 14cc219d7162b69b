import { createApi } from './api.js'
import { builtPage } from './built-page.js'
import { servePage } from './page.js'

const apiPort = Number(process.env.API_PORT || 3000)
const pagePort = Number(process.env.PORT || 4736)
const apiOrigin = `http://localhost:${apiPort}`
// As browsers write it, which is without the port where that is 80.
const pageOrigin = new URL(`http://localhost:${pagePort}`).origin

const folder = await builtPage()
const { api, sessions } = createApi({ allowedOrigins: [pageOrigin] })

const server = api.listen(apiPort, '127.0.0.1', (error) => {
  if (error) {
    console.error(`The API cannot listen on port ${apiPort}: ${error.message}. API_PORT chooses another`)
    process.exitCode = 1
    sessions.close()
    return
  }
  servePage({
    folder,
    apiOrigin,
    port: pagePort,
    close() {
      server.close(() => sessions.close())
      server.closeAllConnections()
    },
  })
})

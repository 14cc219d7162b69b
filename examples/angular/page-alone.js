/** The page without its API, for one that runs already: `npm run start:angular page-alone`, beside a step of ../steps. */
import { builtPage } from './built-page.js'
import { servePage } from './page.js'

const apiOrigin = `http://localhost:${process.env.API_PORT || 3000}`
servePage({ folder: await builtPage(), apiOrigin, port: 4736 })

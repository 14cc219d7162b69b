import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'

/**
 * Serves an app until it is told to stop, on this machine alone unless HOST says otherwise.
 *
 * @param app what Express made
 * @param {object} options
 * @param {number} options.port where to listen unless PORT says otherwise
 * @param {string} options.title what to call the app in the terminal
 * @param {string[]} [options.notes] what else to say in the terminal
 * @param {() => unknown} [options.close] called once the last request is answered
 * @param {{ key: string, cert: string }} [options.tls] serves over TLS
 */
export function serve(app, { port: usual, title, notes = [], close, tls }) {
  const host = process.env.HOST || '127.0.0.1'
  const port = Number(process.env.PORT || usual)
  const isLocal = /^(localhost|127\..*|::1)$/.test(host)
  const server = tls ? createTlsServer(tls, app) : createServer(app)

  server.once('error', (error) => {
    console.error(advice(error, host, port))
    process.exitCode = 1
    close?.()
  })

  server.once('listening', () => {
    const { port } = server.address()
    const name = isLocal ? 'localhost' : host.includes(':') ? `[${host}]` : host
    const said = [`${title}: ${tls ? 'https' : 'http'}://${name}:${port}`, ...notes]
    if (!isLocal && !tls) {
      said.push(
        'From other machines nobody can sign in over plain HTTP: put a proxy with TLS before it, and have the app trust it (examples/https)',
      )
    }
    console.log([...said, 'Stop with Ctrl+C'].join('\n'))
  })

  function stop() {
    server.close(() => close?.())
    // Browsers open connections ahead of need; one that never asked for anything must not keep the app from stopping.
    setTimeout(() => server.closeAllConnections(), 3000).unref()
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)

  if (Number.isInteger(port) && port >= 0 && port < 65_536) server.listen(port, host)
  else server.emit('error', new Error(`PORT must be a number from 0 to 65535; got ${process.env.PORT}`))
  return server
}

/** What to do about a server that could not begin to listen. */
function advice(error, host, port) {
  const { npm_lifecycle_event: script = 'start' } = process.env
  const command = script === 'start' ? 'npm start' : `npm run ${script}`
  switch (error.code) {
    case 'EADDRINUSE':
      return `Port ${port} is taken by another program. Stop that one, or choose another port: PORT=${port + 1} ${command}`
    case 'EACCES':
      return `Port ${port} is for administrators only. Choose one from 1024 on: PORT=${port + 4000} ${command}`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST must be an address of this machine; got ${host}. Leave it out to listen on this machine alone`
    default:
      return error.message
  }
}

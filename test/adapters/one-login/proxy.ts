import { request as ask, createServer, type IncomingMessage, type Server } from 'node:http'
import { connect } from 'node:net'

/** One host name for several servers: `/koa/login` is `/login` of the one named `koa`. Upgrades are handed on as well. */
export function proxyTo(ports: { readonly [name: string]: number }): Server {
  const placeOf = ({ url = '/' }: IncomingMessage) => {
    const [, name = '', path = ''] = /^\/([^/?]*)(.*)$/.exec(url) ?? []
    return { port: ports[name], path: path.startsWith('/') ? path : `/${path}` }
  }
  const proxy = createServer((incoming, outgoing) => {
    const { port, path } = placeOf(incoming)
    if (port === undefined) {
      outgoing.setHeader('Content-Type', 'text/html; charset=utf-8')
      outgoing.end('<!doctype html><html lang="en"><title>One host</title><link rel="icon" href="data:,">')
      return
    }
    const { method, headers } = incoming
    const handedOn = ask({ host: '127.0.0.1', port, path, method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(outgoing)
    })
    handedOn.on('error', () => outgoing.destroy())
    incoming.pipe(handedOn)
  })
  proxy.on('upgrade', (incoming, socket, head) => {
    const { port = 0, path } = placeOf(incoming)
    const behind = connect(port, '127.0.0.1')
    const lines = incoming.rawHeaders.flatMap((name, index, all) => (index % 2 ? [] : [`${name}: ${all[index + 1]}`]))
    behind.write([`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'))
    behind.write(head)
    for (const [from, to] of [
      [socket, behind],
      [behind, socket],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  return proxy
}

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Keeper } from '../../../test/harness/gatekeeper.js'

async function start(listener: RequestListener) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('latin1')
  onTestFinished(() => void client.destroy())
  return { server, client }
}

/** Ends an answer that is held until `saved`. */
function held(request: IncomingMessage, response: ServerResponse, saved: Promise<void>): void {
  const keeper = new Keeper(response, 'later', () => {})
  keeper.beforeHead = () => saved
  request.resume()
  response.end('hello')
}

const request = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

test('a server that closes its connections twice is not kept waiting by a store that never answers', async () => {
  const { server, client } = await start((incoming, response) => held(incoming, response, new Promise(() => {})))
  let isClosed = false
  client.on('close', () => {
    isClosed = true
  })
  client.on('error', () => {})
  client.write(request)
  await once(server, 'request')
  server.closeAllConnections()
  await delay(20)
  expect(isClosed).toBe(false)
  server.closeAllConnections()
  await once(client, 'close')
})

test('nor one that closes them once, for longer than five seconds', async () => {
  const { server, client } = await start((incoming, response) => held(incoming, response, new Promise(() => {})))
  client.on('error', () => {})
  client.write(request)
  await once(server, 'request')
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  server.closeAllConnections()
  vi.advanceTimersByTime(5000)
  await once(client, 'close')
})

test('a connection that others have hooked too, with each request, is closed at last', async () => {
  const { client } = await start((incoming, response) => {
    const { socket } = incoming
    held(incoming, response, delay(1))
    const { destroy } = socket
    socket.destroy = function (this: typeof socket, error) {
      return destroy.call(this, error)
    }
  })
  for (let count = 0; count < 3; count++) {
    client.write(request)
    const [answer] = await once(client, 'data')
    expect(answer).toMatch(/\r\n\r\nhello$/)
  }
  client.end()
  await once(client, 'close')
})

test.each<[string, (response: ServerResponse) => unknown]>([
  ['ends it', ({ socket }) => socket?.end()],
  ['ends it with a callback', ({ socket }) => socket?.end(() => {})],
  ['ends it soon', ({ socket }) => socket?.destroySoon()],
  ['breaks it off', ({ req }) => req.destroy()],
])('who refuses a request and %s is heard first', async (_how, close) => {
  const { client } = await start((incoming, response) => {
    held(incoming, response, delay(5))
    close(response)
  })
  let answer = ''
  client.on('data', (text) => {
    answer += text
  })
  client.write(request)
  await once(client, 'close')
  expect(answer).toMatch(/^HTTP\/1.1 200 OK[\s\S]*hello$/)
})

test('nor does a connection that is ended wait for longer than five seconds', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { client, server } = await start((incoming, response) => {
    held(incoming, response, new Promise(() => {}))
    incoming.socket.end()
  })
  client.write(request)
  await once(server, 'request')
  vi.advanceTimersByTime(5000)
  await once(client, 'close')
})

test('what was ended while it was held is ended once', async () => {
  const told: unknown[] = []
  const { client, server } = await start((incoming, response) => {
    held(incoming, response, new Promise((resolve) => void setImmediate(resolve)))
    incoming.socket.end(() => told.push('ended'))
  })
  server.on('connection', (socket) => socket.on('error', (error) => told.push(error)))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  client.resume().write(request)
  await once(client, 'close')
  vi.advanceTimersByTime(10_000)
  await new Promise(setImmediate)
  expect(told).toEqual(['ended'])
})

test('an error of another realm, as Jest has them, closes at once too', async () => {
  const { client } = await start((incoming, response) => {
    held(incoming, response, new Promise(() => {}))
    incoming.socket.destroy(runInNewContext('new Error("reset")'))
  })
  client.on('error', () => {})
  client.write(request)
  await once(client, 'close')
}, 2000)

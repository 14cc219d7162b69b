import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { session } from 'sojourn/express'
import dropIn from 'sojourn/express-session'
import { expect, test } from 'vitest'

setFlagsFromString('--expose-gc')
const collect: (options?: { type: 'minor' }) => void = runInNewContext('gc')

type Middleware = (request: never, response: ServerResponse, next: () => void) => void

function answer(middleware: Middleware): void {
  const ballast = new Array(500).fill(0)
  const request = Object.assign(new IncomingMessage(new Socket()), { url: '/', method: 'GET', ballast })
  request.headers.host = 'localhost'
  const response = new ServerResponse(request)
  middleware(request as never, response, () => {
    // A handler that looks.
    void (request as { session?: { views?: number } }).session?.views
    response.end('seen')
  })
}

// A function that V8 takes for a lasting one keeps its request through every small collection, which then cost ten times as much.
test.each<[string, Middleware]>([
  ['sojourn/express-session', dropIn({ secret: 'a secret', resave: false, saveUninitialized: false })],
  ['sojourn/express', session()],
])('a request of %s is gone with the next small collection', (_name, middleware) => {
  const amount = 2000
  for (let count = 0; count < amount; count++) answer(middleware)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let count = 0; count < amount; count++) answer(middleware)
  collect({ type: 'minor' })
  collect({ type: 'minor' })
  expect((process.memoryUsage().heapUsed - before) / amount).toBeLessThan(1000)
})

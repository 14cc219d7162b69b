/** The gate under the frameworks and the middleware that it meets, and under the odder parts of HTTP. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import compression from 'compression'
import connect from 'connect'
import express from 'express'
import morgan from 'morgan'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { cookie, headerLines, Keeper } from '../../test/harness/gatekeeper.js'
import { converse, lastRequest, serve } from '../../test/harness/http.js'
import { prepareResponses } from './gate/inherited-hooks.js'

const require = createRequire(import.meta.url)
const compression17: typeof compression = require('compression-1.7')
const express4: typeof express = require('express4')
const onHeaders: (response: ServerResponse, listener: (this: ServerResponse) => void) => void = require('on-headers')

type Next = (error?: unknown) => void
type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void
type Saving = 'at once' | 'later'

/** Session middleware: saves some turns of the event loop later, or fails then. */
function session(when: Saving | 'never' = 'later'): Middleware {
  return function session(_request, response, next) {
    const keeper = new Keeper(response, when === 'at once' ? when : 'later', next)
    keeper.beforeHead = () => {
      if (when === 'at once') return undefined
      // Express tells of an error in the next turn.
      return nextTurn()
        .then(nextTurn)
        .then(nextTurn)
        .then(() => {
          if (when === 'never') throw Object.assign(new Error('the store is down'), { status: 503 })
        })
    }
    next()
  }
}

const big = randomBytes(300_000).toString('hex')
let folder: string
let file: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sojourn-gate-'))
  file = join(folder, 'big.txt')
  await writeFile(file, big)
})
afterAll(() => rm(folder, { recursive: true }))

interface App extends RequestListener {
  use(middleware: Middleware): unknown
}

function mounted(app: App, middleware: readonly Middleware[]): RequestListener {
  for (const each of middleware) app.use(each)
  return app
}

/** Keeps an app from printing the errors that it answers. */
function quiet<Made extends express.Express>(app: Made): Made {
  return app.set('env', 'test')
}

const frameworks: { readonly [name: string]: (...middleware: Middleware[]) => RequestListener } = {
  connect: (...middleware) => mounted(connect() as App, middleware),
  'Express 4': (...middleware) => mounted(quiet(express4()) as unknown as App, middleware),
  'Express 5': (...middleware) => mounted(quiet(express()) as unknown as App, middleware),
  'Express 5, which inherits the gate': (...middleware) =>
    mounted(quiet(expressWithGate()) as unknown as App, middleware),
}

function expressWithGate(): express.Express {
  const app = express()
  const response = Object.assign(Object.create(ServerResponse.prototype), express.response)
  prepareResponses(response)
  Object.setPrototypeOf(app.response, response)
  return app
}

/**
 * Answers without a server, as `@codegenie/serverless-express` does on AWS Lambda: writes to what is hardly a socket, and
 * takes what was written as soon as the response has ended.
 */
async function invoke(listener: RequestListener): Promise<string> {
  const request = Object.assign(new IncomingMessage(new Socket()), { method: 'GET', url: '/' })
  const response = new ServerResponse(request)
  const ignored = Object.fromEntries(
    ['on', 'removeListener', 'destroy', 'cork', 'uncork'].map((name) => [name, () => {}]),
  )
  let answer = ''
  const write = (chunk: string | Buffer, _encoding: unknown, done?: () => void) => {
    answer += chunk
    done?.()
  }
  response.assignSocket({ ...ignored, _writableState: {}, writable: true, write } as unknown as Socket)
  listener(request, response)
  if (!response.writableEnded) await once(response, 'finish')
  return answer
}

describe.each(Object.entries(frameworks))('%s', (_, framework) => {
  const hello: Middleware = (_request, response) => {
    response.setHeader('ETag', '"1"')
    response.setHeader('Location', '/elsewhere')
    response.setHeader('Set-Cookie', 'handler=1')
    response.end('hello')
  }

  test.each(['at once', 'later'] as const)('answers with the cookie, saved %s', async (when) => {
    const answer = await converse(await serve(framework(session(when), hello)), lastRequest())
    expect(headerLines(answer, 'Set-Cookie')).toEqual(['Set-Cookie: handler=1', cookie])
    expect(answer).toMatch(/\r\nContent-Length: 5\r\n(.+\r\n)*\r\nhello$/)
  })

  test.each([
    ['end', hello],
    ['a piped stream', (_request, response) => void Readable.from(['hel', 'lo']).pipe(response)],
  ] satisfies [string, Middleware][])('answers on AWS Lambda with the cookie: %s', async (_, handler) => {
    const answer = await invoke(framework(session(), handler))
    expect(headerLines(answer, 'Set-Cookie')).toContain(cookie)
    expect(answer.replaceAll(/\r\n\w?\r\n/g, '')).toMatch(/hello/)
  })

  test('a failure goes to its own error handling', async () => {
    const answer = await converse(await serve(framework(session('never'), hello)), lastRequest())
    expect(answer).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/)
    expect(answer).not.toMatch(/Set-Cookie|ETag: "1"|Location/)
  })

  test('a handler that throws after the first byte was held', async () => {
    const thrower: Middleware = (_request, response) => {
      response.write('a')
      throw new Error('too late')
    }
    const answer = await converse(await serve(framework(session(), thrower)), lastRequest()).catch(() => '')
    expect(answer).not.toMatch(/500|too late/)
  })

  test.each(['at once', 'later'] as const)('a handler that throws after its end, saved %s', async (when) => {
    const thrower: Middleware = (...args) => {
      hello(...args)
      throw new Error('too late')
    }
    const port = await serve(framework(session(when), thrower))
    const answer = await converse(port, lastRequest())
    expect(headerLines(answer, 'Set-Cookie')).toEqual(['Set-Cookie: handler=1', cookie])
    expect(answer).toMatch(/\r\n\r\nhello$/)
    // As without a session, the connection is closed.
    const keptAlive = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
    expect(await converse(port, keptAlive)).toMatch(/\r\n\r\nhello$/)
  })

  test('a handler that throws before the first byte', async () => {
    const thrower: Middleware = () => {
      throw new Error('early')
    }
    const answer = await converse(await serve(framework(session(), thrower)), lastRequest())
    expect(answer).toMatch(/^HTTP\/1\.1 500 Internal Server Error\r\n/)
    expect(answer).toContain(cookie)
  })

  const compressions = { 'compression 1.8': compression, 'compression 1.7': compression17 }
  describe.each(Object.entries(compressions))('%s', (_, compress) => {
    const squeeze = compress({ threshold: 0 }) as unknown as Middleware
    const wordy: Middleware = async (_request, response) => {
      response.setHeader('Content-Type', 'text/plain')
      for (let at = 0; at < big.length; at += 50_000) {
        if (!response.write(big.slice(at, at + 50_000))) await new Promise((resolve) => response.once('drain', resolve))
      }
      response.end()
    }
    const orders: [string, Middleware[]][] = [
      ['before', [squeeze, session(), wordy]],
      ['after', [session(), squeeze, wordy]],
      ['before, saved at once', [squeeze, session('at once'), wordy]],
      ['after, saved at once', [session('at once'), squeeze, wordy]],
    ]
    test.each(orders)('%s the session', async (_, middleware) => {
      const port = await serve(framework(...middleware))
      const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'Accept-Encoding': 'gzip' } })
      expect(answer.headers.get('content-encoding')).toBe('gzip')
      expect(answer.headers.getSetCookie()).toEqual(['session=1'])
      expect((await answer.text()) === big).toBe(true)
    })

    test.each<[string, Middleware[]]>([
      ['before', [squeeze, session()]],
      ['after', [session(), squeeze]],
    ])('%s the session: what is flushed leaves as soon as it is saved', async (_, middleware) => {
      let goOn = () => {}
      const events: Middleware = (_request, response) => {
        response.setHeader('Content-Type', 'text/event-stream')
        response.write('data: 1\n\n')
        ;(response as unknown as { flush(): void }).flush()
        goOn = () => response.end('data: 2\n\n')
      }
      const port = await serve(framework(...middleware, events))
      const { body } = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'Accept-Encoding': 'gzip' } })
      const reader = (body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
      expect((await reader.read()).value).toBe('data: 1\n\n')
      goOn()
      expect((await reader.read()).value).toBe('data: 2\n\n')
    })

    const failing: [string, Middleware[]][] = [
      ['before', [squeeze, session('never'), wordy]],
      ['after', [session('never'), squeeze, wordy]],
    ]
    test.each(failing)('%s a session that cannot be saved', async (_, middleware) => {
      const port = await serve(framework(...middleware))
      const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'Accept-Encoding': 'gzip' } })
      expect(answer.status).toBe(503)
      expect(answer.headers.getSetCookie()).toEqual([])
      expect(await answer.text()).toContain('the store is down')
    })
  })

  const morgans: [string, (log: Middleware) => Middleware[]][] = [
    ['before', (log) => [log, session(), hello]],
    ['after', (log) => [session(), log, hello]],
  ]
  test.each(morgans)('morgan %s the session', async (_, order) => {
    const lines: string[] = []
    const stream = { write: (line: string) => void lines.push(line) }
    const log = morgan(':status :res[location] :res[set-cookie]', { stream }) as Middleware
    await converse(await serve(framework(...order(log))), lastRequest())
    await expect.poll(() => lines).toEqual(['200 /elsewhere handler=1, session=1\n'])
  })

  test.each(['before', 'after'])('on-headers %s the session', async (place) => {
    const mark: Middleware = (_request, response, next) => {
      onHeaders(response, function mark(this: ServerResponse) {
        this.setHeader('X-Mark', '1')
      })
      next()
    }
    const middleware = place === 'before' ? [mark, session(), hello] : [session(), mark, hello]
    const answer = await converse(await serve(framework(...middleware)), lastRequest())
    expect(answer).toMatch(/X-Mark: 1\r\n/)
    expect(headerLines(answer, 'Set-Cookie')).toEqual(['Set-Cookie: handler=1', cookie])
  })
})

describe.each([
  ['Express 4', express4],
  ['Express 5', express],
  ['Express 5, which inherits the gate', expressWithGate],
])('%s', (_, express) => {
  const app = (when: Saving | 'never' = 'later') => quiet(express()).use(session(when) as express.RequestHandler)

  test('send, json, redirect', async () => {
    const routes = app()
    routes.get('/send', (_request, response) => void response.send('x'))
    routes.get('/json', (_request, response) => void response.json({ a: 1 }))
    routes.get('/redirect', (_request, response) => response.redirect('/'))
    const port = await serve(routes)
    for (const path of ['/send', '/json', '/redirect']) {
      const answer = await converse(port, lastRequest('GET', path))
      expect(headerLines(answer, 'Set-Cookie')).toEqual([cookie])
      expect(answer).toMatch(/\r\nContent-Length: \d+\r\n/)
    }
  })

  test('a fresh page is answered 304', async () => {
    const port = await serve(app().get('/', (_request, response) => void response.send('x')))
    const etag = headerLines(await converse(port, lastRequest()), 'ETag')[0]?.slice('ETag: '.length)
    const answer = await converse(port, lastRequest('GET', '/', [`If-None-Match: ${etag}`]))
    expect(answer).toMatch(/^HTTP\/1\.1 304 Not Modified\r\n/)
    expect(answer).toMatch(/\r\n\r\n$/)
    expect(answer).toContain(cookie)
  })

  test('sendFile, whole and in part, and when the session cannot be saved', async () => {
    const send: express.RequestHandler = (_request, response) => response.sendFile(file)
    const port = await serve(app().get('/', send))
    expect((await converse(port, lastRequest())).endsWith(`\r\n\r\n${big}`)).toBe(true)
    const part = await converse(port, lastRequest('GET', '/', ['Range: bytes=10-19']))
    expect(part).toMatch(/^HTTP\/1\.1 206 Partial Content\r\n/)
    expect(part.endsWith(`\r\n\r\n${big.slice(10, 20)}`)).toBe(true)
    expect(part).toContain(cookie)
    const down = await converse(await serve(app('never').get('/', send)), lastRequest())
    expect(down).toMatch(/^HTTP\/1\.1 503 /)
    expect(down).not.toMatch(/ETag|Accept-Ranges|Last-Modified|Cache-Control/)
  })

  test('routes of an app that is mounted in another', async () => {
    const inner = express().get('/', (_request, response) => void response.send('x'))
    const port = await serve(app().use('/inner', inner))
    expect(await converse(port, lastRequest('GET', '/inner'))).toContain(cookie)
  })

  test('an app that the request enters while its response is held', async () => {
    const inner = express().disable('x-powered-by')
    inner.get('/', (_request, response) => {
      setTimeout(
        () => response.end(`still of the inner app: ${Object.getPrototypeOf(response) === inner.response}`),
        10,
      )
    })
    const routes = app().use((_request, response, next) => {
      response.write('held, ')
      next()
    })
    expect(await converse(await serve(routes.use(inner)), lastRequest())).toMatch(/held, [\s\S]*of the inner app: true/)
  })

  test('an error handler that takes its time, and sets headers', async () => {
    const routes = app('never').get('/', (_request, response) => void response.send('x'))
    routes.use(((error, _request, response, _next) => {
      setImmediate(() => response.status(error.status).set('Retry-After', '5').json({ problem: error.message }))
    }) as express.ErrorRequestHandler)
    const answer = await converse(await serve(routes), lastRequest())
    expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 5\r\n[\s\S]*\{"problem":"the store is down"\}$/)
  })
})

describe.each(['at once', 'later'] as const)('HTTP/1, saved %s', (when) => {
  const serveGated = (handler: (response: ServerResponse, request: IncomingMessage) => unknown) =>
    serve((request, response) => session(when)(request, response, () => void handler(response, request)))

  test.each([
    ['HEAD', 'HEAD', (r: ServerResponse) => r.end('abc'), /^HTTP\/1\.1 200 OK\r\n(.+\r\n)*\r\n$/],
    ['204', 'GET', (r: ServerResponse) => r.writeHead(204).end(), /^HTTP\/1\.1 204 No Content\r\n[\s\S]*\r\n\r\n$/],
    [
      '304',
      'GET',
      (r: ServerResponse) => r.writeHead(304).end('a'),
      /^HTTP\/1\.1 304 Not Modified\r\n[\s\S]*\r\n\r\n$/,
    ],
  ])('%s has no body', async (_, method, answerWith, expected) => {
    const answer = await converse(await serveGated(answerWith), lastRequest(method))
    expect(answer).toMatch(expected)
    expect(answer).toContain(cookie)
  })

  test('HTTP/1.0 gets no chunks', async () => {
    const port = await serveGated((response) => {
      response.write('a')
      response.end('b')
    })
    const answer = await converse(port, 'GET / HTTP/1.0\r\n\r\n')
    expect(answer).toMatch(/\r\n\r\nab$/)
    expect(answer).toContain(cookie)
  })

  test('pipelined requests are answered in order', async () => {
    const port = await serveGated((response, { url }) => response.end(`${url}\n`))
    const paths = ['/1', '/2', '/3', '/4']
    const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    const answer = await converse(port, ...requests, lastRequest('GET', '/last'))
    expect([...answer.matchAll(/\r\n\r\n(\/\w+)\n/g)].map(([, path]) => path)).toEqual([...paths, '/last'])
    expect(answer.split(cookie)).toHaveLength(6)
  })

  test('Expect: 100-continue, with a body', async () => {
    const port = await serveGated(async (response, request) => {
      let body = ''
      for await (const chunk of request) body += chunk
      response.end(body)
    })
    const head = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n'
    const answer = await converse(port, head, 'abc')
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nabc$/)
  })

  test('early hints and its kin are not held', async () => {
    const port = await serveGated((response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      if (when === 'later') response.write('a')
      response.writeProcessing()
      response.end()
    })
    const answer = await converse(port, lastRequest())
    expect(answer).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a.css>; rel=preload\r\n\r\n/)
    expect(answer).toMatch(/\r\n\r\nHTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    expect(answer).toContain(cookie)
  })

  test('trailers', async () => {
    const port = await serveGated((response) => {
      response.setHeader('Trailer', 'X-Sum')
      response.write('a')
      response.addTrailers({ 'X-Sum': '1' })
      response.end()
    })
    expect(await converse(port, lastRequest())).toMatch(/\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n$/)
  })

  test('cork gathers what is written', async () => {
    const port = await serveGated((response) => {
      response.flushHeaders()
      response.cork()
      response.write('a')
      response.write('b')
      response.uncork()
      response.end('c')
    })
    expect(await converse(port, lastRequest())).toMatch(/\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n$/)
  })

  test('a file through a pipe, a pipeline and a loop', async () => {
    const ways: ((response: ServerResponse) => unknown)[] = [
      (response) => createReadStream(file).pipe(response),
      (response) => pipeline(createReadStream(file), response),
      async (response) => {
        for await (const chunk of createReadStream(file)) {
          if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve))
        }
        response.end()
      },
    ]
    for (const way of ways) {
      const port = await serveGated(way)
      const answer = await fetch(`http://127.0.0.1:${port}/`)
      expect(answer.headers.getSetCookie()).toEqual(['session=1'])
      expect((await answer.text()) === big).toBe(true)
    }
  })

  test('a handler that works on when the response is over', async () => {
    const events: string[] = []
    const port = await serveGated((response) => {
      response.on('finish', () => {
        events.push(`finish ${response.writableFinished}`)
        response.on('close', () => events.push('close'))
      })
      response.end('a')
    })
    await converse(port, lastRequest())
    await expect.poll(() => events).toEqual(['finish true', 'close'])
  })
})

describe.each(['at once', 'later'] as const)('HTTP/2, saved %s', (when) => {
  async function answerOf(handler: (response: ServerResponse) => unknown, saving: Saving | 'never' = when) {
    const server = http2.createServer((request, response) => {
      const [incoming, outgoing] = [request as unknown as IncomingMessage, response as unknown as ServerResponse]
      session(saving)(incoming, outgoing, (error) => {
        if (!error) return void handler(outgoing)
        outgoing.writeHead(503)
        outgoing.end('down')
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = http2.connect(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
    onTestFinished(() => {
      client.destroy()
      server.close()
    })
    const stream = client.request({ ':path': '/' }).setEncoding('utf8')
    let headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {}
    stream.on('response', (given) => {
      headers = given
    })
    let body = ''
    for await (const chunk of stream) body += chunk
    return { headers, body }
  }

  test.each([
    ['end', (r: ServerResponse) => r.end('ab')],
    ['write and end', (r: ServerResponse) => [r.write('a'), r.end('b')]],
    ['writeHead', (r: ServerResponse) => r.writeHead(200, { 'X-A': '1' }).end('ab')],
    ['flushHeaders', (r: ServerResponse) => [r.flushHeaders(), r.end('ab')]],
  ])('%s', async (_, handler) => {
    const { headers, body } = await answerOf(handler)
    expect(headers['set-cookie']).toEqual(['session=1'])
    expect(headers[':status']).toBe(200)
    expect(body).toBe('ab')
  })

  test('a held response reads as sent', async () => {
    const looks: unknown[] = []
    await answerOf((response) => {
      response.write('a')
      looks.push(response.headersSent, response.writableEnded)
      expect(() => response.setHeader('a', 'b')).toThrow(/after they are sent|already been initiated/)
      response.end()
      looks.push(response.headersSent, response.writableEnded)
    })
    expect(looks).toEqual([true, false, true, true])
  })

  test('drain follows', async () => {
    const { body } = await answerOf(async (response) => {
      for (let part = 0; part < 5; part++) {
        if (!response.write('x'.repeat(50_000))) await new Promise((resolve) => response.once('drain', resolve))
      }
      response.end()
    })
    expect(body).toHaveLength(250_000)
  })

  test('what Node would refuse is refused at the call', async () => {
    const { headers } = await answerOf((response) => {
      expect(() => response.writeHead(99)).toThrow(expect.objectContaining({ code: 'ERR_HTTP2_STATUS_INVALID' }))
      expect(() => response.write(1)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
      response.statusCode = 404
      response.end()
    })
    expect(headers).toMatchObject({ ':status': 404, 'set-cookie': ['session=1'] })
  })

  test('a session that cannot be saved', async () => {
    const { headers, body } = await answerOf((response) => {
      response.setHeader('ETag', '"1"')
      response.write('a')
      response.end('b')
    }, 'never')
    expect([headers[':status'], headers.etag, headers['set-cookie'], body]).toEqual([503, undefined, undefined, 'down'])
  })

  test('nor does a handler that goes on writing break off what answers the failure', async () => {
    const { body } = await answerOf(async (response) => {
      for (let turn = 0; turn < 8; turn++) {
        response.write('a')
        await nextTurn()
      }
    }, 'never')
    expect(body).toBe('down')
  })

  test('early hints are not held', async () => {
    const { headers } = await answerOf((response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.end()
    })
    expect(headers['set-cookie']).toEqual(['session=1'])
  })
})

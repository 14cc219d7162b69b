import { once } from 'node:events'
import { request as requestOver, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { PassThrough } from 'node:stream'
import compression from 'compression'
import connect from 'connect'
import express from 'express'
import expressSession from 'express-session'
import request from 'supertest'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { expressRoutes } from '../../test/adapters/express-routes.js'
import { nodeRoutes } from '../../test/adapters/node-routes.js'
import { served } from '../../test/adapters/served.js'
import { switchableStore } from '../../test/adapters/switchable-store.js'
import { adapterChecks } from '../conformance/adapter.js'
import dropIn from '../express-session/index.js'
import { createSessions } from '../index.js'
import { memoryStore } from '../stores/memory.js'
import { requireUser, session } from './express.js'

const require = createRequire(import.meta.url)
const express4: typeof express = require('express4')
const onHeaders: (response: ServerResponse, listener: () => void) => void = require('on-headers')

/** An app of a copy of Express that has prepared nothing yet. */
function freshCopy(): express.Express {
  for (const path of Object.keys(require.cache)) if (/[\\/]express4[\\/]/.test(path)) delete require.cache[path]
  return require('express4')()
}

/** Does to a response what @fastify/express does: it is Fastify that sends, and `headersSent` tells that it was asked to. */
function asWithinFastify(_req: express.Request, res: express.Response, next: express.NextFunction): void {
  let isSent = false
  Object.defineProperty(res, 'headersSent', { get: () => isSent, configurable: true })
  res.send = (body) => {
    if (!isSent) setImmediate(() => void res.writeHead(200, { 'Content-Length': body.length }).end(body))
    isSent = true
    return res
  }
  next()
}

for (const [name, framework, other] of [
  ['Express 5', express, express4],
  ['Express 4', express4, express],
] as const) {
  describe(name, () => {
    const checks = adapterChecks({
      start: (sessions) => served(expressRoutes(framework, sessions)),
      routes: ['hints', 'trailers'],
    })
    for (const { name, run } of checks) test(name, run)

    test('an error handler of the app answers a 401 that asks for a bearer token', async () => {
      const app = framework()
      app.use(session(createSessions({ transport: { header: 'authorization' } })), requireUser())
      const answer: express.ErrorRequestHandler = (error, _req, res, _next) => {
        res.status(error.status).json({ code: error.code })
      }
      app.use(answer)
      const { status, headers, body } = await request(app).get('/')
      expect([status, headers['www-authenticate'], body]).toEqual([401, 'Bearer', { code: 'unauthenticated' }])
    })

    test('a failed save takes the way of an error of its handler, through the router and the app around it', async () => {
      const store = switchableStore()
      store.broken.add('create')
      const [app, mounted, router] = [framework(), framework(), framework.Router()]
      const way: string[] = []
      const note = (name: string): express.ErrorRequestHandler => {
        return (error, req, res, next) => {
          way.push(`${name} ${req.url} ${req.app === app ? 'outer' : 'inner'} ${error.message}`)
          if (name === 'last') res.sendStatus(500)
          else next(error)
        }
      }
      app.use(session(createSessions({ store })))
      router.get('/save', (req, res) => {
        Object.assign(req.session, { views: 1 })
        res.send('ok')
      })
      router.get('/fail', () => {
        throw new Error('The session store failed to create')
      })
      router.use(note('router'))
      mounted.use('/v1', router, note('mounted at'))
      mounted.use(note('mounted'))
      app.use('/api', mounted)
      app.use('/api/v1', note('below'))
      app.use(note('last'))
      const waysOf: string[][] = []
      for (const path of ['fail', 'save']) {
        await request(app).get(`/api/v1/${path}`).set('Host', 'localhost').expect(500)
        waysOf.push(way.splice(0).map((step) => step.replace(path, 'path')))
      }
      expect(waysOf[0]).toHaveLength(5)
      expect(waysOf[1]).toEqual(waysOf[0])
    })

    test.each<[string, express.ErrorRequestHandler]>([
      ['send', (error, _req, res, _next) => void res.status(error.status).send('down')],
      ['writeHead and end, as Fastify does', (error, _req, res, _next) => void res.writeHead(error.status).end('down')],
    ])('within Fastify, whose plugin sends once, an error handler answers a failed save by %s', async (_, answer) => {
      const store = switchableStore()
      store.broken.add('create')
      const app = framework()
      app.use(asWithinFastify, session(createSessions({ store })))
      app.get('/', (req, res) => {
        Object.assign(req.session, { views: 1 })
        res.send('hello')
      })
      app.use(answer)
      const { status, headers, text } = await request(app).get('/').set('Host', 'localhost').timeout(2000)
      expect([status, text, headers.vary]).toEqual([503, 'down', 'Cookie'])
    })

    test('a sign-in that the store failed to write is not made by the page that says so', async () => {
      const store = switchableStore()
      const sessions = createSessions({ store })
      const app = framework()
      app.use(session(sessions))
      app.get('/login', (req, res) => {
        req.session.signIn('alice')
        res.redirect('/')
      })
      app.get('/chained', (req, res) => {
        Object.assign(req.session, { views: 1 })
        void req.session.save()
        req.session.signIn('alice')
        store.failsAfter = 1
        res.redirect('/')
      })
      const shows: express.ErrorRequestHandler = async (error, req, res, _next) => {
        store.broken.clear()
        store.failsAfter = undefined
        const saved = await req.session.save().then(String, ({ code }) => code)
        res.status(error.status).send(saved)
      }
      app.use(shows)
      for (const path of ['/login', '/chained']) {
        const { cookie } = await sessions.create({ values: { views: 0 } as object })
        if (path === '/login') store.broken.add('patch')
        const { status, text } = await request(app).get(path).set({ Cookie: cookie, Host: 'localhost' })
        expect([status, text]).toEqual([503, 'store_unavailable'])
        const again = await sessions.load({ cookie, host: 'localhost', secure: false })
        expect([again.isNew, again.userId]).toEqual([false, null])
      }
    })

    describe('a session that changes is saved before it is seen', () => {
      const view = (req: express.Request) => {
        Object.assign(req.session, { views: 1 })
        return 'seen'
      }
      const changed: express.RequestHandler = (req, _res, next) => {
        view(req)
        next()
      }

      async function saves(...middleware: express.RequestHandler[]): Promise<void> {
        const store = switchableStore()
        const app = framework()
        app.use(session({ store }), ...middleware)
        // Twice: the first request of an app prepares what the others inherit from.
        for (const created of [1, 2]) {
          const { text, headers } = await request(app).get('/').set('Host', 'localhost').buffer()
          expect([text, headers['set-cookie']?.length]).toEqual(['seen', 1])
          expect(store.calls.filter((call) => call === 'create')).toHaveLength(created)
        }
      }

      test('in the very arguments of end', () => saves((req, res) => void res.end(view(req))))

      test('there, and with a middleware between that has hooked end', () =>
        saves(compression({ threshold: 0 }), (req, res) => void res.end(view(req))))

      test('there, and with a middleware before that has hooked end', async () => {
        const store = switchableStore()
        const app = framework()
        app.use(compression({ threshold: 0 }), session({ store }), (req, res) => void res.end(view(req)))
        for (const _ of [1, 2]) {
          const { text, headers } = await request(app).get('/').set('Host', 'localhost').buffer()
          expect([text, headers['set-cookie']?.length]).toEqual(['seen', 1])
        }
      })

      test('by an app of another copy that is mounted', () => {
        const inner = other()
        inner.get('/', (req, res) => void res.send(view(req)))
        return saves(inner)
      })

      test('and answered by an app of another copy that is called', () => {
        const inner = other()
        inner.get('/', (_req, res) => void res.send('seen'))
        return saves(changed, (req, res, next) => inner(req, res, next))
      })

      test('and seen by a tool that wraps what Node does, later', async () => {
        const app = framework()
        app.use(session(createSessions()))
        app.get('/change', (req, res) => void res.send(view(req)))
        app.get('/', (_req, res) => void res.send('untouched'))
        const paths = ['/', '/change']
        for (const path of paths) await request(app).get(path)
        const seen: unknown[] = []
        const { end } = ServerResponse.prototype
        onTestFinished(() => void Object.assign(ServerResponse.prototype, { end }))
        ServerResponse.prototype.end = function (this: ServerResponse, ...args: unknown[]) {
          seen.push(args[0])
          return Reflect.apply(end, this, args)
        } as typeof end
        for (const path of paths) await request(app).get(path).set('Host', 'localhost')
        expect(seen.map(String)).toEqual(['untouched', 'seen'])
      })

      test('where the app has an end of its own for all responses', async () => {
        const app = framework()
        const ended: string[] = []
        const { end } = app.response
        app.response.end = function (this: express.Response, ...args: unknown[]) {
          ended.push(String(this.getHeader('Set-Cookie')).slice(0, 8))
          return Reflect.apply(end, this, args)
        } as typeof end
        app.use(session(createSessions()), (req, res) => void res.send(view(req)))
        const { headers } = await request(app).get('/').set('Host', 'localhost')
        expect([ended, headers['set-cookie']?.length]).toEqual([['session='], 1])
      })
    })

    describe.each([
      ['read', (req: express.Request) => void req.session.userId],
      ['looked at', () => {}],
    ])('a stream that was piped before the session was changed, or even %s, and cannot be saved', (_, look) => {
      test.each<[string, express.ErrorRequestHandler]>([
        ['answered', (_error, _req, res, _next) => void res.end('sorry')],
        ['broken off', (_error, _req, res, _next) => void res.destroy()],
      ])('is closed when the error is %s', async (_how, answer) => {
        const store = switchableStore()
        store.broken.add('create')
        const source = new PassThrough()
        const app = framework()
        app.use(session(createSessions({ store })), (req, res) => {
          look(req)
          source.pipe(res)
          Object.assign(req.session, { views: 1 })
          source.write('a')
        })
        app.use(answer)
        const answered = request(app).get('/').set('Host', 'localhost')
        expect(
          await answered.then(
            ({ text }) => text,
            ({ code }) => code,
          ),
        ).toMatch(/^(sorry|ECONNRESET)$/)
        await expect.poll(() => source.destroyed).toBe(true)
      })
    })

    describe('an app of another copy that is called, as nobody should,', () => {
      function answered(...middleware: express.RequestHandler[]) {
        const store = switchableStore()
        const sessions = createSessions({ store })
        const app = framework()
        app.use(session(sessions), ...middleware)
        return { store, sessions, get: (path: string) => request(app).get(path).set('Host', 'localhost') }
      }

      test('saves what it changes in a session that it was handed', async () => {
        const inner = freshCopy()
        inner.get('/', (req, res) => {
          Object.assign((req as unknown as { kept: object }).kept, { views: 1 })
          res.send('seen')
        })
        const { store, get } = answered((req, res, next) => {
          Object.assign(req, { kept: req.session })
          inner(req, res, next)
        })
        const { text, headers } = await get('/')
        expect([text, headers['set-cookie']?.length, store.calls]).toEqual(['seen', 1, ['create']])
      })

      test('has a drop-in of its own', async () => {
        const inner = freshCopy()
        inner.use(dropIn({ secret: 'a secret', resave: false, saveUninitialized: false, name: 'old.sid' }))
        inner.get('/', (req, res) => {
          Object.assign(req.session, { views: 1 })
          res.send('seen')
        })
        const { headers } = await answered((req, res, next) => inner(req, res, next)).get('/')
        expect(headers['set-cookie']).toEqual([expect.stringMatching(/^old\.sid=/)])
      })

      test('and has the session where it is mounted in both', async () => {
        const inner = freshCopy()
        const { sessions, get } = answered((req, res, next) => inner(req, res, next))
        inner.use(session(sessions), (req, res) => void res.json({ isNew: req.session.isNew }))
        expect((await get('/')).body).toEqual({ isNew: true })
      })
    })

    describe.each([
      ['at once', false],
      ['later', true],
    ])('somebody who waits for the head, and changes the session then, saved %s', (_, isSlow) => {
      async function visited(cookie: boolean, respond: (res: express.Response) => void, looks = false) {
        const store = switchableStore({ isSlow })
        const sessions = createSessions({ store })
        const made = await sessions.create({ values: { views: 1 } as object })
        const app = framework()
        app.set('env', 'test')
        app.use(session(sessions), (req, res) => {
          if (looks) void req.session.id
          onHeaders(res, () => Object.assign(req.session, { views: 2 }))
          respond(res)
        })
        const answer = await request(app)
          .get('/')
          .set(cookie ? made.headers : { Host: 'localhost' })
          .buffer()
        return { status: answer.status, text: answer.text, calls: store.calls.slice(1) }
      }
      function flushed(res: express.Response): void {
        res.flushHeaders()
        res.end('hello')
      }
      const responses: [string, (res: express.Response) => void][] = [
        ['end', (res) => void res.end('hello')],
        ['write', (res) => void (res.write('hel') && res.end('lo'))],
        ['flushHeaders', flushed],
      ]

      test.each(responses)('of a session that is there, by %s: is heard after the response', async (_name, respond) => {
        const { status, text, calls } = await visited(true, respond)
        expect([status, text, calls]).toEqual([200, 'hello', ['read', 'patch']])
      })

      test.each([
        ['', false],
        [' that was looked at', true],
      ])('of a session%s that has no cookie yet: hears that it is too late', async (_name, looks) => {
        const { status, calls } = await visited(false, (res) => void res.end('hello'), looks)
        expect([status, calls]).toEqual([500, []])
      })
    })

    test('a response reads as sent while it is held, also where another copy of Sojourn was first', async () => {
      const app = freshCopy()
      app.use('/first', session(createSessions()), (_req, res) => void res.end())
      await request(app).get('/first')
      vi.resetModules()
      const another = await import('./express.js')
      app.use('/second', another.session({ store: switchableStore() }), (req, res) => {
        Object.assign(req.session, { views: 1 })
        res.end(String(res.headersSent))
        seen.push(res.headersSent)
      })
      const seen: boolean[] = []
      await request(app).get('/second').set('Host', 'localhost')
      expect(seen).toEqual([true])
    })

    test('what stands below the responses of the framework may be exchanged', async () => {
      const copy = freshCopy()
      copy.use(session(createSessions()), (_req, res) => void res.end('hello'))
      await request(copy).get('/')
      const response = Object.getPrototypeOf(copy.response)
      const ended: unknown[] = []
      const below = Object.assign(Object.create(ServerResponse.prototype), {
        end(this: ServerResponse, chunk: unknown) {
          ended.push(chunk)
          return Reflect.apply(ServerResponse.prototype.end, this, [chunk])
        },
      })
      Object.setPrototypeOf(response, below)
      expect([(await request(copy).get('/')).text, ended]).toEqual(['hello', ['hello']])
    })

    describe('the session stands on what requests inherit from,', () => {
      const show: express.RequestHandler = (req, res) =>
        void res.json({ session: req.session === undefined ? null : req.session })

      test('and is not there on routes without the middleware, of this app or another', async () => {
        const [app, other] = [framework(), framework()]
        app.get('/before', show)
        app.use('/under', session(createSessions()), (req, res) => void res.json({ isNew: req.session.isNew }))
        other.get('/', show)
        const paths: [express.Express, string][] = [
          [app, '/before'],
          [app, '/under'],
          [app, '/before'],
          [other, '/'],
        ]
        const answers = []
        for (const [of, path] of paths) answers.push((await request(of).get(path)).body)
        expect(answers).toEqual([{ session: null }, { isNew: true }, { session: null }, { session: null }])
      })

      test('where another middleware may put its own', async () => {
        const app = framework()
        app.get('/ours', session(createSessions()), (req, res) => void res.json({ userId: req.session.userId }))
        const assign: express.RequestHandler = (req, _res, next) => {
          Object.assign(req, { session: { views: 7 } })
          next()
        }
        app.get('/assigned', assign, show)
        app.get(
          '/theirs',
          expressSession({ secret: 'a secret', resave: false, saveUninitialized: false }),
          (req, res) => {
            const { session } = req as unknown as { session: { cookie: { path: string } } }
            res.json(session.cookie.path)
          },
        )
        expect((await request(app).get('/ours')).body).toEqual({ userId: null })
        expect((await request(app).get('/assigned')).body).toEqual({ session: { views: 7 } })
        expect((await request(app).get('/theirs')).body).toEqual('/')
        expect((await request(app).get('/ours')).body).toEqual({ userId: null })
      })

      test.each(['the beginning', 'the first request'])(
        'whatever else an app puts on its requests by that name since %s',
        async (since) => {
          const app = framework()
          const put = () => Object.assign(app.request, { session: { shared: true } })
          if (since === 'the beginning') put()
          app.get('/', session(createSessions()), (req, res) => void res.json({ userId: req.session.userId }))
          app.get('/without', show)
          await request(app).get('/')
          if (since === 'the first request') put()
          for (const _ of [1, 2]) expect((await request(app).get('/')).body).toEqual({ userId: null })
          expect((await request(app).get('/without')).body).toEqual({ session: { shared: true } })
        },
      )

      test('and stays with a request that leaves the app in which it was given one', async () => {
        const [app, inner] = [framework(), framework()]
        inner.use(session(createSessions()))
        app.use(inner)
        app.get('/', (req, res) => void res.json({ isNew: req.session.isNew }))
        expect((await request(app).get('/')).body).toEqual({ isNew: true })
      })

      test('and still cannot be assigned', async () => {
        const app = framework()
        app.use(session(createSessions()), (req) => void Object.assign(req, { session: {} }))
        const answer: express.ErrorRequestHandler = (error, _req, res, _next) => void res.json({ code: error.code })
        app.use(answer)
        expect((await request(app).get('/')).body).toEqual({ code: 'reserved_name' })
      })
    })
  })
}

describe('connect', () => {
  test('a save that fails is answered however long the request takes to come', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const store = switchableStore()
    store.broken.add('create')
    const app = connect().use(session({ store }))
    app.use((req, res) => {
      Object.assign((req as express.Request).session, { views: 1 })
      res.end('early')
    })
    const { port, close } = await served(app)
    onTestFinished(() => void close())
    const upload = requestOver({ port, method: 'POST', headers: { 'Content-Length': 2 } })
    upload.write('a')
    const answered = once(upload, 'response')
    for (let turn = 0; turn < 200; turn++) {
      await new Promise((resolve) => void setImmediate(resolve))
      vi.advanceTimersByTime(100)
    }
    upload.end('b')
    const [{ statusCode }] = await answered
    expect(statusCode).toBe(503)
  })

  const checks = adapterChecks({
    start: (sessions) => {
      const app = connect().use(session(sessions))
      app.use((request, response, next) => {
        const { session } = request as express.Request
        nodeRoutes(request, response, session).catch(next)
      })
      return served(app)
    },
    routes: ['hints', 'trailers'],
  })
  for (const { name, run } of checks) test(name, run)
})

test('within @fastify/express a slow page brings no token back that a sign-in has replaced', async () => {
  let now = Date.now()
  const sessions = createSessions({ store: memoryStore(), clock: () => now, lifetime: { renewal: '1h' } })
  let during = async () => {}
  const app = express()
  app.use(asWithinFastify, session(sessions))
  app.get('/', async (req, res) => {
    const { userId } = req.session
    await during()
    res.send(String(userId))
  })
  const { cookie } = await sessions.create({ userId: 'eve' })
  const plain = cookie.split('; ').find((pair) => pair.startsWith('session=')) as string
  now += 2 * 3_600_000
  const renewed = (await request(app).get('/').set('Cookie', plain)).headers['set-cookie']?.[0]?.split(';')[0] as string
  during = async () => {
    now += 200
    const login = await sessions.load({ cookie: renewed, secure: false, host: 'localhost' })
    login.signIn('eve')
    await sessions.commit(login)
  }
  expect((await request(app).get('/').set('Cookie', plain)).headers['set-cookie']).toBeUndefined()
})

test.each(['', 'x'.repeat(300_000)])(
  'where `next` settles a promise, as with Next.js and h3, a save that fails leaves nobody waiting, also of a body that nobody reads',
  async (body) => {
    const told = vi.spyOn(console, 'error').mockImplementation(() => {})
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    onTestFinished(() => {
      vi.useRealTimers()
      told.mockRestore()
    })
    const store = switchableStore()
    store.broken.add('create')
    const middleware = session({ store })
    const app = await served(async (req, res) => {
      await new Promise<void>((resolve, reject) => {
        middleware(req, res, (error) => (error ? reject(error) : resolve()))
      })
      const { session: visitor } = req as express.Request
      visitor.views = 1
      res.end('page')
    })
    onTestFinished(() => void app.close())
    let failure: unknown
    request(`http://127.0.0.1:${app.port}`)
      .post('/')
      .send(body)
      .catch((error) => {
        failure = error
      })
    while (failure === undefined) {
      await new Promise((resolve) => void setImmediate(resolve))
      vi.advanceTimersByTime(10)
    }
    expect(failure).toMatchObject({ code: 'ECONNRESET' })
    expect(told).toHaveBeenCalledWith(expect.objectContaining({ code: 'store_unavailable' }))
  },
)

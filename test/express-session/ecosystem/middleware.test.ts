import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import compression from 'compression'
import cookieParser from 'cookie-parser'
import { csrfSync } from 'csrf-sync'
import express, { type Express, type RequestHandler } from 'express'
import original from 'express-session'
// @ts-expect-error: its typings are those of Express 5, by another name.
import express4 from 'express4'
import morgan from 'morgan'
import passport from 'passport'
import { Strategy } from 'passport-local'
import { Server as SocketServer } from 'socket.io'
import { io } from 'socket.io-client'
import session, { toConnectStore } from 'sojourn/express-session'
import { memoryStore } from 'sojourn/stores/memory'
import request from 'supertest'
import { describe, expect, test } from 'vitest'

const require = createRequire(import.meta.url)
const flash = require('connect-flash')
const grant = require('grant')
const lusca = require('lusca')
const { auth } = require('express-openid-connect')

// biome-ignore lint/suspicious/noExplicitAny: sessions and requests here have properties of third parties.
type Any = any

const options = { secret: 'keyboard cat', resave: false, saveUninitialized: false }

describe.each<[string, Any]>([
  ['Express 5', express],
  ['Express 4', express4],
])('on %s', (_version, framework) => {
  function app(more: object = {}): Express {
    const server = framework()
    server.use(framework.urlencoded({ extended: false }))
    server.use(session({ ...options, ...more }))
    return server
  }

  test('passport signs in and out, and keeps who it is', async () => {
    const authenticator = new passport.Passport()
    authenticator.use(
      new Strategy((username, password, done) =>
        done(null, password === 'secret' ? { id: `${username}-id`, username } : false, { message: 'wrong' }),
      ),
    )
    authenticator.serializeUser((user: Any, done) => done(null, user.id))
    authenticator.deserializeUser((id, done) => done(null, { id }))
    const server = app()
    server.use(flash())
    server.use(authenticator.initialize())
    server.use(authenticator.session())
    server.post(
      '/login',
      authenticator.authenticate('local', { failureRedirect: '/', failureFlash: true, successRedirect: '/' }),
    )
    server.post('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.redirect('/'))))
    server.get('/', (req: Any, res) =>
      res.json({ user: req.user ?? null, flash: req.flash('error'), id: req.session.id }),
    )
    const visitor = request.agent(server)
    const post = (path: string, body = {}) => visitor.post(path).type('form').send(body).redirects(1)
    const failed = await post('/login', { username: 'ada', password: 'no' })
    expect(failed.body).toMatchObject({ user: null, flash: ['wrong'] })
    expect((await visitor.get('/')).body.flash).toEqual([])
    const signedIn = await post('/login', { username: 'ada', password: 'secret' })
    expect(signedIn.body.user).toEqual({ id: 'ada-id' })
    // Another id after signing in: nobody who planted the old one is signed in with it.
    expect(signedIn.body.id).not.toBe(failed.body.id)
    expect((await visitor.get('/')).body.user).toEqual({ id: 'ada-id' })
    expect((await post('/logout')).body.user).toBe(null)
    expect((await visitor.get('/')).body.user).toBe(null)
  })

  test('csrf-sync and lusca find their token again', async () => {
    const { csrfSynchronisedProtection, generateToken } = csrfSync()
    const server = app()
    server.use('/sync', csrfSynchronisedProtection as RequestHandler)
    server.use('/lusca', lusca.csrf())
    server.get('/sync', (req, res) => res.send(generateToken(req)))
    server.get('/lusca', (_req, res) => res.send(res.locals._csrf))
    server.post(['/sync', '/lusca'], (_req, res) => res.send('done'))
    server.use((error: Any, _req: Any, res: Any, _next: Any) => res.status(error.status ?? 403).send('refused'))
    for (const path of ['/sync', '/lusca']) {
      const visitor = request.agent(server)
      const { text } = await visitor.get(path).expect(200)
      await visitor.post(path).set('x-csrf-token', text).expect(200, 'done')
      await visitor.post(path).set('x-csrf-token', 'forged').expect(403)
      await request(server).post(path).set('x-csrf-token', text).expect(403)
    }
  })

  test('grant remembers where it sent the visitor', async () => {
    const store = new session.MemoryStore()
    const server = app({ store })
    server.use(
      grant.express({
        defaults: { origin: 'http://localhost', transport: 'session', state: true },
        github: { key: 'key', secret: 'secret' },
      }),
    )
    const { headers } = await request(server).get('/connect/github').expect(302)
    const [record] = Object.values(store.sessions)
    const { state } = JSON.parse(record as string).grant
    expect(new URL(headers.location as string).searchParams.get('state')).toBe(state)
  })

  test('express-openid-connect keeps its sessions in stores that it shares, beside ours', async () => {
    for (const store of [new session.MemoryStore(), toConnectStore(memoryStore())]) {
      const server = app({ store })
      server.use(
        auth({
          authRequired: false,
          baseURL: 'http://127.0.0.1',
          issuerBaseURL: 'http://127.0.0.1:1',
          clientID: 'client',
          clientSecret: 'client secret',
          authorizationParams: { response_type: 'code' },
          secret: 'a secret that is long enough to be one',
          session: { store },
        }),
      )
      server.get('/set', (req: Any, res) => {
        req.appSession.theirs = 1
        req.session.ours = 2
        res.end()
      })
      server.get('/', (req: Any, res) => res.json([req.appSession.theirs, req.session.ours]))
      const visitor = request.agent(server)
      await visitor.get('/set').expect(200)
      await visitor.get('/').expect(200, [1, 2])
    }
  })

  describe.each(['first', 'last'])('compression and morgan come %s', (position) => {
    const lines: string[] = []
    function stacked() {
      lines.length = 0
      const server = framework()
      const others = [
        compression({ threshold: 0 }),
        morgan(':status :res[set-cookie]', { stream: { write: (line) => lines.push(line) } }),
        cookieParser('keyboard cat'),
      ]
      const ours = session({ ...options, cookie: { maxAge: 60_000 } })
      for (const middleware of position === 'first' ? [...others, ours] : [ours, ...others]) server.use(middleware)
      server.get('/send', (req: Any, res: Any) => {
        req.session.views = (req.session.views ?? 0) + 1
        res.send('hello '.repeat(500) + req.session.views)
      })
      server.get('/stream', (req: Any, res: Any) => {
        req.session.streamed = true
        for (let chunk = 0; chunk < 200; chunk++) res.write('0123456789'.repeat(100))
        res.end('end')
      })
      server.get('/file', (req: Any, res: Any) => {
        req.session.filed = true
        res.sendFile(import.meta.filename)
      })
      server.get('/head', (req: Any, res: Any) => {
        req.session.headed = true
        res.writeHead(200, { 'Content-Type': 'text/plain', 'Set-Cookie': 'mine=1' })
        res.end('text')
      })
      server.get('/', (req: Any, res: Any) => {
        const { cookie: _, ...values } = req.session
        res.json(values)
      })
      return request.agent(server)
    }

    test('every kind of response is whole, logged and leaves its session', async () => {
      const visitor = stacked()
      const first = await visitor.get('/send').expect(200)
      expect(first.text).toBe(`${'hello '.repeat(500)}1`)
      expect(first.headers).toMatchObject({ 'content-encoding': 'gzip', 'set-cookie': [/^connect\.sid=/] })
      expect((await visitor.get('/send').expect(200)).text).toMatch(/ 2$/)
      expect((await visitor.get('/stream').expect(200)).text).toHaveLength(200 * 1000 + 3)
      expect((await visitor.get('/file').expect(200)).headers['content-type']).toContain('video/mp2t')
      const head = await visitor.get('/head').expect(200, 'text')
      expect(head.headers['set-cookie']).toEqual(['mine=1', expect.stringMatching(/^connect\.sid=/)])
      await visitor.head('/send').expect(200)
      await visitor.get('/').expect(200, { views: 3, streamed: true, filed: true, headed: true })
      expect(lines[0]).toMatch(/^200 connect\.sid=/)
    })
  })
})

describe('socket.io', () => {
  test.each(['websocket', 'polling'])(
    'engine.use gives a socket over %s the session of its browser',
    async (transport) => {
      const middleware = session({ ...options, saveUninitialized: true })
      const app = express()
      app.use(middleware)
      app.get('/sign-in', (req: Any, res) => {
        req.session.user = 'ada'
        res.end()
      })
      app.get('/', (req: Any, res) => res.json([req.session.user, req.session.count]))
      const server = createServer(app)
      const sockets = new SocketServer(server)
      sockets.engine.use(middleware)
      sockets.on('connection', (socket) => {
        const { session } = socket.request as Any
        socket.emit('user', session.user)
        socket.on('count', (acknowledge) => {
          session.reload(() => {
            const { session: fresh } = socket.request as Any
            fresh.count = (fresh.count ?? 0) + 1
            fresh.save(() => acknowledge(fresh.count))
          })
        })
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      try {
        const response = await fetch(`${url}/sign-in`)
        const cookie = response.headers.get('set-cookie')?.split(';')[0] as string
        const client = io(url, { transports: [transport], extraHeaders: { cookie } } as Any)
        expect(await new Promise((resolve) => client.on('user', resolve))).toBe('ada')
        expect(await client.emitWithAck('count')).toBe(1)
        expect(await client.emitWithAck('count')).toBe(2)
        client.close()
        const page = await fetch(url, { headers: { cookie } })
        expect(await page.json()).toEqual(['ada', 2])
      } finally {
        await sockets.close()
      }
    },
  )

  test('a handshake without a cookie is given one', async () => {
    const server = createServer()
    const sockets = new SocketServer(server)
    sockets.engine.use(session({ ...options, saveUninitialized: true }))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const headers = new Promise<Any>((resolve) => sockets.engine.once('headers', resolve))
      const client = io(url, { transports: ['websocket'] })
      expect(String((await headers)['Set-Cookie'])).toMatch(/^connect\.sid=s%3A/)
      client.close()
      const polling = await fetch(`${url}/socket.io/?EIO=4&transport=polling`)
      expect(polling.headers.get('set-cookie')).toMatch(/^connect\.sid=s%3A/)
    } finally {
      await sockets.close()
    }
  })

  test.each<[string, Any]>([
    ['express-session', original],
    ['sojourn/express-session', session],
  ])('a handshake whose cookie cannot be written is refused, by %s', async (_name, lib) => {
    const server = createServer()
    const sockets = new SocketServer(server)
    // Browsers visit a host with an underscore; as the domain of a cookie it is none.
    const cookie = (req: Any) => ({ domain: req.headers.host })
    sockets.engine.use(lib({ ...options, saveUninitialized: true, cookie }))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const refused = new Promise<Any>((resolve) => sockets.engine.once('connection_error', resolve))
      const client = io(url, { transports: ['websocket'], extraHeaders: { host: 'a_b.x' } } as Any)
      expect((await refused).context).toEqual({ name: 'MIDDLEWARE_FAILURE' })
      client.close()
    } finally {
      await sockets.close()
    }
  })
})

import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import express from 'express'
import Fastify from 'fastify'
import Koa from 'koa'
import request from 'supertest'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { switchableStore } from '../../../test/adapters/switchable-store.js'
import type { Session } from '../../core/session.js'
import { createSessions } from '../../core/sessions.js'
import { isSojournError } from '../../index.js'
import { memoryStore } from '../../stores/memory.js'
import { session } from '../express.js'
import { session as ofFastify } from '../fastify.js'
import { session as ofKoa } from '../koa.js'
import { withSession } from '../node.js'

// JavaScript looks a method up before it evaluates what it is given: by then `end` is Node's own, unless hooked before.
test('a session that changes in the very arguments of end is saved before it is seen', async () => {
  const store = switchableStore()
  const view = (session: Session) => {
    session.views = 1
    return 'seen'
  }
  const app = express()
  app.use(session({ store }))
  app.get('/', (req, res) => void res.end(view(req.session)))
  const server = createServer(withSession({ store }, (_req, res, session) => res.end(view(session))))
  for (const listener of [app, server]) {
    const response = await request(listener).get('/').set('Host', 'localhost').buffer()
    expect([response.status, response.text]).toEqual([200, 'seen'])
    expect(response.headers['set-cookie']).toHaveLength(1)
  }
})

test('what changes after the end is saved by itself', async () => {
  const sessions = createSessions<{ late: number }>({ store: memoryStore() })
  const { cookie } = await sessions.create()
  const finishLater = (session: Session) => setTimeout(() => Object.assign(session, { late: 1 }), 20)
  const app = express()
  app.use(session(sessions))
  app.get('/', (req, res) => {
    res.end('seen')
    finishLater(req.session)
  })
  await request(app).get('/').set('Cookie', cookie)
  await expect.poll(async () => (await sessions.load({ cookie })).late).toBe(1)
})

describe('a save that fails before the handler’s eyes', () => {
  const store = switchableStore()
  const sessions = createSessions<{ views: number }>({ store })
  store.broken.add('create')

  async function change(session: Session): Promise<void> {
    Object.assign(session, { views: 1 })
    await session.save()
  }
  const page = (error: unknown) => `sorry: ${isSojournError(error) && error.code}`

  function onExpress(isSwallowed: boolean) {
    const app = express()
    app.use(session(sessions))
    app.get('/', (req, res, next) => {
      const answer = () => res.send('done')
      change(req.session).then(answer, isSwallowed ? answer : next)
    })
    app.use(((error, _req, res, _next) => {
      res.status(503).send(page(error))
    }) satisfies express.ErrorRequestHandler)
    return createServer(app)
  }

  async function onFastify(isSwallowed: boolean) {
    const app = Fastify()
    await app.register(ofFastify, { sessions })
    app.setErrorHandler((error, _request, reply) => reply.code(503).send(page(error)))
    app.get('/', async (request) => {
      await change(request.session).catch((error: unknown) => {
        if (!isSwallowed) throw error
      })
      return 'done'
    })
    await app.ready()
    return app.server
  }

  function onKoa(isSwallowed: boolean) {
    const app = new Koa()
    app.use(async (ctx, next) => {
      try {
        await next()
      } catch (error) {
        ctx.status = 503
        ctx.body = page(error)
      }
    })
    app.use(ofKoa(sessions))
    app.use(async (ctx) => {
      await change(ctx.session).catch((error: unknown) => {
        if (!isSwallowed) throw error
      })
      ctx.body = 'done'
    })
    return createServer(app.callback())
  }

  test.each([
    ['Express', onExpress],
    ['Fastify', onFastify],
    ['Koa', onKoa],
  ])('is answered by the error page of %s, and is never passed over', async (_name, make) => {
    for (const isSwallowed of [false, true]) {
      const response = await request(await make(isSwallowed))
        .get('/')
        .set('Host', 'localhost')
      expect([response.status, response.text]).toEqual([503, 'sorry: store_unavailable'])
      expect(response.headers['set-cookie']).toBeUndefined()
    }
  })

  test('brings the token that was written before it, tells caches, and takes back no cookie', async () => {
    const half = switchableStore()
    const app = express()
    app.use(session(createSessions<{ views: number }>({ store: half })))
    app.get('/', async (req, res) => {
      if (req.query.as) req.session.signIn(String(req.query.as))
      await req.session.save()
      for (const name of ['patch', 'delete']) half.broken.add(name)
      if (req.query.as) Object.assign(req.session, { views: 1 })
      else req.session.destroy()
      await req.session.save().catch(() => res.status(503).send('sorry'))
      half.broken.clear()
    })
    const server = createServer(app)
    const signedIn = await request(server).get('/?as=alice').set('Host', 'localhost')
    expect([signedIn.status, signedIn.headers.vary]).toEqual([503, 'Cookie'])
    const [cookie] = signedIn.headers['set-cookie'] as unknown as [string]
    expect(cookie).toMatch(/^session=[\w-]{64};/)
    const kept = await request(server).get('/').set('Host', 'localhost').set('Cookie', cookie)
    expect([kept.status, kept.headers['set-cookie']]).toEqual([503, undefined])
  })

  test('nor is one that nobody awaited, whatever the status', async () => {
    const app = express()
    app.use(session(sessions))
    app.get('/', (req, res) => {
      Object.assign(req.session, { views: 1 })
      void req.session.save()
      setTimeout(() => res.status(404).send('nothing here'), 20)
    })
    app.use(((error, _req, res, _next) => {
      res.status(503).send(page(error))
    }) satisfies express.ErrorRequestHandler)
    const response = await request(createServer(app)).get('/').set('Host', 'localhost')
    expect([response.status, response.text]).toEqual([503, 'sorry: store_unavailable'])
  })
})

describe('a WebSocket', () => {
  const store = switchableStore()
  let now = Date.now()
  const lifetime = { renewal: { every: '1h', overlap: '1m' } } as const
  const sessions = createSessions<{ views: number }>({ store, lifetime, clock: () => now })
  const webSockets = new WebSocketServer({ noServer: true })

  /** Does as it is told, and answers what `save` says. */
  function attend(request: IncomingMessage, session: Session): void {
    webSockets.handleUpgrade(request, request.socket, Buffer.alloc(0), (socket) => {
      socket.on('message', async (text) => {
        try {
          if (String(text) === 'sign in') session.signIn('eve')
          else Object.assign(session, { views: Number(text) })
          socket.send(String(await session.save()))
        } catch (error) {
          socket.send(isSojournError(error) ? error.code : String(error))
        }
      })
    })
  }

  /** As `express-ws` and `@fastify/websocket` do: the request that asks for a socket goes through the app. */
  function route(server: Server, handle: (request: IncomingMessage, response: ServerResponse) => void): Server {
    return server.on('upgrade', (request, socket) => {
      const response = new ServerResponse(request)
      response.assignSocket(socket as Socket)
      handle(request, response)
    })
  }

  function onExpress(): Server {
    const app = express()
    app.use(session(sessions))
    app.get('/', (req) => attend(req, req.session))
    return route(createServer(app), app)
  }

  async function onFastify(): Promise<Server> {
    const app = Fastify()
    await app.register(ofFastify, { sessions })
    app.get('/', (request, reply) => {
      reply.hijack()
      attend(request.raw, request.session)
    })
    await app.ready()
    return route(app.server, app.routing)
  }

  const servers: [string, () => Server | Promise<Server>][] = [
    ['Express', onExpress],
    ['Fastify', onFastify],
  ]

  /** Serves, and tells where. */
  async function urlOf(make: () => Server | Promise<Server>): Promise<string> {
    const server = await make()
    server.listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  test.each(servers)(
    'in a route of %s neither begins a session nor signs in, for its handshake brings no cookie',
    async (_name, make) => {
      const url = await urlOf(make)
      async function say(text: string, cookie = ''): Promise<string> {
        const socket = new WebSocket(url, { headers: { cookie } })
        await once(socket, 'open')
        socket.send(text)
        const [answer] = await once(socket, 'message')
        socket.terminate()
        return String(answer)
      }
      async function sayTwice(text: string, cookie: string): Promise<string[]> {
        const socket = new WebSocket(url, { headers: { cookie } })
        await once(socket, 'open')
        store.broken.add('patch')
        socket.send(text)
        const [first] = await once(socket, 'message')
        store.broken.delete('patch')
        socket.send(text)
        const [second] = await once(socket, 'message')
        socket.terminate()
        return [first, second].map(String)
      }
      const { cookie } = await sessions.create({ userId: 'alice' })
      expect(await sayTwice('9', cookie)).toEqual(['store_unavailable', 'true'])
      const answers = [await say('sign in'), await say('1'), await say('sign in', cookie), await say('2', cookie)]
      expect(answers).toEqual(['headers_sent', 'headers_sent', 'headers_sent', 'true'])
      const { userId, views } = await sessions.load({ cookie })
      expect({ userId, views }).toEqual({ userId: 'alice', views: 2 })
    },
  )

  test.each(servers)(
    'in a route of %s writes on when the token is renewed, and logs nobody out',
    async (_name, make) => {
      const url = await urlOf(make)
      let { cookie } = await sessions.create({ userId: 'alice' })
      async function open(): Promise<WebSocket> {
        const socket = new WebSocket(url, { headers: { cookie } })
        onTestFinished(() => socket.terminate())
        await once(socket, 'open')
        return socket
      }
      /** A request of the browser, which gets the response or does not. */
      async function visit({ isLost = false } = {}): Promise<string | null> {
        const session = await sessions.load({ cookie, secure: false, host: 'localhost' })
        const [setCookie] = await sessions.commit(session)
        if (setCookie && !isLost) cookie = setCookie.split(';', 1)[0] as string
        return session.userId
      }
      async function write(socket: WebSocket, views: number): Promise<string> {
        socket.send(String(views))
        return String((await once(socket, 'message'))[0])
      }
      const before = cookie
      now += 3_600_000
      // As a renewal is due.
      const first = await open()
      await visit()
      // As the first to bring the new token.
      const second = await open()
      expect(await visit()).toBe('alice')
      now += 3_600_000
      await visit({ isLost: true })
      expect([await write(first, 1), await write(second, 2)]).toEqual(['true', 'true'])
      expect(await visit()).toBe('alice')
      now += 120_000
      expect(await visit()).toBe('alice')
      expect(cookie).not.toBe(before)
      const again = await sessions.load({ cookie, secure: false, host: 'localhost' })
      again.signIn('alice')
      await sessions.commit(again)
      expect(await write(first, 3)).toBe('false')
    },
  )

  test('asked of a server that has none is a request like any other', async () => {
    const app = express()
    app.use(session(sessions))
    app.get('/', (req, res) => {
      Object.assign(req.session, { views: 1 })
      res.end()
    })
    const server = app.listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const headers = { connection: 'upgrade', upgrade: 'websocket' }
    const [response] = await once(get({ host: '127.0.0.1', port, headers }), 'response')
    response.resume()
    expect([response.statusCode, response.headers['set-cookie']]).toEqual([200, [expect.stringContaining('session=')]])
  })
})

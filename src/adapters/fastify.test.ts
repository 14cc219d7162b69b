import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import cookiePlugin from '@fastify/cookie'
import otherSession from '@fastify/session'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest'
import { switchableStore } from '../../test/adapters/switchable-store.js'
import { createSessions, isSojournError, type Session, type SessionData } from '../index.js'
import { memoryStore } from '../stores/memory.js'
import { requireFresh, requireUser, returnPath, session } from './fastify.js'

declare module '../core/session.js' {
  interface SessionData {
    views: number
  }
}

const running: FastifyInstance[] = []
afterEach(() => Promise.all(running.splice(0).map((app) => app.close())))

const store = switchableStore()
const sessions = createSessions({ store })

async function start(routes: (app: FastifyInstance) => void, before?: (app: FastifyInstance) => void) {
  const app = Fastify()
  before?.(app)
  await app.register(session, { sessions })
  routes(app)
  running.push(app)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  store.calls.length = 0
  store.broken.clear()
  return { app, url: `http://127.0.0.1:${port}` }
}

function countViews(app: FastifyInstance): void {
  app.get('/', (request) => {
    request.session.views = (request.session.views ?? 0) + 1
    return { views: request.session.views }
  })
}

function cookieOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')
}

describe('request.session', () => {
  test('remembers its visitor', async () => {
    const { url } = await start(countViews)
    const first = await fetch(url)
    expect(first.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^session=[\w-]{64}; Path=\/; HttpOnly; SameSite=Lax$/),
    ])
    expect(first.headers.get('cache-control')).toBe('private')
    expect(first.headers.get('vary')).toBe('Cookie')
    expect(store.calls).toEqual(['create'])
    const second = await fetch(url, { headers: { cookie: cookieOf(first) } })
    expect(await second.json()).toEqual({ views: 2 })
    expect(second.headers.getSetCookie()).toEqual([])
  })

  test('is kept from caches also where only a hook reads it, once the handler is done', async () => {
    const sessions = createSessions({ store, noStore: true })
    const app = Fastify()
    await app.register(session, { sessions })
    app.addHook('onSend', async (request, reply) => void reply.header('x-user', `${request.session.userId}`))
    app.get('/', () => 'page')
    const { cookie } = await sessions.create({ userId: 'alice' })
    const { headers } = await app.inject({ url: '/', headers: { cookie, host: 'localhost' } })
    expect([headers['x-user'], headers.vary, headers['cache-control']]).toEqual(['alice', 'Cookie', 'no-store'])
  })

  test('is told to caches whatever a later hook says to them', async () => {
    const sessions = createSessions({ store, noStore: true })
    const app = Fastify()
    await app.register(session, { sessions })
    app.addHook('onSend', async (_request, reply) => {
      reply.headers({ vary: 'Accept-Language', 'cache-control': 'max-age=60' })
    })
    app.get('/', (request) => request.session.userId)
    const { cookie } = await sessions.create({ userId: 'alice' })
    const { body, headers } = await app.inject({ url: '/', headers: { cookie, host: 'localhost' } })
    expect([body, headers.vary, headers['cache-control']]).toEqual(['alice', 'Accept-Language, Cookie', 'no-store'])
  })

  test('costs one read, where it is only read', async () => {
    const { url } = await start((app) => app.get('/', (request) => ({ user: request.session.userId })))
    const { cookie } = await sessions.create({ userId: 'alice' })
    store.calls.length = 0
    const response = await fetch(url, { headers: { cookie } })
    expect(await response.json()).toEqual({ user: 'alice' })
    expect(response.headers.get('vary')).toBe('Cookie')
    expect(store.calls).toEqual(['read'])
  })

  test('is there for inject', async () => {
    const { app } = await start(countViews)
    const { cookie } = await sessions.create({ values: { views: 6 } })
    const response = await app.inject({ url: '/', headers: { cookie } })
    expect(response.json()).toEqual({ views: 7 })
    const again = await app.inject({ url: '/', headers: { cookie } })
    expect(again.json()).toEqual({ views: 8 })
  })

  test('keeps the cookies of others, in order', async () => {
    const { url } = await start(
      (app) =>
        app.get('/', (request, reply) => {
          reply.header('set-cookie', 'first=1').setCookie('second', '2')
          request.session.views = 1
          return reply.send('')
        }),
      (app) => app.register(cookiePlugin),
    )
    const response = await fetch(url)
    expect(response.headers.getSetCookie().map((cookie) => cookie.split('=')[0])).toEqual([
      'first',
      'second',
      'session',
    ])
  })

  test('believes a proxy as far as Fastify does', async () => {
    const app = Fastify({ trustProxy: '127.0.0.1' })
    running.push(app)
    await app.register(session, { sessions })
    countViews(app)
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const secure = await fetch(url, { headers: { 'x-forwarded-proto': 'https' } })
    expect(cookieOf(secure)).toMatch(/^__Host-session=/)
  })

  test('cannot be assigned', async () => {
    const { url } = await start((app) =>
      app.get('/', (request) => {
        ;(request as { session: unknown }).session = null
      }),
    )
    expect(await (await fetch(url)).json()).toMatchObject({ code: 'reserved_name' })
  })

  test('is typed', () => {
    const app = Fastify()
    app.get('/', (request) => {
      expectTypeOf(request.session).toExtend<Session<SessionData>>()
      expectTypeOf(request.session.views).toExtend<number | undefined>()
      expectTypeOf(request.session.userId).toEqualTypeOf<string | null>()
    })
  })
})

describe('a scope', () => {
  test('has it below where it was registered, and not beside', async () => {
    const app = Fastify()
    running.push(app)
    await app.register(async (inner) => {
      await inner.register(session, { sessions })
      inner.get('/inner', (request) => `${request.session?.userId}`)
      await inner.register(async (innermost) => innermost.get('/innermost', (request) => `${request.session?.userId}`))
    })
    app.get('/outer', (request) => `${request.session?.userId}`)
    expect((await app.inject('/inner')).body).toBe('null')
    expect((await app.inject('/innermost')).body).toBe('null')
    expect((await app.inject('/outer')).body).toBe('undefined')
  })

  test.each<[string, (app: FastifyInstance) => PromiseLike<unknown>]>([
    ['in one scope', (app) => app.register(session, { sessions })],
    ['in one below', (app) => app.register(async (inner) => inner.register(session, { sessions }))],
  ])('has one session: what is registered again %s is refused, and says why', async (_, again) => {
    const app = Fastify()
    await app.register(session, { sessions })
    await expect(again(app)).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(/a request\.session here already.*: register one session plugin, once/),
    })
  })

  test('has one session, also beside the plugin of others', async () => {
    const app = Fastify()
    await app.register(cookiePlugin)
    await app.register(otherSession, { secret: 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e' })
    await expect(app.register(session, { sessions })).rejects.toMatchObject({ code: 'invalid_option' })
  })

  test('never has its session replaced by that of the scope above, though that comes later', async () => {
    const others = createSessions({ store: memoryStore(), cookie: { name: 'other' } })
    const statuses = []
    for (const above of [sessions, others]) {
      const app = Fastify()
      app.register(async (inner) => {
        await inner.register(session, { sessions })
        inner.get('/', (request) => `${request.session.userId}`)
      })
      app.register(session, { sessions: above })
      const { cookie } = await sessions.create({ userId: 'alice' })
      const { statusCode, body } = await app.inject({ url: '/', headers: { host: 'localhost', cookie } })
      statuses.push([statusCode, statusCode === 200 ? body : JSON.parse(body).code])
    }
    expect(statuses).toEqual([
      [200, 'alice'],
      [500, 'invalid_option'],
    ])
  })

  test('has its own beside another, with a cookie of its own', async () => {
    const app = Fastify()
    const names = ['one', 'two']
    for (const name of names) {
      app.register(async (scope) => {
        await scope.register(session, { sessions: createSessions({ store: memoryStore(), cookie: { name } }) })
        scope.get(`/${name}`, (request) => {
          request.session.views = (request.session.views ?? 0) + 1
          return `${request.session.views}`
        })
      })
    }
    const jar: string[] = []
    for (const expected of ['1', '2']) {
      for (const name of names) {
        const headers = { host: 'localhost', cookie: jar.join('; ') }
        const response = await app.inject({ url: `/${name}`, headers })
        expect(response.body).toBe(expected)
        jar.push(...response.cookies.map((cookie) => `${cookie.name}=${cookie.value}`))
      }
    }
    expect(jar.map((pair) => pair.split('=', 1)[0])).toEqual(names)
  })

  test('also where nothing is found', async () => {
    const { url } = await start((app) =>
      app.setNotFoundHandler((request, reply) => reply.code(404).send({ user: request.session.userId })),
    )
    const { cookie } = await sessions.create({ userId: 'alice' })
    const response = await fetch(`${url}/nowhere`, { headers: { cookie } })
    expect([response.status, await response.json()]).toEqual([404, { user: 'alice' }])
  })
})

describe('before the first byte', () => {
  test.each([
    ['a stream', () => Readable.from(['a', 'b'])],
    ['a web stream', () => ReadableStream.from(['a', 'b'].map((text) => new TextEncoder().encode(text)))],
    ['a Response', () => new Response('ab', { headers: { 'set-cookie': 'theirs=1' } })],
  ])('%s waits until the session is saved', async (_name, body) => {
    const { url } = await start((app) =>
      app.get('/', (request, reply) => {
        request.session.signIn('stream')
        return reply.send(body())
      }),
    )
    const response = await fetch(url)
    expect((await sessions.list({ userId: 'stream' })).sessions).not.toEqual([])
    expect(cookieOf(response)).toContain('session=')
    expect(await response.text()).toBe('ab')
    await sessions.endAll('stream')
  })

  test('a Response that was made for one user tells caches so', async () => {
    const { url } = await start((app) =>
      app.get('/', (request, reply) => {
        const headers = { vary: 'Accept-Encoding', 'cache-control': 'public, max-age=60' }
        return reply.send(new Response(`for ${request.session.userId}`, { headers }))
      }),
    )
    const { cookie } = await sessions.create({ userId: 'alice' })
    const response = await fetch(url, { headers: { cookie } })
    expect([await response.text(), response.headers.get('vary')]).toEqual(['for alice', 'Accept-Encoding, Cookie'])
  })

  test('so does what a handler sends by itself', async () => {
    const { url } = await start((app) =>
      app.get('/', (request, reply) => {
        reply.hijack()
        request.session.signIn('hijack')
        reply.raw.writeHead(200, { 'set-cookie': ['theirs=1'] })
        reply.raw.end('raw')
      }),
    )
    const response = await fetch(url)
    expect((await sessions.list({ userId: 'hijack' })).sessions).toHaveLength(1)
    expect(cookieOf(response)).toMatch(/^theirs=1; session=/)
    expect(await response.text()).toBe('raw')
  })

  test('so does an error that the handler throws', async () => {
    const { url } = await start((app) =>
      app.get('/', (request) => {
        request.session.views = 3
        throw Object.assign(new Error('no tea'), { statusCode: 418 })
      }),
    )
    const response = await fetch(url)
    expect(response.status).toBe(418)
    expect((await sessions.load({ cookie: cookieOf(response), secure: false, host: 'localhost' })).views).toBe(3)
  })
})

test('what changes while a stream is under way is saved before it ends', async () => {
  const { cookie } = await sessions.create({ values: { views: 1 } })
  const { url } = await start((app) =>
    app.get('/', (request, reply) => {
      async function* body() {
        yield 'a'
        await delay(5)
        request.session.views = 2
        yield 'b'
      }
      return reply.send(Readable.from(body()))
    }),
  )
  await (await fetch(url, { headers: { cookie } })).text()
  expect((await sessions.load({ cookie })).views).toBe(2)
})

describe('a handler that answers twice', () => {
  test.each<[string, Parameters<typeof start>[0]]>([
    [
      'at once',
      (app) =>
        app.get('/', (request, reply) => {
          request.session.views = 1
          reply.send('first').send('second')
        }),
    ],
    [
      'and forgets to return its reply',
      (app) =>
        app.get('/', async (request, reply) => {
          request.session.views = 1
          reply.send('first')
          return 'second'
        }),
    ],
  ])('%s, while its session is saved, is not the end of the process', async (_how, routes) => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', note)
    const { url } = await start(routes)
    const response = await fetch(url)
    expect([await response.text(), response.headers.getSetCookie().length]).toEqual(['first', 1])
    await delay(10)
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  test('and fails then, while its session is saved, has sent the first as it was', async () => {
    const { url } = await start((app) =>
      app.get('/', async (request, reply) => {
        request.session.views = 1
        reply.header('x-frame-options', 'DENY').send('first')
        throw Object.assign(new Error('too late'), { headers: { 'x-frame-options': 'none' } })
      }),
    )
    const { status, headers } = await fetch(url)
    expect([
      status,
      headers.get('content-type'),
      headers.get('x-frame-options'),
      headers.getSetCookie().length,
    ]).toEqual([200, 'text/plain; charset=utf-8', 'DENY', 1])
  })
})

describe('a store that fails', () => {
  test('to read keeps the handler from running, and is answered with 503', async () => {
    let ran = false
    const { url } = await start((app) => {
      app.get('/', () => {
        ran = true
        return ''
      })
    })
    const { cookie } = await sessions.create({ userId: 'alice' })
    for (const isSlow of [true, false]) {
      store.isSlow = isSlow
      store.broken.add('read')
      const response = await fetch(url, { headers: { cookie } })
      expect([response.status, ran]).toEqual([503, false])
      expect(await response.json()).toMatchObject({ code: 'store_unavailable' })
    }
    store.isSlow = true
  })

  test.each([true, false])(
    'to write what a later hook changed is answered by the app’s own page (slow: %s)',
    async (isSlow) => {
      const { url } = await start((app) => {
        app.setErrorHandler((_error, _request, reply) => reply.type('text/html').send('<h1>sorry</h1>'))
        app.get(
          '/',
          { onSend: async (request) => void Object.assign(request.session, { views: 1 }) },
          async () => 'page',
        )
      })
      store.isSlow = isSlow
      store.broken.add('create')
      const response = await fetch(url)
      store.isSlow = true
      expect([response.status, await response.text()]).toEqual([503, '<h1>sorry</h1>'])
    },
  )

  test('to write is answered by a redirect, where the error handler gives one', async () => {
    const { url } = await start((app) => {
      app.setErrorHandler((_error, _request, reply) => reply.redirect('/sorry'))
      countViews(app)
    })
    store.broken.add('create')
    const response = await fetch(url, { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([302, '/sorry'])
  })

  test.each([true, false])('to write leaves nothing of the page that was to be sent (slow: %s)', async (isSlow) => {
    const closed: string[] = []
    const { url } = await start(
      (app) => {
        app.setErrorHandler((error, request, reply) => {
          expect(isSojournError(error) && error.code).toBe('store_unavailable')
          expect(request.session.userId).toBe('alice')
          return reply.send({ sorry: true })
        })
        app.addHook('onSend', async (_request, reply) => void reply.header('x-on-send', '1'))
        app.get('/', (request, reply) => {
          request.session.signIn('alice')
          const body = Readable.from(['never sent'])
          body.once('close', () => closed.push('body'))
          return reply
            .code(201)
            .headers({ etag: '"1"', location: '/', 'x-frame-options': 'none', 'set-cookie': 'a=b' })
            .send(body)
        })
      },
      (app) => app.addHook('onRequest', async (_request, reply) => void reply.header('x-frame-options', 'DENY')),
    )
    store.isSlow = isSlow
    store.broken.add('create')
    const response = await fetch(url)
    store.isSlow = true
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ sorry: true })
    expect(response.headers.get('x-frame-options')).toBe('DENY')
    expect(response.headers.get('etag')).toBeNull()
    expect(response.headers.get('location')).toBeNull()
    expect(response.headers.getSetCookie()).toEqual([])
    expect(closed).toEqual(['body'])
  })

  test('to write leaves the cookies of earlier hooks, and none of the handler', async () => {
    const { url } = await start(
      (app) =>
        app.get('/', (request, reply) => {
          request.session.views = 1
          reply.header('set-cookie', 'handler=1').send('never sent')
        }),
      (app) =>
        app.addHook('onRequest', async (_request, reply) => void reply.header('set-cookie', ['first=1', 'second=2'])),
    )
    store.broken.add('create')
    const response = await fetch(url)
    expect([response.status, response.headers.getSetCookie()]).toEqual([503, ['first=1', 'second=2']])
  })

  test('to write that the handler has met is answered by its own Response', async () => {
    const { url } = await start((app) =>
      app.get('/', async (request, reply) => {
        request.session.views = 1
        await request.session.save().catch(() => {})
        return reply.send(new Response('later', { status: 503 }))
      }),
    )
    store.broken.add('create')
    const response = await fetch(url)
    expect([response.status, await response.text()]).toEqual([503, 'later'])
  })

  test('to write lets go of a stream that tells of its end as an error, as a body of undici does', async () => {
    const { url } = await start((app) =>
      app.get('/', (request, reply) => {
        request.session.views = 1
        const body = new Readable({ read() {}, destroy: (error, callback) => callback(error ?? new Error('aborted')) })
        reply.send(body)
      }),
    )
    store.broken.add('create')
    expect((await fetch(url)).status).toBe(503)
    await delay(1)
  })

  test('to write is answered with 503 also where the handler fails after it has sent', async () => {
    const { url } = await start((app) =>
      app.get('/', async (request, reply) => {
        request.session.views = 1
        reply.send('never sent')
        throw new Error('too late')
      }),
    )
    store.broken.add('create')
    const response = await fetch(url)
    expect([response.status, await response.json()]).toMatchObject([503, { code: 'store_unavailable' }])
  })

  test('to write is answered also where the handler sends by itself', async () => {
    const { app, url } = await start((app) =>
      app.get('/', (request, reply) => {
        reply.hijack()
        request.session.views = 1
        reply.raw.setHeader('etag', '"1"').end('never sent')
      }),
    )
    store.broken.add('create')
    const response = await fetch(url)
    expect([response.status, await response.text(), response.headers.get('etag')]).toEqual([503, '', null])
    expect((await app.inject('/')).statusCode).toBe(503)
  })
})

describe('requireUser', () => {
  const routes = (app: FastifyInstance) => {
    app.get('/profile', { onRequest: requireUser({ redirect: '/login' }) }, (request) => `${request.session.userId}`)
    app.get('/password', { onRequest: requireFresh({ within: '10m', redirect: '/login' }) }, () => 'changed')
    app.get('/api', { onRequest: requireUser() }, () => 'secret')
    app.get('/login', (request) => returnPath(request))
  }

  test('sends a stranger to sign in, and back', async () => {
    const { app } = await start(routes)
    const response = await app.inject('/profile?tab=1')
    const { location = '' } = response.headers
    expect([response.statusCode, location]).toEqual([302, '/login?returnTo=%2Fprofile%3Ftab%3D1'])
    expect(response.headers['cache-control']).toBe('no-store')
    expect((await app.inject(String(location))).body).toBe('/profile?tab=1')
    expect(store.calls).toEqual([])
  })

  test.each<[string, object]>([
    ['the sessions themselves', sessions],
    ['another name', { session: sessions }],
  ])('the plugin refuses %s in place of { sessions }', async (_what, options) => {
    const register = async () => Fastify().register(session, options)
    await expect(register()).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringMatching(
        /^app\.register\(session, \{ sessions \}\): "[a-z]+" is not an option; there are "sessions"/,
      ),
    })
  })

  test('answers a program with 401', async () => {
    const { url } = await start(routes)
    const response = await fetch(`${url}/api`)
    expect([response.status, await response.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'unauthenticated' }),
    ])
  })

  test('lets a user in, and asks for a recent sign-in where it matters', async () => {
    let now = Date.now()
    const sessions = createSessions({ store, clock: () => now })
    const app = Fastify()
    await app.register(session, { sessions })
    routes(app)
    const { cookie } = await sessions.create({ userId: 'alice' })
    const get = async (url: string) => (await app.inject({ url, headers: { cookie } })).statusCode
    expect([await get('/profile'), await get('/password')]).toEqual([200, 200])
    now += 600_000
    expect([await get('/profile'), await get('/password')]).toEqual([200, 302])
  })

  test('is a hook over HTTP/2 too, for the types', () => {
    const app = Fastify({ http2: true })
    app.get('/', { onRequest: requireUser({ redirect: '/login' }) }, (request) => returnPath(request))
    app.get('/password', { onRequest: [requireFresh({ within: '10m' })] }, (request) => request.session.userId)
    app.addHook('onRequest', requireUser())
  })

  test('says what is missing where there is no session', async () => {
    const app = Fastify()
    routes(app)
    expect((await app.inject('/api')).json()).toMatchObject({ code: 'invalid_option' })
  })
})

test('a client that leaves ends nothing but its response', async () => {
  const { app, url } = await start((app) =>
    app.get('/', async (request) => {
      await delay(20)
      request.session.signIn('gone')
      return 'late'
    }),
  )
  const leave = new AbortController()
  const response = fetch(url, { signal: leave.signal })
  await once(app.server, 'request')
  leave.abort()
  await expect(response).rejects.toThrow()
  await expect.poll(async () => (await sessions.list({ userId: 'gone' })).sessions.length).toBe(1)
})

import { Readable } from 'node:stream'
import Koa from 'koa'
import request from 'supertest'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { switchableStore } from '../../test/adapters/switchable-store.js'
import { createSessions, isSojournError, type Session, type SessionData } from '../index.js'
import { requireFresh, requireUser, returnPath, session } from './koa.js'
import { withSession } from './node.js'

const store = switchableStore()
const sessions = createSessions({ store })

/** An app that does not print its errors. */
function quietApp(): Koa {
  const app = new Koa()
  app.silent = true
  return app
}

function get(app: Koa, path = '/', headers: Record<string, string> = {}) {
  return request(app.callback())
    .get(path)
    .set({ Host: 'localhost', ...headers })
}

describe('ctx.session', () => {
  test('believes a proxy as far as Koa does', async () => {
    for (const proxy of [true, false]) {
      const app = new Koa({ proxy })
      app.use(session(sessions))
      app.use((ctx) => {
        ctx.session.views = 1
      })
      const response = await get(app, '/', { 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '203.0.113.9' })
      expect(String(response.headers['set-cookie'])).toMatch(proxy ? /^__Host-session=/ : /^undefined$/)
    }
  })

  test('is kept from caches also where only middleware above reads it, once all below is done', async () => {
    const sessions = createSessions({ store, noStore: true })
    const app = new Koa()
    app.use(async (ctx, next) => {
      await next()
      ctx.set('X-User', String(ctx.session.userId))
    })
    app.use(session(sessions))
    app.use((ctx) => {
      ctx.body = 'page'
    })
    const { cookie } = await sessions.create({ userId: 'alice' })
    const { headers } = await get(app, '/', { cookie })
    expect([headers['x-user'], headers.vary, headers['cache-control']]).toEqual(['alice', 'Cookie', 'no-store'])
  })

  test.each(['above', 'below'])('is told to caches whatever middleware %s says to them later', async (where) => {
    const sessions = createSessions({ store, noStore: true })
    const app = new Koa()
    const say: Koa.Middleware = async (ctx, next) => {
      await next()
      ctx.set({ Vary: 'Accept-Language', 'Cache-Control': 'max-age=60' })
    }
    if (where === 'above') app.use(say)
    app.use(session(sessions))
    if (where === 'below') app.use(say)
    app.use((ctx) => {
      ctx.body = ctx.session.userId
    })
    const { cookie } = await sessions.create({ userId: 'alice' })
    const { text, headers } = await get(app, '/', { cookie })
    expect([text, headers.vary, headers['cache-control']]).toEqual(['alice', 'Accept-Language, Cookie', 'no-store'])
  })

  test('that is only read lets other sessions around the app be saved', async () => {
    const app = new Koa()
    app.use(session(sessions))
    app.use((ctx) => {
      ctx.body = { userId: ctx.session.userId }
    })
    const staff = createSessions({ store, cookie: { name: 'staff' } })
    const around = withSession(staff, (req, res, session) => {
      session.signIn('root')
      return app.callback()(req, res)
    })
    const response = await request(around).get('/').set('Host', 'localhost')
    expect([response.body, response.headers['set-cookie']]).toEqual([
      { userId: null },
      [expect.stringMatching(/^staff=/)],
    ])
    expect((await staff.list({ userId: 'root' })).sessions).toHaveLength(1)
  })

  test('cannot be assigned', async () => {
    const app = quietApp()
    app.use(session(sessions))
    app.use((ctx) => {
      Object.assign(ctx, { session: null })
    })
    const seen = new Promise<unknown>((resolve) => app.once('error', resolve))
    expect((await get(app)).status).toBe(500)
    expect(await seen).toMatchObject({ code: 'reserved_name' })
  })

  test.each<[string, PropertyDescriptor]>([
    ['a value', { value: { shared: true }, writable: true }],
    ['a getter', { get: () => ({ shared: true }) }],
  ])('is not hidden by %s that the app gives to every context after its first request', async (_, other) => {
    const app = new Koa()
    const routes = [session(sessions), (ctx: Koa.Context) => Object.assign(ctx, { body: { ...ctx.session } })]
    app.use(async (ctx, next) => (ctx.path === '/without' ? Object.assign(ctx, { body: ctx.session }) : next()))
    for (const middleware of routes) app.use(middleware)
    const { cookie } = await sessions.create({ values: { views: 7 } })
    for (const since of ['the beginning', 'now']) {
      if (since === 'now') Object.defineProperty(app.context, 'session', { ...other, configurable: true })
      expect((await get(app, '/', { cookie })).body, since).toEqual({ views: 7 })
    }
    expect((await get(app, '/without')).body).toEqual({ shared: true })
    expect((await get(app, '/', { cookie })).body).toEqual({ views: 7 })
  })

  test('is one, however often it is mounted', async () => {
    const app = quietApp()
    app.use(session(sessions))
    app.use(session(sessions))
    app.use((ctx) => {
      ctx.session.views = 1
    })
    expect((await get(app)).headers['set-cookie']).toHaveLength(1)
    const other = quietApp()
    other.use(session(sessions))
    other.use(session(createSessions({ store })))
    expect((await get(other)).status).toBe(500)
  })

  test('may change above its middleware, and where Koa does not respond', async () => {
    const app = new Koa()
    app.use(async (ctx, next) => {
      await next()
      ctx.session.signIn('above')
    })
    app.use(session(sessions))
    app.use((ctx) => {
      ctx.body = 'page'
    })
    const response = await get(app)
    expect([response.text, response.headers['set-cookie']?.length]).toEqual(['page', 1])
    expect((await sessions.list({ userId: 'above' })).sessions).toHaveLength(1)
  })

  test('is saved with an error page, whoever writes it', async () => {
    for (const caught of [true, false]) {
      const app = quietApp()
      app.use(async (ctx, next) => {
        try {
          await next()
        } catch (error) {
          if (!caught) throw error
          ctx.status = 418
          ctx.body = 'no tea'
        }
      })
      app.use(session(sessions))
      app.use((ctx) => {
        ctx.session.views = 5
        ctx.throw(418)
      })
      const response = await get(app)
      expect(response.status).toBe(418)
      const [cookie = ''] = response.headers['set-cookie'] ?? []
      expect((await sessions.load({ cookie, secure: false, host: 'localhost' })).views).toBe(5)
    }
  })

  test('is typed', () => {
    const app = new Koa()
    app.use(session(sessions))
    app.use((ctx) => {
      expectTypeOf(ctx.session).toEqualTypeOf<Session<SessionData>>()
    })
    app.use(session(createSessions<{ items: string[] }>())).use((ctx) => {
      expectTypeOf(ctx.session.items).toEqualTypeOf<string[] | undefined>()
    })
  })
})

describe('a store that fails to write', () => {
  test.each(['type', 'body'])(
    'is answered by Koa where the middleware above only sets the status (%s)',
    async (what) => {
      const app = quietApp()
      app.use(async (ctx, next) => {
        if (what === 'type') ctx.type = 'json'
        await next().catch((error) => {
          expect(ctx.body).toBe(undefined)
          ctx.status = error.status
        })
      })
      app.use(session(sessions))
      app.use((ctx) => {
        ctx.session.views = 1
        ctx.body = what === 'type' ? { page: 1 } : null
      })
      store.broken.add('create')
      const response = await get(app)
      store.broken.clear()
      expect([response.status, response.text]).toEqual([503, 'Service Unavailable'])
    },
  )

  test('is an error for the middleware above, which finds nothing of the page', async () => {
    const errors: unknown[] = []
    const app = new Koa()
    app.use(async (ctx, next) => {
      ctx.set('X-Frame-Options', 'DENY')
      try {
        await next()
      } catch (error) {
        errors.push(error)
        expect(ctx.session.userId).toBe('alice')
        ctx.body = 'sorry'
      }
    })
    app.use(session(sessions))
    const body = Readable.from(['never sent'])
    app.use((ctx) => {
      ctx.session.signIn('alice')
      ctx.set({ ETag: '"1"', Location: '/', 'X-Frame-Options': 'none' })
      ctx.status = 201
      ctx.body = body
    })
    store.broken.add('create')
    const response = await get(app)
    store.broken.clear()
    expect([response.status, response.text, response.headers['x-frame-options']]).toEqual([503, 'sorry', 'DENY'])
    for (const name of ['etag', 'location', 'set-cookie']) expect(response.headers[name]).toBeUndefined()
    expect(errors.map((error) => isSojournError(error) && error.code)).toEqual(['store_unavailable'])
    expect(body.destroyed).toBe(true)
  })

  test.each<[string, (body: ReadableStream) => unknown]>([
    ['web stream', (body) => body],
    ['Response', (body) => new Response(body)],
  ])('cancels a %s, and calls nothing of an object', async (_, bodyOf) => {
    const ended: string[] = []
    const app = quietApp()
    app.use(session(sessions))
    app.use((ctx) => {
      ctx.session.views = 1
      const stream = new ReadableStream({ cancel: () => void ended.push('cancelled') })
      ctx.body = ctx.path === '/' ? bodyOf(stream) : { destroy: () => ended.push('destroyed') }
    })
    store.broken.add('create')
    const statuses = [(await get(app)).status, (await get(app, '/object')).status]
    store.broken.clear()
    expect([statuses, ended]).toEqual([[503, 503], ['cancelled']])
  })

  test('never passes a page on that was not saved, though the error is swallowed', async () => {
    const app = new Koa()
    app.use(async (_ctx, next) => next().catch(() => {}))
    app.use(session(sessions))
    app.use((ctx) => {
      ctx.session.views = 1
      ctx.body = { secret: 'page' }
    })
    store.broken.add('create')
    const response = await get(app)
    store.broken.clear()
    expect([response.status, response.text]).toEqual([503, 'Service Unavailable'])
  })

  test('is answered where Koa does not respond', async () => {
    const app = quietApp()
    app.use(session(sessions))
    app.use((ctx) => {
      ctx.respond = false
      ctx.session.views = 1
      ctx.res.setHeader('ETag', '"1"').end('never sent')
    })
    store.broken.add('create')
    const response = await get(app)
    store.broken.clear()
    expect([response.status, response.text, response.headers.etag]).toEqual([503, 'Service Unavailable', undefined])
  })
})

describe('requireUser', () => {
  function app(): Koa {
    const app = quietApp()
    app.use(session(sessions))
    app.use(async (ctx, next) => {
      if (ctx.path === '/login') ctx.body = returnPath(ctx)
      else if (ctx.path === '/api') await requireUser()(ctx, next)
      else await requireUser({ redirect: '/login' })(ctx, next)
    })
    app.use(requireFresh({ within: '10m' }))
    app.use((ctx) => {
      ctx.body = ctx.session.userId
    })
    return app
  }

  test('sends a stranger to sign in, and back', async () => {
    const response = await get(app(), '/profile?tab=1')
    expect([response.status, response.headers.location]).toEqual([302, '/login?returnTo=%2Fprofile%3Ftab%3D1'])
    expect(response.headers['cache-control']).toBe('no-store')
    expect(response.headers['set-cookie']).toBeUndefined()
    const login = quietApp()
    login.use((ctx) => {
      ctx.body = returnPath(ctx)
    })
    expect((await get(login, response.headers.location)).text).toBe('/profile?tab=1')
  })

  test('answers a program with 401, and lets a user in', async () => {
    const refused = await get(app(), '/api')
    expect([refused.status, refused.text]).toEqual([401, 'This needs a signed-in user'])
    const { cookie } = await sessions.create({ userId: 'alice' })
    expect((await get(app(), '/api', { cookie })).text).toBe('alice')
  })

  test('says what is missing where there is no session', async () => {
    const app = quietApp()
    app.use(requireUser())
    const seen = new Promise<unknown>((resolve) => app.once('error', resolve))
    await get(app)
    expect(await seen).toMatchObject({ code: 'invalid_option' })
  })
})

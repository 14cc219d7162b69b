import { getConnInfo } from '@hono/node-server/conninfo'
import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { every, except, some } from 'hono/combine'
import { cors } from 'hono/cors'
import { csrf } from 'hono/csrf'
import { etag } from 'hono/etag'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { streamOf } from '../../test/adapters/routes/parts.js'
import { switchableStore } from '../../test/adapters/switchable-store.js'
import { createSessions, isSojournError, type Session, type SessionData } from '../index.js'
import { requireFresh, requireUser, returnPath, session } from './hono.js'

const store = switchableStore()
const sessions = createSessions({ store })

function appOf(...options: Parameters<typeof session>): Hono {
  const app = new Hono()
  app.use(session(...options))
  return app
}

describe('c.var.session', () => {
  test('is the same on the fetch interface alone', async () => {
    const app = appOf(sessions)
    app.get('/', (c) => {
      c.var.session.views = (c.var.session.views ?? 0) + 1
      return c.text(String(c.get('session').views))
    })
    const first = await app.request('http://localhost/')
    const [cookie = ''] = first.headers.getSetCookie()
    expect(cookie).toMatch(/^session=/)
    expect(await (await app.request('http://localhost/', { headers: { cookie } })).text()).toBe('2')
    expect((await app.request('https://shop.example/')).headers.getSetCookie()[0]).toMatch(/^__Host-session=/)
    expect((await app.request('http://shop.example/')).headers.getSetCookie()).toEqual([])
  })

  test('mounted above etag(), sends its cookie with a 304 too', async () => {
    const app = appOf(sessions)
    app.use(etag())
    app.get('/', (c) => {
      c.var.session.views = 1
      return c.text('the same page')
    })
    const tag = (await app.request('http://localhost/')).headers.get('etag') ?? ''
    const response = await app.request('http://localhost/', { headers: { 'if-none-match': tag } })
    expect([response.status, response.headers.getSetCookie().length]).toEqual([304, 1])
  })

  test('a branch that its guard refuses leaves the headers of the others as they were', async () => {
    const app = new Hono()
    app.use(async (c, next) => {
      c.header('X-Request-Id', '7')
      c.header('Set-Cookie', 'seen=1')
      await next()
    })
    app.use(some(every(session(sessions), requireUser()), bearerAuth({ token: 'of-an-app' })))
    app.get('/', (c) => c.text('page'))
    const page = await app.request('/', { headers: { authorization: 'Bearer of-an-app' } })
    const names = ['x-request-id', 'set-cookie', 'vary']
    expect([page.status, ...names.map((name) => page.headers.get(name))]).toEqual([200, '7', 'seen=1', 'Cookie'])
  })

  test('an error that passes on its way is answered with the headers that were there', async () => {
    const app = new Hono()
    const native = createSessions({ store, transport: { header: 'authorization' } })
    app.use(except('/login', session(native), requireUser()))
    app.onError((error, c) => c.text(error.message, 401))
    const page = await app.request('/')
    expect([page.status, page.headers.get('www-authenticate'), page.headers.get('vary')]).toEqual([
      401,
      'Bearer',
      'authorization',
    ])
  })

  test('an error of saving is told with an answer of fetch, whose headers cannot be changed', async () => {
    const app = new Hono()
    app.use(session({ store: { ...store, create: () => Promise.reject(new Error('down')) } }))
    app.get('/', (c) => {
      c.var.session.views = 1
      return Response.redirect('http://localhost/other')
    })
    app.onError((_error, c) => c.text('sorry', 503))
    const page = await app.request('http://localhost/')
    expect([page.status, page.headers.get('vary'), page.headers.get('location')]).toEqual([503, 'Cookie', null])
  })

  test('is told of TLS and of the client by the app', async () => {
    const refused: unknown[] = []
    const sessions = createSessions({ store })
    sessions.on('refused', ({ address }) => refused.push(address))
    const app = appOf(sessions, {
      secure: (c) => c.req.header('x-forwarded-proto') === 'https',
      address: () => '203.0.113.9',
    })
    app.get('/', (c) => {
      c.var.session.views = 1
      return c.text('')
    })
    const headers = { 'x-forwarded-proto': 'https', cookie: `__Host-session=${'a'.repeat(64)}` }
    const response = await app.request('http://10.0.0.1/', { headers })
    expect(response.headers.getSetCookie()[0]).toMatch(/^__Host-session=/)
    expect(refused).toEqual(['203.0.113.9'])
  })

  test('is told where a visitor comes from only when it matters, and once', async () => {
    const asked: string[] = []
    const app = appOf(sessions, {
      address(c) {
        asked.push(c.req.path)
        // Known only where a server has the connection: with `app.request()` it throws.
        return c.req.path === '/login' ? '203.0.113.9' : getConnInfo(c).remote.address
      },
    })
    app.get('/', (c) => c.text(`${c.var.session.userId}`))
    app.get('/login', async (c) => {
      c.var.session.signIn('alice')
      await c.var.session.save()
      c.var.session.signIn('alice')
      return c.text('')
    })
    expect(await (await app.request('/')).text()).toBe('null')
    await app.request('/login')
    expect(asked).toEqual(['/login'])
    const {
      sessions: [device],
    } = await sessions.list({ userId: 'alice' })
    expect(device?.address).toBe('203.0.113.9')
  })

  test('is one, however often it is mounted', async () => {
    const app = appOf(sessions)
    app.route(
      '/inner',
      appOf(sessions).get('/', (c) => {
        c.var.session.views = 1
        return c.text('')
      }),
    )
    app.route(
      '/other',
      appOf({ store }).get('/', (c) => c.text('')),
    )
    app.onError((error, c) => c.text(isSojournError(error) ? error.code : 'unknown', 500))
    expect((await app.request('http://localhost/inner')).headers.getSetCookie()).toHaveLength(1)
    expect(await (await app.request('http://localhost/other')).text()).toBe('invalid_option')
  })

  test('joins headers that cannot be changed, and a body that streams', async () => {
    const app = appOf(sessions)
    app.get('/redirect', (c) => {
      c.var.session.views = 1
      return Response.redirect('http://localhost/there', 303)
    })
    app.get('/stream', (c) => {
      c.var.session.views = 1
      return c.body(streamOf(['a', 'b']))
    })
    const redirect = await app.request('http://localhost/redirect')
    expect([redirect.status, redirect.headers.get('location')]).toEqual([303, 'http://localhost/there'])
    expect(redirect.headers.getSetCookie()).toHaveLength(1)
    const stream = await app.request('http://localhost/stream')
    expect([stream.headers.getSetCookie().length, await stream.text()]).toEqual([1, 'ab'])
  })

  test('hides no mistake: where nobody has answered, Hono says so', async () => {
    const app = appOf(sessions)
    const errors: string[] = []
    app.use(async (c) => {
      c.var.session.views = 1
    })
    app.onError((error, c) => {
      errors.push(error.message)
      return c.text('', 500)
    })
    expect((await app.request('http://localhost/')).status).toBe(500)
    expect(errors).toEqual([expect.stringContaining('not finalized')])
  })

  test('is saved with what app.onError answers', async () => {
    const app = appOf(sessions)
    app.get('/', (c) => {
      c.var.session.views = 5
      throw new Error('no tea')
    })
    app.onError((error, c) => c.text(error.message, 418))
    const response = await app.request('http://localhost/')
    expect([response.status, await response.text()]).toEqual([418, 'no tea'])
    const [cookie] = response.headers.getSetCookie()
    expect((await sessions.load({ cookie, secure: false, host: 'localhost' })).views).toBe(5)
  })

  test('is typed', () => {
    const app = new Hono()
    app.use(session(sessions))
    app.get('/', csrf(), (c) => {
      expectTypeOf(c.var.session).toEqualTypeOf<Session<SessionData>>()
      expectTypeOf(c.get('session')).toEqualTypeOf<Session<SessionData>>()
      return c.text('')
    })
    new Hono().use(session(createSessions<{ items: string[] }>())).get('/', (c) => {
      expectTypeOf(c.var.session.items).toEqualTypeOf<string[] | undefined>()
      return c.text('')
    })
  })
})

describe('a store that fails to write', () => {
  function failing() {
    const app = appOf(sessions)
    app.get('/', (c) => {
      c.var.session.views = 1
      c.header('ETag', '"1"')
      c.status(201)
      return c.body(streamOf(['never sent']), { headers: { 'cache-control': 'public', location: '/' } })
    })
    return app
  }

  test('is answered with 503 and nothing of the page', async () => {
    store.broken.add('create')
    const response = await failing().request('http://localhost/')
    expect([response.status, await response.text()]).toEqual([503, 'The server cannot answer at present'])
    expect([...response.headers.keys()].sort()).toEqual(['cache-control', 'content-type', 'vary'])
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('is answered without what c.header() had set beside a Response of the handler’s own', async () => {
    const app = appOf(sessions)
    app.onError((error, c) => c.text(error.message, 503))
    app.get('/', (c) => {
      c.var.session.views = 1
      c.header('Cache-Control', 'public, max-age=3600')
      c.header('Set-Cookie', 'a=1', { append: true })
      return new Response('page')
    })
    store.broken.add('create')
    const { headers } = await app.request('http://localhost/')
    expect([headers.get('cache-control'), headers.getSetCookie()]).toEqual([null, []])
  })

  test.each([
    ['before', 0],
    ['after', 1],
  ])('leaves it to CORS who may read the answer, mounted %s the session', async (_where, index) => {
    const app = new Hono()
    const middleware = [session(sessions)]
    middleware.splice(index, 0, cors({ origin: 'https://app.example', credentials: true }))
    app.use(...middleware).get('/', (c) => {
      c.var.session.views = 1
      return c.text('page', 200, { etag: '"1"' })
    })
    store.broken.add('create')
    const response = await app.request('http://localhost/', { headers: { origin: 'https://app.example' } })
    store.broken.clear()
    expect(response.status).toBe(503)
    expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example')
    expect(response.headers.get('access-control-allow-credentials')).toBe('true')
    expect(response.headers.get('etag')).toBeNull()
  })

  test('goes to app.onError', async () => {
    const app = failing()
    app.onError((error, c) => c.json({ code: isSojournError(error) && error.code }))
    store.broken.add('create')
    const response = await app.request('http://localhost/')
    store.broken.clear()
    expect([response.status, await response.json()]).toEqual([200, { code: 'store_unavailable' }])
    expect([...response.headers.keys()].sort()).toEqual(['content-type', 'vary'])
  })
})

describe('requireUser', () => {
  const app = appOf(sessions)
  app.get('/login', (c) => c.text(returnPath(c)))
  app.get('/profile', requireUser({ redirect: '/login' }), (c) => c.text(`${c.var.session.userId}`))
  app.get('/password', requireFresh({ within: '10m' }), (c) => c.text('changed'))

  test('sends a stranger to sign in, and back', async () => {
    const response = await app.request('http://localhost/profile?tab=1')
    const location = response.headers.get('location') ?? ''
    expect([response.status, location]).toEqual([302, '/login?returnTo=%2Fprofile%3Ftab%3D1'])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await (await app.request(`http://localhost${location}`)).text()).toBe('/profile?tab=1')
  })

  test('answers a program with 401, and lets a user in', async () => {
    const refused = await app.request('http://localhost/profile', {
      headers: { 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' },
    })
    expect([refused.status, await refused.text()]).toEqual([401, 'This needs a signed-in user'])
    const { cookie } = await sessions.create({ userId: 'alice' })
    for (const [path, text] of [
      ['/profile', 'alice'],
      ['/password', 'changed'],
    ]) {
      expect(await (await app.request(`http://localhost${path}`, { headers: { cookie } })).text()).toBe(text)
    }
  })

  test('says what is missing where there is no session', async () => {
    const app = new Hono().get('/', requireUser(), (c) => c.text(''))
    app.onError((error, c) => c.text(isSojournError(error) ? error.code : 'unknown', 500))
    expect(await (await app.request('http://localhost/')).text()).toBe('invalid_option')
  })
})

import cookieSession from 'cookie-session'
import express, { type Express } from 'express'
import fc from 'fast-check'
import { createSessions, type SessionStore } from 'sojourn'
import { session } from 'sojourn/express'
import { cookieSessionCookie } from 'sojourn/express-session'
import { cookieStore } from 'sojourn/stores/cookie'
import { memoryStore } from 'sojourn/stores/memory'
import request from 'supertest'
import { describe, expect, test } from 'vitest'

// biome-ignore lint/suspicious/noExplicitAny: sessions here have values of any name.
type Any = any

const keys = ['the present key', 'the key before']
const userId = (old: Any) => old.user

function oldApp(options: object = {}): Express {
  const app = express()
  app.use(cookieSession({ keys: ['the key before'], ...options }))
  app.get('/login/:user', (req: Any, res) => {
    req.session = { user: req.params.user, cart: ['book'], __own: 1, cookie: 'of the app' }
    res.redirect('/')
  })
  app.get('/buy', (req: Any, res) => {
    req.session.cart.push('pen')
    res.redirect('/')
  })
  app.get('/', (req: Any, res) => res.json([req.session?.user ?? null, req.session?.cart ?? []]))
  return app
}

function newApp(store = memoryStore(), options: object = {}): Express {
  const accept = cookieSessionCookie({ keys, store, userId, ...options })
  const app = express()
  app.use(session(createSessions({ store, accept }) as Any))
  app.get('/buy', (req: Any, res) => {
    req.session.cart.push('pencil')
    res.redirect('/')
  })
  app.get('/logout', (req: Any, res) => {
    req.session.destroy()
    res.redirect('/')
  })
  app.get('/', (req: Any, res) => res.json([req.session.userId, req.session.cart ?? []]))
  return app
}

function browser() {
  const { jar } = request.agent('http://127.0.0.1')
  return async (app: Express, path: string) => {
    const agent = request.agent(app)
    agent.jar = jar
    const { body, headers } = await agent.get(path).redirects(1)
    return { page: body, setCookie: String(headers['set-cookie'] ?? '') }
  }
}

describe.each(['session', 'of-the-app'])('a visitor whose cookie is called %s', (name) => {
  test('stays signed in from one version to the next', async () => {
    const [old, next] = [oldApp({ name }), newApp(memoryStore(), { name })]
    const get = browser()
    await get(old, '/login/ada')
    await get(old, '/buy')
    expect((await get(next, '/')).page).toEqual(['ada', ['book', 'pen']])
    expect((await get(next, '/buy')).page).toEqual(['ada', ['book', 'pen', 'pencil']])
    expect((await get(next, '/')).page).toEqual(['ada', ['book', 'pen', 'pencil']])
  })

  test('stays signed out, though the old cookie is still there', async () => {
    const [old, next] = [oldApp({ name: 'old' }), newApp(memoryStore(), { name: 'old' })]
    const get = browser()
    await get(old, '/login/ada')
    await get(next, '/')
    expect((await get(next, '/logout')).page).toEqual([null, []])
    expect((await get(next, '/')).page).toEqual([null, []])
    expect((await get(old, '/')).page).toEqual(['ada', ['book']])
  })
})

async function oldCookie(options: object = {}): Promise<string> {
  const { headers } = await request(oldApp(options)).get('/login/ada')
  return (headers['set-cookie'] as unknown as string[]).map((line) => line.split(';')[0]).join('; ')
}

const settings = { cookie: { secure: true } }

test('parallel requests come to one session', async () => {
  const store = memoryStore()
  const sessions = createSessions<Any>({ ...settings, store, accept: cookieSessionCookie({ keys, store, userId }) })
  const cookie = await oldCookie()
  const visits = await Promise.all(['a', 'b', 'c'].map(() => sessions.load({ cookie })))
  expect(new Set(visits.map(({ id }) => id)).size).toBe(1)
  expect({ ...visits[0] }).toMatchObject({ cart: ['book'], cookie: 'of the app' })
  expect(visits[0]?.authenticatedAt).toBe(null)
})

test('parallel requests come to one session, whichever of them is ahead', async () => {
  const cookie = await oldCookie()
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const own = memoryStore()
      const turn = () => scheduler.schedule(Promise.resolve())
      const store: SessionStore = {
        read: (id) => turn().then(() => own.read(id)),
        create: (id, record) => turn().then(() => own.create(id, record)),
        patch: (id, patch) => turn().then(() => own.patch(id, patch)),
        delete: (id) => turn().then(() => own.delete(id)),
      }
      const accept = cookieSessionCookie({ keys, store, userId })
      const sessions = createSessions<Any>({ ...settings, store, accept, storeTimeout: '1h' })
      const visits = await scheduler.waitFor(Promise.all(['a', 'b', 'c'].map(() => sessions.load({ cookie }))))
      expect(new Set(visits.map(({ id }) => id)).size).toBe(1)
    }),
    { numRuns: 100 },
  )
})

test.each([
  ['a forged signature', (cookie: string) => cookie.replace(/sig=..../, 'sig=AAAA')],
  ['another value', (cookie: string) => cookie.replace(/session=eyJ1/, 'session=eyJ2')],
  ['no signature', (cookie: string) => cookie.split('; ')[0] as string],
  [
    'the signature of another cookie',
    (cookie: string) => cookie.replace('session=', 'x=').replace(/$/, '; session=e30='),
  ],
])('%s is nobody', async (_what, change) => {
  const store = memoryStore()
  const sessions = createSessions({ ...settings, store, accept: cookieSessionCookie({ keys, store, userId }) })
  expect((await sessions.load({ cookie: change(await oldCookie()) })).userId).toBe(null)
  expect(await store.list?.({ limit: 5 })).toEqual([])
})

test('a cookie that came in quotes is theirs, as it was to cookie-session', async () => {
  const store = memoryStore()
  const sessions = createSessions({ ...settings, store, accept: cookieSessionCookie({ keys, store, userId }) })
  const cookie = (await oldCookie()).replace(/=([^;]+)/g, '="$1"')
  const response = await request(oldApp()).get('/').set('Cookie', cookie)
  expect([response.body[0], (await sessions.load({ cookie })).userId]).toEqual(['ada', 'ada'])
})

test('a key that was dropped signs nobody in', async () => {
  const store = memoryStore()
  const accept = cookieSessionCookie({ keys: 'the present key', store, userId })
  const visitor = await createSessions({ ...settings, store, accept }).load({ cookie: await oldCookie() })
  expect(visitor.userId).toBe(null)
})

test.each([{ name: 'Ada' }, [7], false, 1.5])('%j is no user id, and nobody is taken for another', async (user) => {
  const store = memoryStore()
  const accept = cookieSessionCookie({ keys, store, userId: () => user as Any })
  const loaded = createSessions({ ...settings, store, accept }).load({ cookie: await oldCookie() })
  await expect(loaded).rejects.toMatchObject({ code: 'invalid_value' })
  expect(await store.list?.({ limit: 5 })).toEqual([])
})

test.each([true, false])('the cookie outlives the browser as the old one did (%s)', async (remember) => {
  const store = memoryStore()
  const accept = cookieSessionCookie({ keys, store, userId, remember })
  const sessions = createSessions({ ...settings, store, accept })
  const visitor = await sessions.load({ cookie: await oldCookie({ maxAge: 86_400_000 }) })
  const [line] = await sessions.commit(visitor)
  expect(line?.includes('Max-Age')).toBe(remember)
})

test('sessions can go on in a sealed cookie, and stay ended', async () => {
  const marks = memoryStore()
  const secrets = 'k3l9-XmQ2_vB7tR5wZ8yP1sD4fG6hJ0c'
  const accept = cookieSessionCookie({ keys, store: marks, userId })
  const sessions = createSessions<Any>({ ...settings, store: cookieStore({ secrets }), accept })
  const cookie = await oldCookie()
  const visitor = await sessions.load({ cookie })
  expect([visitor.userId, visitor.cart]).toEqual(['ada', ['book']])
  const [line] = await sessions.commit(visitor)
  const again = await sessions.load({ cookie: line?.split(';')[0] as string })
  expect([again.userId, again.cart]).toEqual(['ada', ['book']])
  expect((await sessions.load({ cookie })).userId).toBe(null)
})

test('a store of what was ended keeps no value of the session, whatever its name', async () => {
  const revocation = memoryStore()
  const secrets = 'k3l9-XmQ2_vB7tR5wZ8yP1sD4fG6hJ0c'
  const accept = cookieSessionCookie({ keys, store: memoryStore(), userId })
  const sessions = createSessions<Any>({ ...settings, store: cookieStore({ secrets, revocation }), accept })
  const visitor = await sessions.load({ cookie: await oldCookie() })
  expect(visitor.userId).toBe('ada')
  const names = Object.keys((await revocation.read(visitor.id))?.values ?? {})
  expect(names.sort()).toEqual(['__signIn', '__takenOverBy', '__token'])
})

test.each([
  [undefined, 'keys of cookieSessionCookie must be what signed the cookies until now, as text'],
  [{ keys: ['k'], secret: 'k' }, 'cookieSessionCookie: "secret" is not an option; there are "name", "keys"'],
  [{ keys: 'k', store: memoryStore(), name: 7 }, 'name of cookieSessionCookie must be that of the old cookie; got 7'],
  [{ keys: 'k', store: memoryStore(), remember: '30d' }, 'remember of cookieSessionCookie must be true or false'],
  [{ keys: 'k', store: memoryStore(), userId: 'user' }, 'userId of cookieSessionCookie must be a function; got "user"'],
  [{}, 'keys of cookieSessionCookie must be what signed the cookies until now, as text'],
  [{ keys: [] }, 'keys of cookieSessionCookie must be'],
  [{ keys: '' }, 'keys of cookieSessionCookie must be'],
  [{ keys: ['k', ''] }, 'keys of cookieSessionCookie must be'],
  [{ keys: ['k'] }, 'store of cookieSessionCookie must be a store on the server'],
])('%j is refused', (options, message) => {
  expect(() => cookieSessionCookie(options as Any)).toThrow(message)
})

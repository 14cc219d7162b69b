import { createHmac } from 'node:crypto'
import express from 'express'
import original from 'express-session'
import fc from 'fast-check'
import { createSessions, type SessionStore } from 'sojourn'
import { session } from 'sojourn/express'
import { expressSessionCookie, toConnectStore } from 'sojourn/express-session'
import { cookieStore } from 'sojourn/stores/cookie'
import { memoryStore } from 'sojourn/stores/memory'
import request from 'supertest'
import { describe, expect, test, vi } from 'vitest'
import { deferred } from '../harness/gatekeeper.js'

// biome-ignore lint/suspicious/noExplicitAny: sessions here have values of any name.
type Any = any

const secret = ['a new secret', 'the secret of old']
const userId = (record: Any) => record.passport?.user

/** An app of old with a visitor who signed in, and what their browser holds. */
async function old(cookie: object = {}) {
  const store = new original.MemoryStore()
  const app = express()
  app.use(original({ secret: secret[1] as string, resave: false, saveUninitialized: false, store, cookie }))
  app.get('/', (req, res) => {
    Object.assign(req.session, { passport: { user: 'ada' }, cart: ['book'], __own: 1, userId: 'of the app' })
    res.end()
  })
  const response = await request(app).get('/')
  return { store, cookie: (response.headers['set-cookie'] as unknown as string[])[0]?.split(';')[0] as string }
}

function engine(store: Any, more: object = {}) {
  const accept = expressSessionCookie({ secret, store, userId })
  return createSessions<Any>({ store: memoryStore(), cookie: { secure: true }, accept, ...more })
}

/** A request, and the cookie that it sets. */
async function visit(sessions: Any, cookie: string) {
  const visitor = await sessions.load({ cookie })
  const [setCookie] = await sessions.commit(visitor)
  return { visitor, setCookie: setCookie as string | undefined, cookie: setCookie?.split(';')[0] ?? cookie }
}

describe('a visitor with the cookie of express-session', () => {
  test('goes on with the same values, signed in, under a cookie of Sojourn', async () => {
    const { store, cookie } = await old()
    const sessions = engine(store)
    const { visitor, setCookie, cookie: next } = await visit(sessions, `other=1; ${cookie}`)
    expect(visitor.userId).toBe('ada')
    expect({ ...visitor }).toMatchObject({ passport: { user: 'ada' }, cart: ['book'] })
    expect(setCookie).toMatch(/^__Host-session=[\w-]{64}; /)
    expect(setCookie).not.toContain('Max-Age')
    expect((store as Any).sessions).toEqual({})
    const again = await visit(sessions, next)
    expect([again.visitor.id, again.visitor.cart, again.setCookie]).toEqual([visitor.id, ['book'], undefined])
  })

  test('is given no cookie that a sign-in has replaced while a page of theirs was slow', async () => {
    const { store, cookie } = await old()
    let now = Date.now()
    const sessions = engine(store, { clock: () => now })
    const slow = await sessions.load({ cookie })
    expect(slow.cart).toEqual(['book'])
    now += 100
    const login = await sessions.load({ cookie })
    login.signIn('eve')
    await sessions.commit(login)
    expect(await sessions.commit(slow)).toEqual([])
  })

  test.each<[string, object, (ours: string[]) => string[]]>([
    ['two living sessions', {}, ([alice, mallory]) => [alice as string, mallory as string]],
    ['three tokens', {}, () => ['x', 'y', 'z'].map((letter) => `session=${letter.repeat(64)}`)],
    [
      'two living sessions, sealed',
      { store: cookieStore({ secrets: 'Zq8vR2mX5kT9wL3nB7cJ4hF6pD1sG0yA' }) },
      (ours) => ours,
    ],
  ])(
    'is nobody beside cookies of ours that cancel each other: who planted those may have planted it (%s)',
    async (_, more, beside) => {
      const { store, cookie } = await old()
      const sessions = engine(store, { cookie: { secure: false }, ...more })
      const created = [await sessions.create({ userId: 'alice' }), await sessions.create({ userId: 'mallory' })]
      const ours = beside(created.map((it) => it.cookie))
      const { visitor, setCookie } = await visit(sessions, [...ours, cookie].join('; '))
      expect([visitor.userId, setCookie]).toEqual([null, undefined])
      expect((await visit(sessions, cookie)).visitor.userId).toBe('ada')
    },
  )

  test.each([-90_000, 0, 90_000])(
    'goes on, where a parallel request meets a server whose clock differs by %d ms',
    async (skew) => {
      const { store, cookie } = await old()
      const shared = memoryStore()
      let isCreated = () => {}
      const creating = new Promise<void>((resolve) => (isCreated = resolve))
      let goOn = () => {}
      const slow: SessionStore = {
        ...shared,
        async create(id, record) {
          const isFree = await shared.create(id, record)
          isCreated()
          await new Promise<void>((resolve) => (goOn = resolve))
          return isFree
        },
      }
      const events: string[] = []
      const told = (sessions: Any) => {
        sessions.on('created', ({ id }: { id: string }) => events.push(id))
        return sessions
      }
      const first = visit(told(engine(store, { store: slow })), cookie)
      await creating
      const second = await visit(told(engine(store, { store: shared, clock: () => Date.now() + skew })), cookie)
      goOn()
      expect([(await first).visitor.userId, second.visitor.userId]).toEqual(['ada', 'ada'])
      expect(events).toEqual([second.visitor.id])
      const later = await visit(engine(store, { store: shared }), second.cookie)
      expect([later.visitor.userId, later.visitor.cart]).toEqual(['ada', ['book']])
    },
  )

  test('has not just proved who they are', async () => {
    const { store, cookie } = await old()
    const { visitor } = await visit(engine(store), cookie)
    expect(visitor.authenticatedAt).toBe(null)
  })

  test('is remembered as long as they were', async () => {
    const { store, cookie } = await old({ maxAge: 86_400_000 })
    const { setCookie } = await visit(engine(store), cookie)
    expect(setCookie).toContain('Max-Age=')
  })

  test.each([{ name: 'Ada' }, [7], false, 1.5])(
    'is not taken for another user where %j is no user id',
    async (user) => {
      const { store, cookie } = await old()
      const accept = expressSessionCookie({ secret, store: store as Any, userId: () => user as Any })
      for (const onStoreError of ['fail', 'anonymous']) {
        const loaded = engine(store, { accept, onStoreError }).load({ cookie })
        await expect(loaded).rejects.toMatchObject({ code: 'invalid_value' })
      }
      expect(Object.keys((store as Any).sessions)).toHaveLength(1)
    },
  )

  test('is no outage where the function that tells who it is throws', async () => {
    const { store, cookie } = await old()
    const accept = expressSessionCookie({ secret, store: store as Any, userId: (record: Any) => record.nothing.user })
    for (const onStoreError of ['fail', 'anonymous']) {
      const sessions = engine(store, { accept, onStoreError })
      const outages: unknown[] = []
      sessions.on('outage', (event) => void outages.push(event))
      await expect(sessions.load({ cookie })).rejects.toMatchObject({
        code: 'invalid_value',
        cause: expect.any(TypeError),
      })
      expect(outages).toEqual([])
    }
  })

  test('may be nobody in particular', async () => {
    const { store, cookie } = await old()
    const accept = expressSessionCookie({ secret, store: store as Any })
    const { visitor } = await visit(engine(store, { accept }), cookie)
    expect([visitor.userId, visitor.cart]).toEqual([null, ['book']])
  })

  test('whose response was lost goes on with the same session', async () => {
    const { store, cookie } = await old()
    const sessions = engine(store)
    const first = await visit(sessions, cookie)
    first.visitor.cart.push('pen')
    await sessions.commit(first.visitor)
    const second = await visit(sessions, cookie)
    expect([second.visitor.cart, second.cookie]).toEqual([['book', 'pen'], first.cookie])
  })

  test('is let go when the session has ended, here or there', async () => {
    const { store, cookie } = await old()
    const sessions = engine(store)
    const { visitor } = await visit(sessions, cookie)
    visitor.destroy()
    await sessions.commit(visitor)
    const after = await visit(sessions, cookie)
    expect([after.visitor.userId, after.setCookie]).toEqual([null, undefined])
  })

  test('is somebody else once they signed in anew', async () => {
    const { store, cookie } = await old()
    const sessions = engine(store)
    const { visitor } = await visit(sessions, cookie)
    visitor.signIn('ada')
    await sessions.commit(visitor)
    const thief = await visit(sessions, cookie)
    expect([thief.visitor.userId, thief.visitor.cart]).toEqual([null, undefined])
  })

  test('is not looked up when they have a cookie of ours', async () => {
    const { store, cookie } = await old()
    const sessions = engine(store)
    const { cookie: next } = await visit(sessions, cookie)
    ;(store as Any).get = () => expect.unreachable()
    const { visitor } = await visit(sessions, `${cookie}; ${next}`)
    expect(visitor.userId).toBe('ada')
  })

  test.each([
    ['a forged signature', (cookie: string) => cookie.slice(0, -4)],
    ['no signature', (cookie: string) => cookie.replace(/%3A|s:/, '')],
    ['another name', (cookie: string) => cookie.replace('connect', 'other')],
    [
      'a session that never was',
      () =>
        `connect.sid=s:x.${createHmac('sha256', secret[0] as string)
          .update('x')
          .digest('base64')}`,
    ],
  ])('is nobody with %s', async (_what, change) => {
    const { store, cookie } = await old()
    const { visitor, setCookie } = await visit(engine(store), change(cookie))
    expect([visitor.userId, setCookie]).toEqual([null, undefined])
    expect(Object.keys((store as Any).sessions)).toHaveLength(1)
  })

  test('is nobody when the session has expired', async () => {
    const { store, cookie } = await old({ maxAge: 1000 })
    const { visitor } = await visit(engine(store, { clock: () => Date.now() + 2000 }), cookie)
    expect(visitor.userId).toBe(null)
  })

  test('keeps what a name of ours would hide', async () => {
    const { store, cookie } = await old()
    const own = memoryStore()
    const { visitor } = await visit(engine(store, { store: own }), cookie)
    const texts = Object.values((await own.read(visitor.id))?.values ?? {})
    expect(texts).toContain('"of the app"')
    expect(texts).toContain('["__own",1]')
  })

  test('meets an error while the old store is down', async () => {
    const { cookie } = await old()
    const store = { get: (_id: string, done: Any) => done(new Error('down')), set() {}, destroy() {} }
    await expect(engine(store).load({ cookie })).rejects.toMatchObject({ code: 'store_unavailable' })
    const anonymous = await engine(store, { onStoreError: 'anonymous' }).load({ cookie })
    expect(anonymous.userId).toBe(null)
  })

  test('of whichever request comes first, all go on with one session', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const { store, cookie } = await old()
        const own = memoryStore()
        const turns = (to: SessionStore): SessionStore => ({
          read: (id) => scheduler.schedule(Promise.resolve()).then(() => to.read(id)),
          create: (id, it) => scheduler.schedule(Promise.resolve()).then(() => to.create(id, it)),
          patch: (id, it) => scheduler.schedule(Promise.resolve()).then(() => to.patch(id, it)),
          delete: (id) => scheduler.schedule(Promise.resolve()).then(() => to.delete(id)),
        })
        const inTurn = (call: () => void) => void scheduler.schedule(Promise.resolve()).then(call)
        // The store of express-session answers a moment later each time, within which others are ahead.
        const { sessions: kept } = store as Any
        const atOnce = {
          get: (id: string, done: Any) => inTurn(() => done(null, kept[id] && JSON.parse(kept[id]))),
          set() {},
          destroy: (id: string, done: Any) => inTurn(() => done(void delete kept[id])),
        }
        const sessions = engine(atOnce, { store: turns(own), storeTimeout: '1h' })
        const visits = ['a', 'b', 'c'].map(async (name) => {
          const visitor = (await sessions.load({ cookie })) as Any
          visitor[name] = name
          const [setCookie] = await sessions.commit(visitor)
          return setCookie?.split(';')[0]
        })
        const [first, ...others] = await scheduler.waitFor(Promise.all(visits))
        for (const other of others) expect(other).toBe(first)
        const visitor = (await engine(store, { store: own }).load({ cookie: first as string })) as Any
        expect({ ...visitor }).toMatchObject({ cart: ['book'], a: 'a', b: 'b', c: 'c' })
        expect((store as Any).sessions).toEqual({})
      }),
      { numRuns: 100 },
    )
  })
})

test('a new process ends what one that died had taken over', async () => {
  const { store, cookie } = await old()
  const own = memoryStore()
  const forgetful = {
    get: (id: string, done: Any) => (store as Any).get(id, done),
    set() {},
    destroy: (_id: string, done: Any) => done(),
  }
  await visit(engine(forgetful as Any, { store: own }), cookie)
  expect(Object.keys((store as Any).sessions)).toHaveLength(1)
  await visit(engine(store, { store: own, clock: () => Date.now() + 61_000 }), cookie)
  expect((store as Any).sessions).toEqual({})
})

test('who signs out while two processes take the session over stays signed out', async () => {
  const { store, cookie } = await old()
  const own = memoryStore()
  const [creates, ends] = [deferred(), [deferred(), deferred()]] as const
  const ending: string[] = []
  /** As the client of a connect store in a process of its own: between its look and its end there is time for others. */
  const process = (name: string, end: Promise<unknown>, create: Promise<unknown>) => {
    const connected = {
      get: (id: string, done: Any) => (store as Any).get(id, done),
      set() {},
      destroy(id: string, done: Any) {
        ending.push(name)
        void end.then(() => (store as Any).destroy(id, done))
      },
    }
    return engine(connected as Any, {
      store: { ...own, create: (id, record) => create.then(() => own.create(id, record)) } as SessionStore,
    })
  }
  const first = process('first', ends[0].promise, Promise.resolve())
  const second = process('second', ends[1].promise, creates.promise)
  const late = visit(second, cookie)
  const early = visit(first, cookie)
  await vi.waitFor(() => expect(ending).toEqual(['first']))
  const visitor = await second.load({ cookie })
  visitor.destroy()
  await second.commit(visitor)
  creates.resolve()
  await vi.waitFor(() => expect(ending).toEqual(['first', 'second']))
  for (const end of ends) end.resolve()
  await Promise.all([late, early])
  expect((await first.load({ cookie })).userId).toBeNull()
  expect(await own.list?.({ limit: 10 })).toEqual([])
})

test('sessions that a bridge keeps in a store of ours are accepted too', async () => {
  const store = memoryStore()
  const bridge = toConnectStore(store)
  const app = express()
  app.use(original({ secret: secret[1] as string, resave: false, saveUninitialized: false, store: bridge as Any }))
  app.get('/', (req, res) => {
    Object.assign(req.session, { passport: { user: 'ada' } })
    res.end()
  })
  const [line] = (await request(app).get('/')).headers['set-cookie'] as unknown as string[]
  const sessions = createSessions<Any>({ store, accept: expressSessionCookie({ secret, store: bridge, userId }) })
  const next = express()
  next.use(session(sessions as Any))
  next.get('/', (req, res) => res.json([req.session.userId]))
  const response = await request(next)
    .get('/')
    .set('Cookie', line?.split(';')[0] as string)
    .set('Host', 'localhost')
  expect(response.body).toEqual(['ada'])
  expect((await store.list?.({ limit: 10 }))?.map(([, { userId }]) => userId)).toEqual(['ada'])
})

const connectStore = new original.MemoryStore()

test.each([
  [undefined, 'secret of expressSessionCookie must be what signed the cookies until now'],
  [{}, 'secret of expressSessionCookie must be what signed the cookies until now'],
  [
    { secret: 's', store: connectStore, key: 'sid' },
    'expressSessionCookie: "key" is not an option; there are "name", ',
  ],
  [{ secret: 's', store: connectStore, name: 7 }, 'name of expressSessionCookie must be that of the old cookie; got 7'],
  [
    { secret: 's', store: connectStore, userId: 'user' },
    'userId of expressSessionCookie must be a function; got "user"',
  ],
  [{ secret: [] }, 'secret of expressSessionCookie must be'],
  [{ secret: ['s', ''] }, 'secret of expressSessionCookie must be'],
  [{ secret: [null] }, 'secret of expressSessionCookie must be'],
  [{ secret: 's' }, 'store of expressSessionCookie must be that of express-session'],
  [{ secret: 's', store: memoryStore() }, 'store of expressSessionCookie must be that of express-session'],
])('%j is refused', (options, message) => {
  expect(() => expressSessionCookie(options as Any)).toThrow(message)
})

test('accept takes nothing else', () => {
  expect(() => createSessions({ accept: {} as Any })).toThrow(
    "accept must be what expressSessionCookie() or cookieSessionCookie() of 'sojourn/express-session' makes",
  )
})

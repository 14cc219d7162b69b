import { createHash } from 'node:crypto'
import express from 'express'
import original from 'express-session'
import fc from 'fast-check'
import type { SessionStore } from 'sojourn'
import session, { type SessionData, toConnectStore } from 'sojourn/express-session'
import { memoryStore } from 'sojourn/stores/memory'
import { sqliteStore } from 'sojourn/stores/sqlite'
import request from 'supertest'
import { describe, expect, test, vi } from 'vitest'

// biome-ignore lint/suspicious/noExplicitAny: both packages go through here, each with typings of its own.
type Any = any

const cookie = { originalMaxAge: null, expires: null, httpOnly: true, path: '/' }
const keyOf = (id: string) => createHash('sha256').update(id).digest('base64url')

function promised<T = Any>(run: (callback: (error: unknown, result?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => run((error, result) => (error ? reject(error) : resolve(result as T))))
}

/** The same store, answering a turn later. */
function later(store: SessionStore): SessionStore {
  const slow = Object.entries(store).map(([name, method]) => [
    name,
    async (...args: unknown[]) => {
      await new Promise((resolve) => setTimeout(resolve, 2))
      return (method as Any)(...args)
    },
  ])
  return Object.fromEntries(slow)
}

describe.each<[string, Any]>([
  ['express-session', original],
  ['the drop-in', session],
])('under %s', (_library, lib) => {
  describe.each([
    ['memory', () => memoryStore()],
    ['SQLite', () => sqliteStore(':memory:')],
    ['a store that answers later', () => later(memoryStore())],
  ])('%s', (_store, makeStore) => {
    function app(options: object = {}) {
      const store = makeStore()
      const server = express()
      const connectStore = toConnectStore(store)
      server.use(lib({ secret: 's', resave: false, saveUninitialized: false, store: connectStore, ...options }))
      server.get('/set/:name/:value', (req, res) => {
        Object.assign(req.session, { [req.params.name]: req.params.value })
        res.json(req.session)
      })
      server.get('/wait/:name/:value', async (req, res) => {
        Object.assign(req.session, { [req.params.name]: req.params.value })
        arrived()
        await gate
        res.json(req.session)
      })
      server.get('/remove/:name', (req, res) => {
        delete (req.session as Any)[req.params.name]
        res.json(req.session)
      })
      server.get('/destroy', (req, res) => req.session.destroy(() => res.end()))
      server.get('/regenerate', (req, res) => {
        req.session.regenerate(() => {
          Object.assign(req.session, { fresh: true })
          req.session.save(() => res.json(req.session))
        })
      })
      server.get('/', (req, res) => res.json(req.session))
      let open = () => {}
      let arrived = () => {}
      const gate = new Promise<void>((resolve) => {
        open = resolve
      })
      const arrival = new Promise<void>((resolve) => {
        arrived = resolve
      })
      const visitor = request.agent(server)
      const get = async (path: string) => (await visitor.get(path)).body
      return { store, connectStore, get, open: () => open(), arrival }
    }

    test('a session is kept, changed and ended', async () => {
      const { get } = app()
      await get('/set/name/ada')
      await get('/set/cart/book')
      expect(await get('/')).toMatchObject({ name: 'ada', cart: 'book' })
      await get('/remove/name')
      expect(await get('/')).toEqual({ cookie, cart: 'book' })
      await get('/destroy')
      expect(await get('/')).toEqual({ cookie })
    })

    test('regenerated, it has nothing but what came after', async () => {
      const { get } = app()
      await get('/set/name/ada')
      await get('/regenerate')
      expect(await get('/')).toEqual({ cookie, fresh: true })
    })

    test('two parallel requests keep both changes', async () => {
      const { get, open, arrival } = app()
      await get('/set/name/ada')
      const slow = get('/wait/slow/1')
      await arrival
      await get('/set/quick/2')
      open()
      await slow
      expect(await get('/')).toEqual({ cookie, name: 'ada', slow: '1', quick: '2' })
    })

    test('a session that was destroyed meanwhile stays so', async () => {
      const { get, open, arrival, connectStore } = app()
      await get('/set/name/ada')
      const slow = get('/wait/slow/1')
      await arrival
      await get('/destroy')
      open()
      await slow
      expect(await get('/')).toEqual({ cookie })
      expect(await promised((done) => connectStore.length?.(done))).toBe(0)
    })

    test('the cookie of a session is kept with it, to the millisecond', async () => {
      const { get, connectStore } = app({ cookie: { maxAge: 60_000 }, rolling: true })
      const before = await get('/set/name/ada')
      const [first] = (await promised((done) => connectStore.all?.(done as never))) as SessionData[]
      // express-session takes it from the clock, which may have moved on.
      expect(first).toMatchObject({ cookie: { originalMaxAge: expect.closeTo(60_000, -2) } })
      const moved = Date.parse(before.cookie.expires)
      await new Promise((resolve) => setTimeout(resolve, 5))
      const after = await get('/')
      expect(Date.parse(after.cookie.expires)).toBeGreaterThanOrEqual(moved)
      const [second] = (await promised((done) => connectStore.all?.(done as never))) as SessionData[]
      expect(Date.parse(second?.cookie.expires as never)).toBeGreaterThan(moved)
    })
  })
})

test('the store sees neither the id nor a name that it could not take', async () => {
  const store = memoryStore()
  const bridge = toConnectStore(store)
  const odd = { '': 1, __token: 'mine', 'a\u0000b': 2, ['x'.repeat(200)]: 3, '\ud800': 4 }
  const plain = { userId: 5, id: 6, constructor: 7 }
  await promised((done) => bridge.set('the secret id', { cookie, ...odd, ...plain } as never, done))
  const record = await store.read(keyOf('the secret id'))
  expect(JSON.stringify(record)).not.toContain('the secret id')
  expect(record?.values).toMatchObject({ userId: '5', id: '6', constructor: '7' })
  const others = Object.keys(record?.values ?? {}).filter((name) => !Object.hasOwn(plain, name))
  for (const name of others) expect(name).toMatch(/^__(cookie|named_[\w-]{43})$/)
  expect(await promised((done) => bridge.get('the secret id', done as never))).toEqual({ cookie, ...odd, ...plain })
})

test('any JSON comes back as it was, and only what differs is written', async () => {
  const changeable = fc.dictionary(fc.string({ unit: 'binary', maxLength: 5 }), fc.jsonValue(), { maxKeys: 5 })
  await fc.assert(
    fc.asyncProperty(changeable, changeable, async (first, second) => {
      delete first.cookie
      delete second.cookie
      const inner = memoryStore()
      const patch = vi.spyOn(inner, 'patch')
      const bridge = toConnectStore(inner, { clock: () => 5 })
      const json = (value: object) => JSON.parse(JSON.stringify({ ...value, cookie }))
      await promised((done) => bridge.set('id', json(first), done))
      const read = await promised<Any>((done) => bridge.get('id', done as never))
      expect(read).toEqual(json(first))
      await promised((done) => bridge.set('id', read, done))
      expect(patch).not.toHaveBeenCalled()
      for (const name of Object.keys(read)) if (name !== 'cookie') delete read[name]
      for (const [name, value] of Object.entries(second)) {
        Object.defineProperty(read, name, { value, enumerable: true, configurable: true, writable: true })
      }
      await promised((done) => bridge.set('id', read, done))
      expect(await promised((done) => bridge.get('id', done as never))).toEqual(json(second))
    }),
    { numRuns: 50 },
  )
})

test.each([
  ['a new session', false],
  ['a session that was read', true],
])('of two writes of %s the later one counts, whichever the backend would finish first', async (_which, wasRead) => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const inner = memoryStore()
      const turn = () => scheduler.schedule(Promise.resolve())
      const slow: SessionStore = {
        ...inner,
        create: (id, record) => turn().then(() => inner.create(id, record)),
        patch: (id, patch) => turn().then(() => inner.patch(id, patch)),
      }
      const quick = toConnectStore(inner, { clock: () => 5 })
      const bridge = toConnectStore(slow, { clock: () => 5 })
      let written: Any = { cookie, isBusy: false, step: 0 }
      if (wasRead) {
        await promised((done) => quick.set('id', written, done))
        written = await promised((done) => bridge.get('id', done as never))
      }
      const writes = [{ isBusy: true, step: 1 }, { isBusy: false, step: 2 }, {}].map((change, index) => {
        Object.assign(written, change)
        return promised((done) =>
          index === 2 ? bridge.touch?.('id', written, done as never) : bridge.set('id', written, done),
        )
      })
      await scheduler.waitFor(Promise.all(writes))
      expect(await promised((done) => quick.get('id', done as never))).toEqual({ cookie, isBusy: false, step: 2 })
    }),
    { numRuns: 50 },
  )
})

test('touching moves the expiry and rewrites no value', async () => {
  const store = memoryStore()
  const patch = vi.spyOn(store, 'patch')
  let now = 1000
  const bridge = toConnectStore(store, { clock: () => now, idle: '10s' })
  await promised((done) => bridge.set('id', { cookie, views: 1 } as never, done))
  const read = await promised<Any>((done) => bridge.get('id', done as never))
  now = 2000
  await promised((done) => bridge.touch?.('id', read, done as never))
  expect(patch.mock.calls).toEqual([[keyOf('id'), { now: 2000, expiresAt: 12_000 }]])
  await promised((done) => bridge.touch?.('id', read, done as never))
  expect(patch).toHaveBeenCalledTimes(1)
  now = 12_000
  expect(await promised((done) => bridge.get('id', done as never))).toBe(null)
})

test('a cookie that was given a lifetime takes its session along', async () => {
  const store = memoryStore()
  const bridge = toConnectStore(store, { clock: () => 1000 })
  const lasting = { ...cookie, originalMaxAge: 500, expires: new Date(1500) }
  await promised((done) => bridge.set('id', { cookie: lasting } as never, done))
  expect(await store.read(keyOf('id'))).toMatchObject({ expiresAt: 1500 })
  expect(await promised((done) => bridge.get('id', done as never))).toEqual({
    cookie: { ...lasting, expires: '1970-01-01T00:00:01.500Z' },
  })
})

test('written by somebody who did not read it, a session is replaced', async () => {
  const bridge = toConnectStore(memoryStore())
  await promised((done) => bridge.set('id', { cookie, a: 1, b: 2 } as never, done))
  await promised((done) => bridge.set('id', { cookie, b: 3 } as never, done))
  expect(await promised((done) => bridge.get('id', done as never))).toEqual({ cookie, b: 3 })
})

test('a session is copied under another id, and its own changes are written all the same', async () => {
  const bridge = toConnectStore(memoryStore())
  await promised((done) => bridge.set('id', { cookie, a: 1 } as never, done))
  const read = await promised<Any>((done) => bridge.get('id', done as never))
  read.a = 2
  await promised((done) => bridge.set('copy', read, done))
  expect(await promised((done) => bridge.get('copy', done as never))).toEqual({ cookie, a: 2 })
  await promised((done) => bridge.set('id', read, done))
  expect(await promised((done) => bridge.get('id', done as never))).toEqual({ cookie, a: 2 })
})

test('an expired session is replaced too', async () => {
  let now = 0
  const bridge = toConnectStore(memoryStore(), { clock: () => now, idle: 10 })
  await promised((done) => bridge.set('id', { cookie, a: 1 } as never, done))
  now = 50
  await promised((done) => bridge.set('id', { cookie, b: 2 } as never, done))
  expect(await promised((done) => bridge.get('id', done as never))).toEqual({ cookie, b: 2 })
})

test('sessions are counted, listed and cleared, and those of the engine left alone', async () => {
  const store = memoryStore()
  await store.create('engine', { values: { __token: '""' }, userId: null, createdAt: 0, expiresAt: 9e12 })
  const bridge = toConnectStore(store)
  const count = 1201
  for (let index = 0; index < count; index++) {
    await promised((done) => bridge.set(`id ${index}`, { cookie, index } as never, done))
  }
  expect(await promised((done) => bridge.length?.(done))).toBe(count)
  const all = (await promised((done) => bridge.all?.(done as never))) as Any[]
  expect(all.map(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
  await promised((done) => bridge.clear?.(done))
  expect(await promised((done) => bridge.length?.(done))).toBe(0)
  expect(await store.read('engine')).not.toBe(null)
})

test('what the store cannot do is not offered', () => {
  const { list: _, ...store } = memoryStore()
  const bridge = toConnectStore(store)
  expect([bridge.all, bridge.length, bridge.clear]).toEqual([undefined, undefined, undefined])
})

test('a synchronous store is answered at once', () => {
  const store = memoryStore()
  const calls: unknown[] = []
  const bridge = toConnectStore(store)
  bridge.set('id', { cookie } as never, () => calls.push('set'))
  bridge.get('id', (_error, read) => calls.push(read))
  bridge.destroy('id', () => calls.push('destroyed'))
  expect(calls).toEqual(['set', { cookie }, 'destroyed'])
})

test('a store is answered where a test replaces the timers', async () => {
  const store = toConnectStore(later(memoryStore()))
  vi.useFakeTimers({ toFake: ['setImmediate'] })
  try {
    await promised((done) => store.set('id', { cookie, a: 1 } as Any, done))
    expect(await promised((done) => store.get('id', done))).toMatchObject({ a: 1 })
  } finally {
    vi.useRealTimers()
  }
})

test('failures are told once, and what a callback throws is not taken for one', async () => {
  const broken = (): never => {
    throw new Error('down')
  }
  const store: SessionStore = {
    read: broken,
    create: broken,
    patch: async () => broken(),
    delete: async () => broken(),
  }
  const bridge = toConnectStore(store)
  await expect(promised((done) => bridge.get('id', done))).rejects.toThrow('down')
  await expect(promised((done) => bridge.set('id', { cookie } as never, done))).rejects.toThrow('down')
  await expect(promised((done) => bridge.touch?.('id', { cookie } as never, done as never))).rejects.toThrow('down')
  await expect(promised((done) => bridge.destroy('id', done))).rejects.toThrow('down')
  bridge.destroy('id')
  const calls: unknown[] = []
  expect(() =>
    toConnectStore(memoryStore()).get('id', (error) => {
      calls.push(error)
      throw new Error('of the callback')
    }),
  ).toThrow('of the callback')
  expect(calls).toEqual([null])
  const circular: Any = { cookie }
  circular.self = circular
  await expect(promised((done) => bridge.set('id', circular, done))).rejects.toThrow('circular')
})

test.each<[unknown, object, string]>([
  [undefined, {}, 'must be a store on the server, such as sqliteStore(); got undefined'],
  [new original.MemoryStore(), {}, 'What toConnectStore() is given must be a store on the server'],
  [memoryStore(), { ttl: 60 }, 'toConnectStore: "ttl" is not an option; there are "idle" and "clock"'],
])('toConnectStore(%s, %j) is refused', (store, options, message) => {
  expect(() => toConnectStore(store as never, options)).toThrow(message)
})

import original from 'express-session'
import { storeChecks } from 'sojourn/conformance/store'
import session, { fromConnectStore, toConnectStore } from 'sojourn/express-session'
import { memoryStore } from 'sojourn/stores/memory'
import { migrating } from 'sojourn/stores/migrating'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

describe.each([
  ['express-session', () => new original.MemoryStore()],
  ['the drop-in', () => new session.MemoryStore()],
])('over the MemoryStore of %s', (_name, makeConnectStore) => {
  const checks = storeChecks({ makeStore: () => fromConnectStore(makeConnectStore()), shared: false })
  for (const { name, run } of checks) test(name, run)
})

const record = { values: { plain: '1', __token: '"t"' }, userId: 'ada', createdAt: 5, expiresAt: 9e12 }
const bagName = '__sojourn'

function promised<T>(run: (callback: (error: unknown, result?: T) => void) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => run((error, result) => (error ? reject(error) : resolve(result))))
}

test('a store without one of the three methods is refused before a visitor meets it', () => {
  const methods = { get() {}, set() {}, destroy() {} }
  for (const name of Object.keys(methods)) {
    expect(() => fromConnectStore({ ...methods, [name]: undefined } as never)).toThrow(
      'What fromConnectStore() is given must be a store made for express-session; got an object',
    )
  }
})

test('what express-session wrote is read', async () => {
  const store = new original.MemoryStore()
  const expires = new Date(9e12)
  const cookie = { originalMaxAge: 60_000, expires, path: '/', httpOnly: true }
  await promised((done) => store.set('sid', { cookie, views: 3, cart: ['a'], __own: 1, '': 2 } as never, done))
  const read = await fromConnectStore(store, { clock: () => 7 }).read('sid')
  expect(read).toMatchObject({ userId: null, createdAt: 7, expiresAt: 9e12, values: { views: '3', cart: '["a"]' } })
  expect(Object.keys(read?.values ?? {})).toHaveLength(5)
})

test('a session without a lifetime of its own lives as long as its store remembers it', async () => {
  const store = new original.MemoryStore()
  await promised((done) => store.set('sid', { cookie: { originalMaxAge: null, expires: null } } as never, done))
  const bridge = fromConnectStore(store, { clock: () => 1000, idle: '2s' })
  expect(await bridge.read('sid')).toMatchObject({ expiresAt: 2999 })
})

test('a session that was touched lives on, though its cookie was not written anew', async () => {
  // As connect-redis, connect-pg-simple, connect-mongo and express-mysql-session do.
  const cookieUntil = (originalMaxAge: number, end: number) => ({ originalMaxAge, expires: new Date(end), path: '/' })
  const returning = (cookie: object) => ({
    get: (_id: string, done: (error: null, session: object) => void) => done(null, { cookie, user: 'ada' }),
    set() {},
    destroy() {},
  })
  const clock = () => 10_000
  const touched = fromConnectStore(returning(cookieUntil(2000, 9000)), { clock })
  expect(await touched.read('sid')).toMatchObject({ expiresAt: 11_999, values: { user: '"ada"' } })
  const found = await promised((done) => toConnectStore(touched, { clock }).get('sid', done))
  expect(found).toMatchObject({ user: 'ada', cookie: { originalMaxAge: 2000 } })
  // One that the app itself let expire stays so.
  expect(await fromConnectStore(returning(cookieUntil(-1, 9000)), { clock }).read('sid')).toMatchObject({
    expiresAt: 9000,
  })
})

test('what the engine writes, express-session can read, and a store expires by itself', async () => {
  const store = new original.MemoryStore()
  const bridge = fromConnectStore(store)
  await bridge.create('id', { ...record, values: { ...record.values, odd: '{ "a" :1}', cookie: '"of the app"' } })
  const kept = (await promised((done) => store.get('id', done))) as unknown as { cookie: { expires: string } }
  expect(kept).toMatchObject({ plain: 1 })
  expect(new Date(kept.cookie.expires).getTime()).toBe(9e12 + 5 * 60_000)
  expect(await bridge.read('id')).toEqual({
    ...record,
    values: { ...record.values, odd: '{ "a" :1}', cookie: '"of the app"' },
  })
})

test('a failure is passed on, and ENOENT is none', async () => {
  const failing = (code?: string) => ({
    get: (_id: string, done: (error: Error) => void) => done(Object.assign(new Error('disk'), { code })),
    set: (_id: string, _session: unknown, done: (error?: Error) => void) => done(new Error('full')),
    destroy: (_id: string, done: (error?: Error) => void) => done(new Error('locked')),
  })
  await expect(fromConnectStore(failing()).read('id')).rejects.toThrow('disk')
  expect(await fromConnectStore(failing('ENOENT')).read('id')).toBe(null)
  await expect(fromConnectStore(failing('ENOENT')).create('id', record)).rejects.toThrow('full')
  await expect(fromConnectStore(failing('ENOENT')).delete('id')).rejects.toThrow('locked')
})

test('so is one of an async method that fails before it calls back', async () => {
  const reject = async () => {
    throw new Error('refused')
  }
  const bridge = fromConnectStore({ get: reject, set: reject, destroy: reject })
  await expect(bridge.read('id')).rejects.toThrow('refused')
  await expect(bridge.create('id', record)).rejects.toThrow('refused')
  await expect(bridge.delete('id')).rejects.toThrow('refused')
})

test('a call that never comes back keeps nobody out for good', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const store = new original.MemoryStore()
  const { set } = store
  store.set = () => {}
  const bridge = fromConnectStore(store)
  const lost = expect(bridge.create('id', record)).rejects.toThrow('did not call back within 30000 ms')
  const next = bridge.create('id', record)
  await vi.advanceTimersByTimeAsync(1)
  store.set = set
  await vi.advanceTimersByTimeAsync(30_000)
  await lost
  expect(await next).toBe(true)
})

test('two bridges over one store take turns', async () => {
  const store = new original.MemoryStore()
  const [one, other] = [fromConnectStore(store), fromConnectStore(store)]
  await one.create('id', record)
  await Promise.all([
    one.patch('id', { now: 0, set: { a: '1' } }),
    other.patch('id', { now: 0, set: { b: '2' } }),
    one.patch('id', { now: 0, unset: ['plain'] }),
  ])
  expect((await other.read('id'))?.values).toEqual({ __token: '"t"', a: '1', b: '2' })
})

describe('a change that moves only the end', () => {
  const cookie = { originalMaxAge: 60_000, expires: '2100-01-01T00:00:00.000Z', httpOnly: true, path: '/' }
  const lastModified = new Date(5)
  const end = Date.parse('2100-01-02T00:00:00.000Z')
  const move = { now: 0, expiresAt: end }

  /** A store that keeps values as they are, as connect-mongo may, and notes what is done to it. */
  function nativeStore(session: object) {
    let kept: object | null = session
    return {
      set: vi.fn((_id: string, _session: object, done: (error?: Error) => void) => done()),
      touch: vi.fn((_id: string, _session: { cookie: { expires: Date } }, done: (error?: Error) => void) => done()),
      get: (_id: string, done: (error: null, session: object | null) => void) => done(null, kept),
      destroy() {},
      lose() {
        kept = null
      },
    }
  }

  test('touches the session, as it is', async () => {
    const store = nativeStore({ cookie, views: 1, lastModified, [bagName]: { userId: 'ada', cookie: true, texts: {} } })
    expect(await fromConnectStore(store).patch('id', move)).toBe('applied')
    expect(store.set).not.toHaveBeenCalled()
    const [id, session] = store.touch.mock.calls[0] ?? []
    expect([id, session?.cookie.expires]).toEqual(['id', new Date(end)])
    expect(session).toMatchObject({ views: 1, lastModified, cookie: { originalMaxAge: 60_000 } })
  })

  test.each([
    ['has an end of its own', { cookie: {}, [bagName]: { userId: null, expiresAt: 9e12, cookie: false, texts: {} } }],
    ['has a date and no lifetime', { cookie: { ...cookie, originalMaxAge: null } }],
  ])('writes a session that %s, which a touch may not put off', async (_name, session) => {
    const store = nativeStore(session)
    expect(await fromConnectStore(store).patch('id', move)).toBe('applied')
    expect([store.set.mock.calls.length, store.touch.mock.calls.length]).toEqual([1, 0])
  })

  test.each([{ set: { a: '1' } }, { unset: ['views'] }, { userId: null }])('not so with %j', async (more) => {
    const store = nativeStore({ cookie, views: 1 })
    await fromConnectStore(store).patch('id', { ...move, ...more })
    expect([store.set.mock.calls.length, store.touch.mock.calls.length]).toEqual([1, 0])
  })

  test('a store that cannot touch writes the session', async () => {
    const { touch: _, ...store } = nativeStore({ cookie: { ...cookie, originalMaxAge: null, expires: null } })
    expect(await fromConnectStore(store).patch('id', move)).toBe('applied')
    expect(store.set).toHaveBeenCalledOnce()
  })

  test('to a session that has gone meanwhile is made to none, and a failure is passed on', async () => {
    const store = nativeStore({ cookie })
    store.touch.mockImplementation((_id, _session, done) => done(new Error('Unable to find the session to touch')))
    await expect(fromConnectStore(store).patch('id', move)).rejects.toThrow('Unable to find')
    store.touch.mockImplementation((_id, _session, done) => {
      store.lose()
      done(new Error('Unable to find the session to touch'))
    })
    expect(await fromConnectStore(store).patch('id', move)).toBe('absent')
    expect(store.set).not.toHaveBeenCalled()
  })

  test('is what a page view makes through both bridges', async () => {
    const store = new original.MemoryStore()
    const [set, touch] = [vi.spyOn(store, 'set'), vi.spyOn(store, 'touch')]
    const cookie = new session.Cookie({ maxAge: 60_000 })
    await promised((done) => store.set('sid', { cookie, views: 1 } as never, done))
    const bridge = toConnectStore(migrating({ from: fromConnectStore(store), to: memoryStore(), moves: false }))
    const read = await promised<session.SessionData>((done) => bridge.get('sid', done as never))
    Object.assign((read as session.SessionData).cookie, { expires: new Date(end) })
    await promised((done) => bridge.touch?.('sid', read as session.SessionData, done as never))
    expect([set.mock.calls.length, touch.mock.calls.length]).toEqual([1, 1])
    // An app with `resave` has each view written: its store may do nothing at a touch.
    Object.assign((read as session.SessionData).cookie, { expires: new Date(end + 1) })
    await promised((done) => bridge.set('sid', read as session.SessionData, done))
    expect([set.mock.calls.length, touch.mock.calls.length]).toEqual([2, 1])
    expect(await promised((done) => bridge.get('sid', done as never))).toMatchObject({ views: 1 })
  })
})

test.each([
  ['without a lifetime of its own', { originalMaxAge: null, expires: null, path: '/' }],
  [
    'whose stored cookie tells of an end that has passed',
    { originalMaxAge: 60_000, expires: new Date(5000), path: '/' },
  ],
])('a page view within one millisecond moves the end of a session %s', async (_which, cookie) => {
  const store = new original.MemoryStore()
  const get = vi.spyOn(store, 'get').mockImplementation((_id, done) => done(null, { cookie, views: 1 } as never))
  const [set, touch] = [vi.spyOn(store, 'set'), vi.spyOn(store, 'touch')]
  vi.useFakeTimers({ now: 1_000_000, toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const bridge = toConnectStore(fromConnectStore(store))
  for (const call of ['touch', 'set'] as const) {
    const read = await promised<session.SessionData>((done) => bridge.get('sid', done as never))
    // As `session.touch()` does, before a page is answered.
    const viewed = read as session.SessionData
    if (cookie.originalMaxAge) Object.assign(viewed.cookie, { expires: new Date(Date.now() + cookie.originalMaxAge) })
    await promised((done) => bridge[call]?.('sid', viewed, done as never))
  }
  expect(get).toHaveBeenCalled()
  expect([touch.mock.calls.length, set.mock.calls.length]).toEqual([1, 1])
})

test('through both bridges a store keeps the ids and the sessions that it had', async () => {
  const store = new session.MemoryStore()
  const cookie = { originalMaxAge: 60_000, expires: '2100-01-01T00:00:00.000Z', httpOnly: true, path: '/' }
  store.sessions['raw id/+'] = JSON.stringify({ cookie, views: 1, __x: 2 })
  const bridged = toConnectStore(fromConnectStore(store))
  const read = await promised<object>((done) => bridged.get('raw id/+', done as never))
  expect(read).toEqual({ cookie, views: 1, __x: 2 })
  Object.assign(read as object, { views: 2 })
  await promised((done) => bridged.set('raw id/+', read as never, done))
  expect(Object.keys(store.sessions)).toEqual(['raw id/+'])
  expect(JSON.parse(store.sessions['raw id/+'] as string)).toMatchObject({ cookie, views: 2, __x: 2 })
})

test.each<[unknown, object, string]>([
  [undefined, {}, 'What fromConnectStore() is given must be a store made for express-session; got undefined'],
  ['redis', {}, 'must be a store made for express-session; got "redis"'],
  [new original.MemoryStore(), { ttl: 60 }, 'fromConnectStore: "ttl" is not an option; there are "idle" and "clock"'],
])('fromConnectStore(%s, %j) is refused', (store, options, message) => {
  expect(() => fromConnectStore(store as never, options)).toThrow(message)
})

import { inspect } from 'node:util'
import fc from 'fast-check'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { memoryStore } from '../stores/memory.js'
import { SojournError } from './errors.js'
import type { Session } from './session.js'
import { sessionOf } from './session-object.js'
import { createSessions, type Sessions, visitsFrom } from './sessions.js'
import type { SessionPatch, SessionStore } from './store.js'

type Anything = Record<string, unknown>
// biome-ignore lint/suspicious/noExplicitAny: a test of what an untyped program may do
type Loose = Session<any> & Record<string, any>

let store: SessionStore
let patches: SessionPatch[]
let sessions: Sessions<Anything>
let now: number

beforeEach(() => {
  now = 1_800_000_000_000
  const memory = memoryStore()
  patches = []
  store = {
    ...memory,
    patch(id, patch) {
      patches.push(patch)
      return memory.patch(id, patch)
    },
  }
  sessions = createSessions({ store, clock: () => now })
})

function throwing(): never {
  throw new Error('not now')
}

const facts = {
  cookie: undefined,
  method: 'GET',
  header: () => undefined,
  address: undefined,
  secure: true,
  host: undefined,
}

async function stored(values: Anything = {}, userId?: string): Promise<string> {
  const { cookie } = await sessions.create({ values, ...(userId === undefined ? {} : { userId }) })
  return cookie
}
async function load(cookie?: string): Promise<Loose> {
  return (await sessions.load({ cookie })) as Loose
}
async function commit(session: Loose): Promise<string | undefined> {
  const [setCookie] = await sessions.commit(session)
  return setCookie?.split(';', 1)[0]
}
async function codeOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    return error instanceof SojournError ? error.code : `${error}`
  }
}

describe('values', () => {
  const values = { name: 'Ada', cart: ['a', { b: null }], admin: false, count: 0, constructor: 1, toString: 'text' }

  test('read as on a plain object', async () => {
    const session = await load(await stored(values))
    expect({ ...session }).toEqual(values)
    expect(Object.keys(session).sort()).toEqual(Object.keys(values).sort())
    expect(JSON.parse(JSON.stringify(session))).toEqual(values)
    expect('cart' in session).toBe(true)
    expect('other' in session).toBe(false)
    expect(Object.hasOwn(session, 'cart')).toBe(true)
    expect(session.missing).toBe(undefined)
    expect(inspect(session)).toBe(inspect({ ...session }))
    const { name, ...rest } = session
    expect(name).toBe('Ada')
    expect(Object.keys(rest)).not.toContain('name')
    const seen: string[] = []
    for (const key in session) seen.push(key)
    expect(seen.sort()).toEqual(Object.keys(values).sort())
  })

  test('an object without a value of the name behaves as a plain one does', async () => {
    const session = await load()
    expect(session.constructor).toBe(Object)
    expect(Object.hasOwn(session, 'x')).toBe(false)
    expect(String(session)).toBe('[object Object]')
    expect(session.then).toBe(undefined)
    expect(Object.keys(session)).toEqual([])
  })

  test('a value changed deep inside is written', async () => {
    const cookie = await stored({ cart: [{ n: 1 }], other: { big: 'x' } })
    const session = await load(cookie)
    session.cart[0].n++
    await commit(session)
    expect(patches.map(({ set }) => set)).toEqual([{ cart: '[{"n":2}]' }])
  })

  test('an untouched value is neither decoded nor encoded', async () => {
    const cookie = await stored({ big: { text: 'x' }, a: 1 })
    const parse = vi.spyOn(JSON, 'parse')
    const stringify = vi.spyOn(JSON, 'stringify')
    const session = await load(cookie)
    session.a = 2
    await commit(session)
    const decoded = parse.mock.calls.map(([text]) => text)
    const encoded = stringify.mock.calls.map(([value]) => value)
    vi.restoreAllMocks()
    expect(decoded).not.toContain('{"text":"x"}')
    expect(encoded).not.toContainEqual({ text: 'x' })
  })

  test('reading writes nothing, and neither does setting what is there', async () => {
    const cookie = await stored({ cart: ['a'], n: 1 })
    const session = await load(cookie)
    void session.cart[0]
    session.n = 1
    session.cart = ['a']
    expect(await commit(session)).toBe(undefined)
    expect(patches).toEqual([])
  })

  test('deleted, and set to undefined, they go', async () => {
    const cookie = await stored({ a: 1, b: 2, c: 3 })
    const session = await load(cookie)
    delete session.a
    session.b = undefined
    expect('a' in session).toBe(false)
    delete session.never
    await commit(session)
    expect({ ...(await load(cookie)) }).toEqual({ c: 3 })
    expect(patches).toMatchObject([{ unset: expect.arrayContaining(['a', 'b']) }])
  })

  test('Object.assign and defineProperty set them', async () => {
    const session = await load()
    Object.assign(session, { a: 1 })
    Object.defineProperty(session, 'b', { value: [2], enumerable: true, writable: true, configurable: true })
    const cookie = await commit(session)
    expect({ ...(await load(cookie)) }).toEqual({ a: 1, b: [2] })
  })

  test('survive the way through the store, whatever JSON can hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.stringMatching(/^[a-z.$]{1,12}$/), fc.jsonValue()), async (given) => {
        const wanted = Object.fromEntries(Object.entries(given).filter(([name]) => !(name in Reserved)))
        const session = await load()
        Object.assign(session, wanted)
        const cookie = await commit(session)
        expect({ ...(await load(cookie)) }).toEqual(JSON.parse(JSON.stringify(wanted)))
      }),
    )
  })

  const loop: Anything = {}
  loop.self = loop
  test.each<[string, unknown, string]>([
    ['a function', () => 1, 'value'],
    ['a symbol', Symbol('s'), 'value'],
    ['a bigint', 10n, 'value'],
    ['NaN', Number.NaN, 'value'],
    ['Infinity deep inside', { a: [Number.POSITIVE_INFINITY] }, 'value.a[0]'],
    ['a Map', new Map([[1, 2]]), 'value'],
    ['a Set deep inside', { a: { b: new Set() } }, 'value.a.b'],
    ['a Date', new Date(), 'value'],
    ['a Buffer', Buffer.from('x'), 'value'],
    ['a typed array', new Uint8Array(2), 'value'],
    ['an Error', new Error('x'), 'value'],
    ['a RegExp', /x/, 'value'],
    ['a Promise', Promise.resolve(), 'value'],
    ['a cycle', loop, 'value'],
    ['undefined in an array', [1, undefined], 'value[1]'],
    ['a function deep inside', { a: () => 1 }, 'value.a'],
  ])('%s is refused with an error that names it', async (_what, value, path) => {
    const session = await load()
    const action = async () => {
      session.value = value
      await commit(session)
    }
    await expect(action()).rejects.toMatchObject({
      code: 'invalid_value',
      message: expect.stringContaining(`"${path}"`),
    })
  })

  test.each<
    [string, (session: { empty: Anything; stats: Anything; list: unknown[]; outer: Anything }) => unknown, string]
  >([
    ['a function in an empty object', ({ empty }) => Object.assign(empty, { f() {} }), 'empty.f'],
    ['an object of functions in place of an empty one', (it) => Object.assign(it, { empty: { f() {} } }), 'empty.f'],
    ['NaN for null', ({ stats }) => Object.assign(stats, { average: Number.NaN }), 'stats.average'],
    ['undefined for null in a list', ({ list }) => list.fill(undefined), 'list[0]'],
    ['a Map for an empty object', ({ outer }) => Object.assign(outer, { inner: new Map([[1, 2]]) }), 'outer.inner'],
  ])('%s is refused, though its JSON text is the one that is stored', async (_what, change, path) => {
    const first = await load()
    Object.assign(first, { empty: {}, stats: { average: null }, list: [null], outer: { inner: {} } })
    const session = await load(await commit(first))
    change(session as never)
    await expect((async () => commit(session))()).rejects.toMatchObject({
      code: 'invalid_value',
      message: expect.stringContaining(`"${path}"`),
    })
  })

  test.each<[string, () => unknown, RegExp]>([
    ['a cycle', () => loop, /holds itself, or a bigint/],
    ['a bigint deep inside', () => ({ a: [1n] }), /holds itself, or a bigint/],
    [
      'a getter that throws',
      () => Object.defineProperty({}, 'a', { get: throwing, enumerable: true }),
      /fails to be read/,
    ],
    ['a generator', () => (function* () {})(), /is a value, which cannot be stored/],
    ['a chain of 100 000 objects', () => Array.from({ length: 100_000 }).reduce((a) => ({ a }), {}), /too deep/],
    ['an Error', () => new Error('x'), /is an Error/],
    ['a Promise that nobody awaited', async () => 1, /is a Promise, .*: await it first$/],
  ])('%s is refused with the reason', async (_what, make, reason) => {
    const session = await load()
    const action = async () => {
      session.value = make()
      await commit(session)
    }
    await expect(action()).rejects.toMatchObject({ code: 'invalid_value', message: expect.stringMatching(reason) })
  })

  test('what a visitor sent is told in one line, and not at any length', async () => {
    const session = await load()
    session.value = { [`a\nINFO admin signed in \u001b[31m${'b'.repeat(90_000)}`]: Number.POSITIVE_INFINITY }
    const { message } = await commit(session).then(
      () => new Error('stored'),
      (error: Error) => error,
    )
    expect(message).toMatch(/^The session value "value\.a\\nINFO admin signed in \\u001b\[31mb+…" is Infinity, which/)
    expect(message.length).toBeLessThan(200)
  })

  test.each(['__token', '__proto__', '__x', 'userId', 'id', 'signIn', 'update', 'isNew'])(
    'the name %s cannot be assigned',
    async (name) => {
      const session = await load(await stored({ a: 1 }))
      expect(await codeOf(() => Object.assign(session, JSON.parse(`{"${name}":1}`)))).toBe('reserved_name')
      await commit(session)
      expect(patches).toEqual([])
    },
  )

  test('a name that a visitor chose is told on one line, and shortened', async () => {
    const session = await load(await stored({ a: 1 }))
    const name = `__\u009b31m\nINFO admin signed in ${'b'.repeat(100_000)}`
    const [error] = await Promise.allSettled([session.update(name as 'a', () => 1)])
    const { message } = (error as PromiseRejectedResult).reason
    expect(message).toMatch(/^session\["__\?31m\\nINFO admin signed in b+…"\] belongs to the session/)
    expect(message.length).toBeLessThan(250)
  })

  test('nor can a fact or a verb be deleted, which would sign nobody out', async () => {
    const session = await load(await stored({ a: 1 }, 'alice'))
    for (const name of ['userId', 'id', 'signIn']) {
      expect(await codeOf(() => Reflect.deleteProperty(session, name))).toBe('reserved_name')
    }
    expect(() => Reflect.deleteProperty(session, 'userId')).toThrow('session.destroy() to sign out')
    expect(session.userId).toBe('alice')
    expect(Reflect.deleteProperty(session, '__token')).toBe(true)
    await commit(session)
    expect(patches).toEqual([])
  })

  test.each(['', 'a\u0000b', '\ud800', 'x'.repeat(129), '€'.repeat(43)])('the name %j is refused', async (name) => {
    const session = await load()
    expect(await codeOf(() => Object.assign(session, { [name]: 1 }))).toBe('invalid_value')
  })

  test('a stored value with a reserved name is kept and never shadows the fact', async () => {
    const cookie = await stored({ a: 1 }, 'alice')
    const id = (await load(cookie)).id
    await store.patch(id, { now, set: { userId: '"mallory"', isNew: 'true' } })
    const session = await load(cookie)
    expect(session.userId).toBe('alice')
    expect(session.isNew).toBe(false)
    expect({ ...session }).toEqual({ a: 1 })
    session.a = 2
    await commit(session)
    expect((await store.read(id))?.values).toMatchObject({ userId: '"mallory"', a: '2' })
  })

  test('a stored value that is no JSON is an error that names it, and can be repaired', async () => {
    const cookie = await stored({ a: 1, b: 2 })
    const { id } = await load(cookie)
    await store.patch(id, { now, set: { a: '{broken' } })
    const session = await load(cookie)
    expect(session.b).toBe(2)
    await expect(async () => session.a).rejects.toMatchObject({
      code: 'corrupt_value',
      message: expect.stringMatching(/"a"/),
    })
    expect(inspect(session)).toBe('{ a: Symbol(corrupt_value), b: 2 }')
    session.a = 3
    await commit(session)
    expect((await load(cookie)).a).toBe(3)
  })

  test.each([5, true, [5], { b: 1 }])('a stored value that is %j is such an error, too', async (value) => {
    const cookie = await stored({ a: 1 })
    const { id } = await load(cookie)
    // As somebody else may write it by the means of the backend.
    await store.patch(id, { now, set: { a: value as unknown as string } })
    const session = await load(cookie)
    expect(await codeOf(() => session.a)).toBe('corrupt_value')
    expect(await codeOf(() => session.update('a', () => 2))).toBe('corrupt_value')
    expect(await codeOf(() => session.take('a'))).toBe('corrupt_value')
    session.a = 3
    await commit(session)
    expect((await load(cookie)).a).toBe(3)
  })

  test('the object cannot be frozen, extended or given another prototype', async () => {
    const session = await load()
    expect(() => Object.freeze(session)).toThrow(TypeError)
    expect(() => Object.setPrototypeOf(session, {})).toThrow(TypeError)
    expect(Object.getPrototypeOf(session)).toBe(Object.prototype)
  })
})

const Reserved = Object.fromEntries(
  'id isNew userId createdAt expiresAt authenticatedAt signIn signOut renew regenerate destroy touch save reload update take'
    .split(' ')
    .map((name) => [name, true]),
)

describe('verbs', () => {
  test('signIn gives a new token on the same session, keeps a guest’s values, and ends the old token', async () => {
    const before = await stored({ cart: ['a'] })
    const session = await load(before)
    session.signIn(7)
    expect(session.userId).toBe('7')
    expect(session.authenticatedAt).toBe(now)
    const after = await commit(session)
    expect(after).not.toBe(before)
    const next = await load(after)
    expect(next.id).toBe(session.id)
    expect(next.userId).toBe('7')
    expect({ ...next }).toEqual({ cart: ['a'] })
    expect((await load(before)).isNew).toBe(true)
  })

  test('a user id may be an integer of any size', async () => {
    const session = await load()
    session.signIn(9_007_199_254_740_993n)
    expect((await load(await commit(session))).userId).toBe('9007199254740993')
    expect(() => session.signIn(10n ** 300n)).toThrow(/must be an integer, or text of 1 to 255 bytes/)
    expect(() => session.signIn(1.5)).toThrow(/must be an integer, or text of 1 to 255 bytes/)
  })

  test('signIn of the same user keeps the values, of another drops them with their session', async () => {
    const alice = await load(await stored({ secret: 1 }, 'alice'))
    const { id } = alice
    alice.signIn('alice')
    const cookie = await commit(alice)
    expect((await load(cookie)).secret).toBe(1)
    const shared = await load(cookie)
    shared.signIn('bob')
    shared.own = 2
    const bob = await load(await commit(shared))
    expect(bob.id).not.toBe(id)
    expect({ ...bob }).toEqual({ own: 2 })
    expect(await store.read(id)).toBe(null)
  })

  test.each([
    [{ remeber: true }, 'session.signIn(): "remeber" is not an option; there are "remember" and "method"'],
    [{ remember: 'on' }, "remember: req.body.remember === 'on'"],
    [{ method: 7 }, 'method of session.signIn() must be text'],
    [null, 'The options of session.signIn() must be an object of remember, method; got null'],
    ['remember', 'The options of session.signIn() must be an object of remember, method; got "remember"'],
  ])('signIn with %j is refused, and signs nobody in', async (options, message) => {
    const session = await createSessions().load({})
    expect(() => session.signIn('ada', options as never)).toThrow(
      expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
    )
    expect(session.userId).toBe(null)
  })

  test.each(['save', 'reload', 'regenerate', 'destroy'] as const)(
    'a callback of %s that is none is an error, and does not end the process',
    async (verb) => {
      const session = await load(await stored({ a: 1 }))
      await expect(async () => (session[verb] as (given: unknown) => unknown)('now')).rejects.toMatchObject({
        code: 'invalid_option',
        message: 'The callback must be a function; got "now"',
      })
      await new Promise((resolve) => setImmediate(resolve))
    },
  )

  test.each([[''], ['\ud800'], ['a\u0000'], ['x'.repeat(256)], [1.5], [Number.NaN], [null], [undefined], [{}]])(
    'signIn(%j) is refused',
    async (userId) => {
      const session = await load()
      expect(await codeOf(() => session.signIn(userId as string))).toBe('invalid_value')
      expect(await commit(session)).toBe(undefined)
    },
  )

  test('renew gives a new token at once', async () => {
    const before = await stored({ a: 1 })
    const session = await load(before)
    session.renew()
    const after = await commit(session)
    expect((await load(before)).isNew).toBe(true)
    expect((await load(after)).id).toBe(session.id)
  })

  test('regenerate ends the session and starts an empty one under a new name', async () => {
    const before = await stored({ a: 1 }, 'alice')
    const session = await load(before)
    const { id } = session
    session.regenerate()
    expect(session.userId).toBe(null)
    expect({ ...session }).toEqual({})
    expect(session.id).not.toBe(id)
    const after = await load(await commit(session))
    expect(after.id).toBe(session.id)
    expect(after.isNew).toBe(false)
    expect((await load(before)).isNew).toBe(true)
  })

  test('destroy ends it and clears the cookie; a value set later starts a new one', async () => {
    const before = await stored({ a: 1 })
    const session = await load(before)
    session.destroy()
    expect(await commit(session)).toBe('__Host-session=')
    const again = await load(await stored({ a: 1 }))
    again.destroy()
    again.b = 2
    expect({ ...(await load(await commit(again))) }).toEqual({ b: 2 })
  })

  test('are applied in the order said', async () => {
    const session = await load(await stored({ a: 1 }, 'alice'))
    session.a = 2
    session.destroy()
    session.b = 1
    session.signIn('bob')
    session.c = 2
    session.regenerate()
    session.d = 3
    const last = await load(await commit(session))
    expect(last.userId).toBe(null)
    expect({ ...last }).toEqual({ d: 3 })
    expect((await sessions.list()).sessions).toHaveLength(1)
  })

  test('save writes at once and tells whether the session still was there', async () => {
    const cookie = await stored({ a: 1 })
    const session = await load(cookie)
    session.a = 2
    expect(await session.save()).toBe(true)
    expect((await load(cookie)).a).toBe(2)
    await sessions.end(session.id)
    session.a = 3
    expect(await session.save()).toBe(false)
    expect((await load(cookie)).isNew).toBe(true)
  })

  test('reload takes what is stored, and fails when it is gone', async () => {
    const cookie = await stored({ a: 1 })
    const session = await load(cookie)
    const other = await load(cookie)
    other.a = 2
    await commit(other)
    session.a = 9
    await session.reload()
    expect(session.a).toBe(2)
    await sessions.end(session.id)
    expect(await codeOf(() => session.reload())).toBe('session_ended')
    expect(await codeOf(async () => (await load()).reload())).toBe('session_ended')
  })

  test('reload forgets what was intended and not saved', async () => {
    const session = await load(await stored({ a: 1 }))
    const before = await store.read(session.id)
    session.signIn('alice')
    await session.reload()
    expect(session.userId).toBe(null)
    expect(await commit(session)).toBe(undefined)
    expect(await store.read(session.id)).toEqual(before)
  })

  test('reload shows what an update of the same request writes meanwhile', async () => {
    const session = await load(await stored({ n: 1, notice: 'saved' }))
    const work = [session.update('n', (n: number) => n + 1), session.take('notice'), session.reload()]
    await Promise.all(work)
    expect({ ...session }).toEqual({ n: 2 })
  })

  test('update works on a new session, on a pending change, and removes with undefined', async () => {
    const session = await load()
    expect(await session.update('n', (n = 0) => n + 1)).toBe(1)
    session.n = 10
    expect(await session.update('n', (n = 0) => n + 1)).toBe(11)
    expect(session.n).toBe(11)
    await session.update('n', () => undefined)
    expect('n' in session).toBe(false)
    const reserved = session.update('userId', () => 1) // Rejects: what returns a promise does not throw.
    expect(await codeOf(() => reserved)).toBe('reserved_name')
    expect(await codeOf(() => session.update('n', () => new Map()))).toBe('invalid_value')
  })

  test.each<[string, (session: Loose) => Promise<unknown>, unknown]>([
    ['update', (session) => session.update('n', (n = 0) => n + 1), 100],
    ['take', (session) => session.take('n'), 100],
    ['update, of an object that was looked at', (session) => session.update('list', () => [2]), [2]],
  ])('what is assigned while %s is under way is not forgotten', async (_, begin, expected) => {
    const cookie = await stored({ n: 1, list: [1] })
    const session = await load(cookie)
    const done = begin(session)
    const name = Array.isArray(expected) ? 'list' : 'n'
    if (name === 'n') session.n = 100
    else expect(session.list).toEqual([1])
    await done
    await commit(session)
    expect([session[name], (await load(cookie))[name]]).toEqual([expected, expected])
  })

  test.each<[unknown, unknown]>([
    [undefined, () => 1],
    [5, () => 1],
    [Symbol('n'), () => 1],
    ['n', undefined],
    ['n', 5],
  ])('update(%s, %s) is refused', async (name, change) => {
    const session = await load()
    expect(await codeOf(() => session.update(name as string, change as () => 1))).toBe('invalid_value')
    if (name !== 'n') expect(await codeOf(() => session.take(name as string))).toBe('invalid_value')
  })

  test('an update or a take that fails, and that nobody looks at, does not end the process', async () => {
    const session = await load()
    const unhandled = vi.fn()
    process.once('unhandledRejection', unhandled)
    void session.update('n', () => Number.NaN)
    void session.update('userId', () => 1)
    void session.take('userId')
    await new Promise((resolve) => setTimeout(resolve, 5))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('update leaves nothing on a new session of what cannot be stored', async () => {
    const session = await load()
    expect(await codeOf(() => session.update('n', () => Number.NaN))).toBe('invalid_value')
    expect(await commit(session)).toBe(undefined)
  })

  test('updates that are under way as the session ends leave its successor alone', async () => {
    const slow = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
    const patch: SessionStore['patch'] = async (id, change) => slow(5).then(() => store.patch(id, change))
    const cookie = await stored({ n: 1 })
    const session = (await createSessions({ store: { ...store, patch }, clock: () => now }).load({ cookie })) as Loose
    const updates = [1, 2].map(() => codeOf(() => session.update('n', (n: number) => n + 1)))
    await slow(1)
    session.regenerate()
    session.fresh = true
    expect(await session.save()).toBe(true)
    expect(await Promise.all(updates)).toEqual(['session_ended', 'session_ended'])
    session.more = true
    expect(await session.save()).toBe(true)
    expect({ ...session }).toEqual({ fresh: true, more: true })
  })

  test('an update that is overtaken by the end of the session begins no other', async () => {
    const session = await load(await stored({ n: 1 }))
    const update = codeOf(() => session.update('n', (n = 0) => n + 1))
    session.destroy()
    expect(await commit(session)).toBe('__Host-session=')
    expect(await update).toBe('session_ended')
    expect(await commit(session)).toBe(undefined)
    expect((await sessions.list()).sessions).toEqual([])
  })

  test('an update of a new session that is overtaken by the response stores nothing that nobody could present', async () => {
    const request = { ...facts, headersSent: false }
    const visit = visitsFrom(sessions).openEmpty(request)
    const update = codeOf(() => (sessionOf(visit) as Loose).update('n', () => 1))
    request.headersSent = true
    expect(await update).toBe('headers_sent')
    expect((await sessions.list()).sessions).toEqual([])
  })

  test('a new session whose cookie is about to be sent takes values until it is, but for one that has ended', async () => {
    const memory = memoryStore()
    let created = () => {}
    const slow: SessionStore = {
      ...memory,
      create: async (id, record) => {
        await new Promise<void>((resolve) => {
          created = resolve
        })
        return memory.create(id, record)
      },
    }
    const visits = visitsFrom(createSessions({ store: slow, clock: () => now }))
    const request = { ...facts, headersSent: false }
    const visit = visits.openEmpty(request)
    const session = sessionOf(visit) as Loose
    session.a = 1
    const committed = visits.commit(visit)
    request.headersSent = true
    session.b = 2
    created()
    await committed
    await visits.commit(visit)
    expect((await memory.read(session.id))?.values).toMatchObject({ a: '1', b: '2' })
    session.destroy()
    expect(await codeOf(() => Object.assign(session, { c: 3 }))).toBe('headers_sent')
  })

  test('many updates of one process are exact', async () => {
    const cookie = await stored({ n: 0 })
    await Promise.all(Array.from({ length: 200 }, async () => (await load(cookie)).update('n', (n: number) => n + 1)))
    expect((await load(cookie)).n).toBe(200)
  })

  test('take reads once', async () => {
    const cookie = await stored({ notice: 'saved' })
    expect(await (await load(cookie)).take('notice')).toBe('saved')
    expect(await (await load(cookie)).take('notice')).toBe(undefined)
    const fresh = await load()
    fresh.notice = 'now'
    expect(await fresh.take('notice')).toBe('now')
    expect(await fresh.take('notice')).toBe(undefined)
  })

  test('accept a Node callback, and call it once', async () => {
    const cookie = await stored({ a: 1 }, 'alice')
    const session = await load(cookie)
    const called = (verb: (callback: (error?: unknown) => void) => unknown) => new Promise((resolve) => verb(resolve))
    session.a = 2
    expect(await called((done) => session.save(done))).toBe(undefined)
    expect((await load(cookie)).a).toBe(2)
    expect(await called((done) => session.reload(done))).toBe(undefined)
    expect(await called((done) => session.renew(done))).toBe(undefined)
    expect(await called((done) => session.regenerate(done))).toBe(undefined)
    expect(await called((done) => session.destroy(done))).toBe(undefined)
    expect(await called((done) => session.reload(done))).toMatchObject({ code: 'session_ended' })
  })

  test.each(['signOut', 'renew', 'regenerate', 'destroy'] as const)(
    '%s, in an outage, tells its callback, which nobody may stand around to catch for',
    async (verb) => {
      const cookie = await stored({ a: 1 }, 'alice')
      const failing = { ...store, read: throwing }
      const session = (await createSessions({ store: failing, onStoreError: 'anonymous' }).load({ cookie })) as Loose
      expect(await new Promise((resolve) => session[verb](resolve))).toMatchObject({ code: 'store_unavailable' })
      expect(() => session[verb]()).toThrow(`session.${verb}(): the session store failed`)
    },
  )

  test('a look for `then`, as a promise that is resolved with the session takes, is no look at the session', async () => {
    const headers = new Headers()
    const session = await load(await stored({ a: 1 }))
    await sessions.commit(session, headers)
    expect(headers.has('vary')).toBe(false)
    expect(session.then).toBe(undefined)
    expect(session.a).toBe(1)
    await sessions.commit(session, headers)
    expect(headers.get('vary')).toBe('Cookie')
  })

  test('the digest of the token is hidden from handlers', async () => {
    const session = await load(await stored({ a: 1 }))
    expect(inspect(session, { showHidden: true, depth: 9, showProxy: false })).not.toMatch(/__token/)
    expect(Object.keys(session)).not.toContain('__token')
    expect(session.__token).toBe(undefined)
    expect('__token' in session).toBe(false)
  })
})

describe('times', () => {
  test('createdAt, expiresAt and authenticatedAt are known', async () => {
    const session = await load()
    expect(session.createdAt).toBe(now)
    expect(session.expiresAt).toBe(now + 86_400_000)
    expect(session.authenticatedAt).toBe(null)
    session.a = 1
    const cookie = await commit(session)
    now += 3_600_000
    const later = await load(cookie)
    expect(later.createdAt).toBe(now - 3_600_000)
    later.signIn('alice')
    expect(later.authenticatedAt).toBe(now)
    expect(later.expiresAt).toBe(now + 86_400_000)
  })

  test('a take moves the expiry by the limits that hold, not by those of a sign-in to come', async () => {
    const session = await load(await stored({ notice: 'saved' }))
    const notice = session.take('notice')
    session.signIn('alice', { remember: true })
    await notice
    await session.save()
    expect(patches.map(({ unset, expiresAt }) => [unset, expiresAt])).toEqual([
      [['notice'], undefined],
      [undefined, session.expiresAt],
    ])
    expect(session.expiresAt).toBe(now + 30 * 86_400_000)
  })
})

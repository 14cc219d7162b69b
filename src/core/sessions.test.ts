import { channel } from 'node:diagnostics_channel'
import { stat } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { cookieStore } from '../stores/cookie.js'
import { memoryStore } from '../stores/memory.js'
import type { CookieOptions } from './cookie.js'
import { SojournError } from './errors.js'
import type { SessionEventName } from './events.js'
import type { SessionsOptions } from './options.js'
import type { Session } from './session.js'
import { sessionOf } from './session-object.js'
import { createSessions, type LoadRequest, type Sessions, visitsFrom } from './sessions.js'
import type { SessionStore } from './store.js'

interface Data {
  a: number
  list: number[]
}

type Created = Parameters<SessionStore['create']>

const day = 86_400_000
const start = 1_800_000_000_000
let now = start
let memory: SessionStore
let calls: string[]

beforeEach(() => {
  now = start
  memory = memoryStore()
  calls = []
})
afterEach(() => vi.restoreAllMocks())

function spied(store: SessionStore): SessionStore {
  return {
    ...store,
    read: (id) => {
      calls.push('read')
      return store.read(id)
    },
    create: (id, record) => {
      calls.push('create')
      return store.create(id, record)
    },
    patch: (id, patch) => {
      calls.push(`patch ${Object.keys(patch).sort().join()}`)
      return store.patch(id, patch)
    },
    delete: (id) => {
      calls.push('delete')
      return store.delete(id)
    },
  }
}

/** Answers later, as one on a network does. */
function deferring(store: SessionStore): SessionStore {
  return {
    ...store,
    create: (id, record) => turn().then(() => store.create(id, record)),
    delete: (id) => turn().then(() => store.delete(id)),
  }
}

function make(options: SessionsOptions = {}): Sessions<Data> {
  return createSessions<Data>({ store: spied(memory), clock: () => now, cookie: { secure: true }, ...options })
}

async function visit(sessions: Sessions<Data>, cookie: string, handle: (session: Session<Data>) => unknown = () => {}) {
  const session = await sessions.load({ cookie })
  await handle(session)
  const [setCookie] = await sessions.commit(session)
  return { session, setCookie, cookie: setCookie?.split(';', 1)[0] ?? cookie }
}

describe('reading is free', () => {
  test('without a cookie, nothing stored: no store call, no cookie', async () => {
    const { setCookie } = await visit(make(), '', (session) => session.a)
    expect([calls, setCookie]).toEqual([[], undefined])
  })

  test.each([
    ['another cookie', 'other=1'],
    ['too short', '__Host-session=abc'],
    ['too long', `__Host-session=${'a'.repeat(65)}`],
    ['not base64url', `__Host-session=${'a'.repeat(63)}!`],
    ['signed', `__Host-session=s%3A${'a'.repeat(60)}`],
    ['a sign of another kind', `__Host-session=${'ä'.repeat(64)}`],
    ['the plain name on a secure connection', `session=${'a'.repeat(64)}`],
  ])('a cookie of the wrong shape (%s) costs no store call', async (_what, cookie) => {
    const { session } = await visit(make(), cookie)
    expect(session.isNew).toBe(true)
    expect(calls).toEqual([])
  })

  test('one read, and a write of the expiry once for each tenth of the idle timeout', async () => {
    const sessions = make()
    const { cookie } = await sessions.create({ values: { a: 1 } })
    calls = []
    for (let tenth = 0; tenth < 20; tenth++) {
      now += day / 20
      await visit(sessions, cookie, (session) => session.a)
    }
    expect(calls.filter((call) => call === 'read')).toHaveLength(20)
    expect(calls.filter((call) => call !== 'read')).toEqual(Array(10).fill('patch expiresAt,now,when'))
  })
})

describe('two clocks', () => {
  test('a session ends when it lies unused', async () => {
    const sessions = make()
    const { cookie } = await sessions.create({ values: { a: 1 } })
    now += day - 1
    expect((await visit(sessions, cookie)).session.a).toBe(1)
    now += day
    expect((await visit(sessions, cookie)).session.isNew).toBe(true)
  })

  test('and at its absolute limit, however used; a sign-in starts it anew', async () => {
    const sessions = make({ lifetime: { idle: '2d', absolute: '3d' } })
    const { cookie } = await sessions.create({ values: { a: 1 } })
    now += day
    const signedIn = (await visit(sessions, cookie, (session) => session.signIn('alice'))).cookie
    for (let days = 0; days < 2; days++) {
      now += day
      expect((await visit(sessions, signedIn)).session.userId).toBe('alice')
    }
    now += day
    expect((await visit(sessions, signedIn)).session.isNew).toBe(true)
  })

  test('the engine judges the absolute limit itself, whatever expiry a row claims', async () => {
    const sessions = make()
    const { cookie, session } = await sessions.create({ values: { a: 1 } })
    await memory.patch(session.id, { now, expiresAt: now + 900 * day })
    now += 31 * day
    expect((await visit(sessions, cookie)).session.isNew).toBe(true)
  })

  test('a remembered session has a lasting cookie and its own limits', async () => {
    const sessions = make({ lifetime: { idle: '1h', remember: { idle: '10d', absolute: '20d' } } })
    const { setCookie, cookie } = await visit(sessions, '', (session) => session.signIn('a', { remember: true }))
    expect(setCookie).toContain(`Max-Age=${20 * 86_400};`)
    now += 9 * day
    const renewed = await visit(sessions, cookie, (session) => session.renew())
    expect(renewed.setCookie).toContain(`Max-Age=${11 * 86_400};`)
    now += 9 * day
    expect((await visit(sessions, renewed.cookie)).session.userId).toBe('a')
    now += 2 * day
    expect((await visit(sessions, renewed.cookie)).session.isNew).toBe(true)
  })
})

test.each<[string, (session: Session<Data>) => unknown]>([
  ['a sign-in', (session) => session.signIn('alice')],
  ['renew()', (session) => session.renew()],
])('a request that comes just after %s, with the token from before, starts no session', async (_, replace) => {
  const sessions = make()
  const dropped: unknown[] = []
  sessions.on('writeDropped', (event) => dropped.push(event))
  const { session, cookie } = await sessions.create({ values: { a: 1 } })
  const next = await visit(sessions, cookie, replace)
  now += 9_999
  const late = await visit(sessions, cookie, async (it) => {
    expect([it.isNew, it.userId, it.a]).toEqual([true, null, undefined])
    it.a = 2
    expect(await it.save()).toBe(false)
  })
  expect(late.setCookie).toBe(undefined)
  expect(dropped).toEqual([{ id: session.id, at: now, reason: 'token_replaced', names: ['a'] }])
  await visit(sessions, cookie, async (it) => {
    await expect(it.update('a', () => 3)).rejects.toMatchObject({ code: 'session_ended' })
    it.a = 4
  })
  expect(dropped.splice(1)).toMatchObject([{ reason: 'token_replaced', names: ['a'] }])
  expect(late.session.id).not.toBe(session.id)
  expect((await visit(sessions, next.cookie)).session.a).toBe(1)
  const again = await visit(sessions, cookie, (it) => {
    const list: number[] = []
    Object.assign(it, { list })
    it.signIn('bob')
    list.push(1)
  })
  const { session: own } = await visit(sessions, again.cookie)
  expect([own.userId, own]).toEqual(['bob', { list: [1] }])
  const dead = await sessions.create()
  await sessions.end(dead.session.id)
  const behind = await visit(sessions, `${dead.cookie}; ${cookie}`, (it) => Object.assign(it, { a: 2 }))
  expect(behind.setCookie).toBe(undefined)
  now += 1
  await visit(sessions, next.cookie, (it) => Object.assign(it, { a: 2 }))
  expect(Object.keys((await memory.read(session.id))?.values ?? {})).not.toContain('__renewal')
  const later = await visit(sessions, cookie, (it) => Object.assign(it, { a: 3 }))
  expect(later.cookie).not.toBe(cookie)
  expect((await visit(sessions, later.cookie)).session.a).toBe(3)
})

test.each<[string, (session: Session<Data>) => unknown]>([
  [
    'in one request',
    async (session) => {
      session.signIn('alice', { method: 'password' })
      await session.save()
      session.signIn('alice', { method: 'totp' })
    },
  ],
  [
    'by renew()',
    async (session) => {
      session.signIn('alice')
      await session.save()
      session.renew()
    },
  ],
])('nor where it was replaced twice, %s', async (_, replace) => {
  const sessions = make()
  const { cookie } = await sessions.create({ values: { a: 1 } })
  const next = await visit(sessions, cookie, replace)
  now += 9_999
  const late = await visit(sessions, cookie, (it) => Object.assign(it, { a: 2 }))
  expect(late.setCookie).toBe(undefined)
  const { session } = await visit(sessions, next.cookie)
  expect([session.userId, session.a]).toEqual(['alice', 1])
})

test('a leaked store logs nobody in: what it holds is no token', async () => {
  const sessions = make()
  const { cookie, session } = await sessions.create({ userId: 'alice' })
  const record = await memory.read(session.id)
  const secret = cookie.slice(-40)
  expect(JSON.stringify(record)).not.toContain(secret)
  const digest = JSON.parse(record?.values.__token ?? '') as string
  for (const guess of [digest, digest.slice(0, 40), secret.replace(/.$/, 'x').padEnd(40, '_')]) {
    const forged = `__Host-session=${session.id}${guess}`.slice(0, '__Host-session='.length + 64)
    if (forged === cookie) continue
    expect((await visit(sessions, forged)).session.userId).toBe(null)
  }
})

test('an id that the server did not issue is never adopted', async () => {
  const sessions = make()
  const planted = `__Host-session=${'p'.repeat(64)}`
  const { session, cookie } = await visit(sessions, planted, (it) => Object.assign(it, { a: 1 }))
  expect(session.id).not.toBe('p'.repeat(24))
  expect(cookie).not.toBe(planted)
})

describe('the cookie', () => {
  test('is sent only when the token changes', async () => {
    const sessions = make()
    const first = await visit(sessions, '', (session) => Object.assign(session, { a: 1 }))
    expect(first.setCookie).toMatch(/^__Host-session=[\w-]{64}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
    const second = await visit(sessions, first.cookie, (session) => Object.assign(session, { a: 2 }))
    expect(second.setCookie).toBe(undefined)
  })

  test('is not cleared for a token that was not found', async () => {
    expect((await visit(make(), `__Host-session=${'x'.repeat(64)}`)).setCookie).toBe(undefined)
  })

  test('nothing is stored and nothing sent over plain HTTP, and one warning names trust proxy', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const sessions = createSessions<Data>({ store: spied(memory) })
    for (let request = 0; request < 2; request++) {
      const session = await sessions.load({ secure: false, host: 'example.com' })
      session.a = 1
      expect(await session.save()).toBe(false)
      expect(await sessions.commit(session)).toEqual([])
    }
    expect(calls).toEqual([])
    expect(warning.mock.calls).toHaveLength(1)
    expect(warning.mock.calls[0]?.[0]).toMatch(/trust proxy/)
  })

  test('of several values the one that resolves counts, under the secure name', async () => {
    const sessions = make()
    const a = await sessions.create({ values: { a: 1 } })
    const b = await sessions.create({ values: { a: 2 } })
    const [, first] = a.cookie.split('=')
    const [, second] = b.cookie.split('=')
    const junk = 'x'.repeat(64)
    const header = (...values: (string | undefined)[]) => values.map((value) => `__Host-session=${value}`).join('; ')
    expect((await visit(sessions, header(first, second))).session.a).toBe(1)
    expect((await visit(sessions, header(junk, second))).session.a).toBe(2)
    expect((await visit(sessions, header('short', second, second))).session.a).toBe(2)
    calls = []
    expect((await visit(sessions, header(junk, `y${junk.slice(1)}`, second))).session.isNew).toBe(true)
    expect(calls).toEqual(['read', 'read'])
  })

  test.each<[string, CookieOptions]>([
    ['the plain name', { secure: false }],
    ['a name that other hosts of the domain can set', { domain: 'example.com' }],
    ['the same, partitioned', { domain: 'example.com', partitioned: true }],
  ])('under %s two that resolve cancel each other, and an event tells', async (_, cookie) => {
    const sessions = make({ cookie })
    const events: unknown[] = []
    sessions.on('sameNameCookies', (event) => events.push(event.ids))
    const a = await sessions.create({ userId: 'alice' })
    const b = await sessions.create({ userId: 'mallory' })
    const { session } = await visit(sessions, `${a.cookie}; ${b.cookie}`)
    expect(session.userId).toBe(null)
    expect(events).toEqual([[a.session.id, b.session.id]])
  })

  test.each<[CookieOptions, string | null]>([
    [{ path: '/app' }, null],
    [{}, 'mallory'],
  ])('with %j a third one counts as an attempt to hide the visitor’s own: %s', async (cookie, userId) => {
    const sessions = make({ cookie })
    const mallory = await sessions.create({ userId: 'mallory' })
    const alice = await sessions.create({ userId: 'alice' })
    const [name] = alice.cookie.split('=', 1)
    const header = `${mallory.cookie}; ${name}=${'x'.repeat(64)}; ${alice.cookie}`
    expect((await visit(sessions, header)).session.userId).toBe(userId)
  })

  test.each(['older', 'newer'])('two of one session are one, as after a change of path (%s first)', async (first) => {
    const sessions = make({ cookie: { path: '/shop' }, lifetime: { renewal: '1h' } })
    sessions.on('sameNameCookies', () => expect.unreachable())
    const { cookie } = await sessions.create({ userId: 'alice' })
    now += 2 * 3_600_000
    const renewed = (await visit(sessions, cookie)).setCookie?.split(';')[0]
    const both = first === 'older' ? [cookie, renewed] : [renewed, cookie]
    const { session, setCookie } = await visit(sessions, both.join('; '))
    expect([session.userId, setCookie]).toEqual(['alice', undefined])
  })
})

function raise(): never {
  throw new Error('connection refused')
}

test.each(['sync', 'async'])(
  'a store that answers nothing, as one that is wrapped and lacks a return, has written nothing (%s)',
  async (kind) => {
    const patch = (kind === 'sync' ? () => undefined : async () => undefined) as never
    const { cookie } = await make().create({ values: { a: 1 } })
    const sessions = make({ store: { ...memory, patch } })
    const dropped = vi.fn()
    sessions.on('writeDropped', dropped)
    const session = await sessions.load({ cookie })
    session.a = 2
    expect(await session.save()).toBe(false)
    expect(dropped).toHaveBeenCalledOnce()
  },
)

test('options that are a promise are refused: nobody has awaited it', () => {
  const promised = Promise.resolve(make())
  expect(() => createSessions(promised as never)).toThrow('await it')
})

describe('an outage', () => {
  const broken = (method: string): SessionStore => ({
    ...memory,
    [method]: () => Promise.reject(new Error('connection refused')),
  })

  test('is an error by default, on reading and on writing', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    const outages: unknown[] = []
    for (const method of ['read', 'patch', 'delete', 'create']) {
      const sessions = make({ store: broken(method) })
      sessions.on('outage', ({ operation }) => outages.push(operation))
      const request = method === 'create' ? '' : cookie
      const change = (session: Session<Data>) => {
        if (method === 'delete') session.destroy()
        else session.a = 2
      }
      await expect(visit(sessions, request, change)).rejects.toMatchObject({
        code: 'store_unavailable',
        status: 503,
        message: `The session store failed to ${method}`,
        cause: new Error('connection refused'),
      })
    }
    expect(outages).toEqual(['read', 'patch', 'delete', 'create'])
  })

  test('is an error of the store too where its answer throws as somebody asks for it', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    // biome-ignore lint/suspicious/noThenProperty: as some query builders have it
    const answer = { then: () => raise() }
    for (const onStoreError of ['fail', 'anonymous'] as const) {
      const outages: unknown[] = []
      const sessions = make({ store: { ...memory, read: () => answer }, onStoreError })
      sessions.on('outage', ({ operation }) => outages.push(operation))
      const asked = visit(sessions, cookie)
      if (onStoreError === 'fail') await expect(asked).rejects.toMatchObject({ code: 'store_unavailable' })
      else expect((await asked).session.userId).toBe(null)
      expect(outages).toEqual(['read'])
    }
  })

  test.each(['fail', 'anonymous'] as const)(
    'is told also where a table or a right went missing meanwhile, with onStoreError %j',
    async (onStoreError) => {
      const { cookie } = await make().create({ values: { a: 1 } })
      const outages: unknown[] = []
      const error = new SojournError('store_misconfigured', 'there is no table sessions')
      const sessions = make({ store: { ...memory, read: () => Promise.reject(error) }, onStoreError })
      sessions.on('outage', (event) => outages.push(event.error))
      const asked = visit(sessions, cookie)
      if (onStoreError === 'fail') await expect(asked).rejects.toBe(error)
      else expect((await asked).session.userId).toBe(null)
      expect(outages).toEqual([error])
    },
  )

  test("is one for who opens a socket also with 'anonymous': it would be a stranger's when the store is back", async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    const sessions = make({ store: broken('read'), onStoreError: 'anonymous' })
    const loaded = sessions.load({ headers: { cookie, upgrade: 'websocket' } })
    await expect(loaded).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test("is met with an empty session that cannot be changed, with 'anonymous'", async () => {
    const { cookie } = await make().create({ userId: 'alice' })
    const sessions = make({ store: broken('read'), onStoreError: 'anonymous' })
    const { session, setCookie } = await visit(sessions, cookie)
    expect(session.userId).toBe(null)
    expect(setCookie).toBe(undefined)
    const changes: ((session: Session<Data>) => unknown)[] = [
      (it) => Object.assign(it, { a: 1 }),
      (it) => it.signIn('alice'),
      (it) => it.destroy(),
      (it) => it.regenerate(),
      (it) => it.update('a', () => 1),
      (it) => Reflect.deleteProperty(it, 'a'),
      (it) => it.reload(), // It has not ended, as far as anybody knows.
    ]
    for (const change of changes) {
      await expect(visit(sessions, cookie, change)).rejects.toMatchObject({ code: 'store_unavailable' })
    }
  })

  test('clears no cookie, though another of the request was found and just renewed', async () => {
    const options: SessionsOptions = { lifetime: { renewal: '1h' }, onStoreError: 'anonymous' }
    const sessions = make(options)
    const [first, second] = [await sessions.create({ userId: 'alice' }), await sessions.create({ userId: 'bob' })]
    now += 2 * 3_600_000
    await visit(sessions, first.cookie) // The renewal's response is lost.
    const store: SessionStore = {
      ...memory,
      read(id) {
        if (id === second.session.id) throw new Error('no route to host')
        return memory.read(id)
      },
    }
    const { session, setCookie } = await visit(make({ ...options, store }), `${first.cookie}; ${second.cookie}`)
    expect([session.userId, setCookie]).toEqual([null, undefined])
  })

  describe.each(['memory', 'sealed'])(
    'a slow page that only reads, and came with the token before a renewal (%s)',
    (kind) => {
      const secret = 'Zq8vR2mX5kT9wL3nB7cJ4hF6pD1sG0yA'
      const option = () => ({
        lifetime: { renewal: '1h' } as const,
        ...(kind === 'sealed' && { store: cookieStore({ secrets: secret, revocation: memory }) }),
      })

      test('gets the token that followed', async () => {
        const sessions = make(option())
        const before = await visit(sessions, '', (session) => Object.assign(session, { a: 1 }))
        now += 2 * 3_600_000
        const renewed = await visit(sessions, before.cookie, (session) => session.a)
        const slow = await visit(sessions, before.cookie, (session) => session.a)
        expect(slow.cookie).not.toBe(before.cookie)
        expect((await sessions.load({ cookie: slow.cookie })).a).toBe(1)
        expect((await sessions.load({ cookie: renewed.cookie })).a).toBe(1)
      })

      test.each<[string, (session: Session<Data>) => unknown]>([
        ['signed in', (session) => session.signIn('ada')],
        ['signed out', (session) => session.signOut()],
      ])('does not bring back the one that was replaced, where its visitor has %s meanwhile', async (_what, change) => {
        const sessions = make(option())
        const before = await visit(sessions, '', (session) => session.signIn('eve'))
        now += 2 * 3_600_000
        const renewed = await visit(sessions, before.cookie, (session) => session.a)
        const { setCookie } = await visit(sessions, before.cookie, async (session) => {
          expect(session.userId).toBe('eve')
          now += 100
          await visit(sessions, renewed.cookie, change)
        })
        expect(setCookie).toBeUndefined()
      })

      test('nor where it has saved something early, under the token that followed', async () => {
        const sessions = make(option())
        const before = await visit(sessions, '', (session) => Object.assign(session, { a: 1 }))
        now += 2 * 3_600_000
        const renewed = await visit(sessions, before.cookie, (session) => session.a)
        const { setCookie } = await visit(sessions, before.cookie, async (session) => {
          session.a = 2
          await session.save()
          now += 100
          await visit(sessions, renewed.cookie, (other) => other.signIn('ada'))
        })
        expect(setCookie).toBeUndefined()
      })

      test('and fails no page where the store does not say whether it is still good', async () => {
        const sessions = make(option())
        const before = await visit(sessions, '', (session) => Object.assign(session, { a: 1 }))
        now += 2 * 3_600_000
        await visit(sessions, before.cookie, (session) => session.a)
        const { read } = memory
        onTestFinished(() => void Object.assign(memory, { read }))
        const { setCookie } = await visit(sessions, before.cookie, (session) => {
          expect(session.a).toBe(1)
          now += 100
          Object.assign(memory, { read: () => Promise.reject(new Error('down')) })
        })
        Object.assign(memory, { read })
        expect(setCookie).toBeUndefined()
        expect((await visit(sessions, before.cookie)).setCookie).toBeDefined()
      })

      test('nor where it had renewed the token itself, and the sign-in came with the older one', async () => {
        const sessions = make(option())
        const before = await visit(sessions, '', (session) => Object.assign(session, { a: 1 }))
        now += 2 * 3_600_000
        const { setCookie } = await visit(sessions, before.cookie, async (session) => {
          await session.update('a', (a = 0) => a + 1)
          now += 100
          await visit(sessions, before.cookie, (other) => other.signIn('ada'))
        })
        expect(setCookie).toBeUndefined()
      })
    },
  )

  test('a slow page whose session was ended while the store was asked for its token still clears the cookie', async () => {
    const sessions = make({ lifetime: { renewal: '1h' } })
    const before = await visit(sessions, '', (session) => Object.assign(session, { a: 1 }))
    now += 2 * 3_600_000
    await visit(sessions, before.cookie, (session) => session.a)
    const slow = await sessions.load({ cookie: before.cookie })
    now += 100
    Object.assign(memory, { read: () => turn().then(() => Promise.reject(new Error('down'))) })
    const committed = sessions.commit(slow)
    slow.destroy()
    expect(await committed).toEqual([expect.stringContaining('Max-Age=0')])
  })

  test('a store that does not answer is given up after the time limit, and the write not repeated', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    let patches = 0
    const hanging = { ...memory, patch: () => new Promise<never>(() => void patches++) }
    const sessions = make({ store: hanging, storeTimeout: 20 })
    const session = await sessions.load({ cookie })
    session.a = 2
    await expect(session.save()).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(sessions.commit(session)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(patches).toBe(1)
  })

  test('an answer that came while the process itself stood still is taken', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    const throughTheEventLoop = { ...memory, read: (id: string) => stat('.').then(() => memory.read(id)) }
    const storeTimeout = 20
    const loading = make({ store: throughTheEventLoop, storeTimeout }).load({ cookie })
    const standing = performance.now() + 3 * storeTimeout
    while (performance.now() < standing);
    expect((await loading).a).toBe(1)
  })

  test('updates that wait for each other behind a store that does not answer are all given up in time', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    const storeTimeout = 50
    const sessions = make({ store: { ...memory, patch: () => new Promise<never>(() => {}) }, storeTimeout })
    const before = performance.now()
    const updates = Array.from({ length: 40 }, async () => {
      const session = await sessions.load({ cookie })
      return session.update('a', (a = 0) => Number(a) + 1).catch((error) => error.code)
    })
    const codes = await Promise.all(updates)
    expect(new Set(codes)).toEqual(new Set(['store_unavailable', 'contention']))
    // One after the other they would take forty.
    expect(performance.now() - before).toBeLessThan(20 * storeTimeout)
  })

  test('an update that others are always ahead of gives up in time', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    const sessions = make({ store: { ...memory, patch: () => 'conflict' }, storeTimeout: 50 })
    const session = await sessions.load({ cookie })
    const before = performance.now()
    await expect(session.update('a', () => 2)).rejects.toMatchObject({ code: 'contention' })
    expect(performance.now() - before).toBeLessThan(1000)
  })

  test('an update ends where the session cannot be created', async () => {
    const sessions = make({ store: { ...memory, create: () => false } })
    const session = await sessions.load({})
    session.signIn('ada')
    await expect(session.save()).rejects.toMatchObject({ code: 'contention' })
    const update = session.update('a', () => 1).catch(() => 'failed')
    expect(await Promise.race([update, turn().then(() => 'over')])).toBeDefined()
  })

  test('a value set while regenerate() still ends the session before is kept in the new one', async () => {
    memory = deferring(memory)
    const sessions = make()
    const { cookie } = await sessions.create({ values: { a: 1 } })
    const seen = {
      cookie,
      method: 'POST',
      header: () => undefined,
      address: undefined,
      secure: true,
      host: undefined,
      headersSent: false,
    }
    const visits = visitsFrom(sessions)
    const opened = await visits.open(seen)
    const session = sessionOf<Data>(opened)
    session.regenerate()
    const saved = visits.commit(opened)
    Object.assign(seen, { headersSent: true })
    session.a = 7
    await saved
    expect((await memory.read(session.id))?.values.a).toBe('7')
  })

  test('a proxy that hands on for a visitor elsewhere is no loopback host', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const sessions = make({ cookie: {} })
    const headers = { host: '127.0.0.1:3000', 'x-forwarded-for': '203.0.113.9' }
    const told = async (more: object) => {
      const session = await sessions.load({ secure: false, host: '127.0.0.1:3000', ...more })
      session.a = 1
      return [await session.save(), (await sessions.commit(session)).length]
    }
    expect(await told({ headers })).toEqual([false, 0])
    expect(await told({})).toEqual([true, 1])
  })

  describe('load takes headers', () => {
    const { headers: forged, ...rest } = {
      method: 'POST',
      host: 'app.example',
      headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    }
    const capitals = Object.fromEntries(
      Object.entries(forged).map(([name, value]) => [name.replace(/\b\w/g, (letter) => letter.toUpperCase()), value]),
    )
    test.each<[string, NonNullable<LoadRequest['headers']>]>([
      ['by their names in lower case', forged],
      ['by their names as they are written', capitals],
      ['as lists', Object.fromEntries(Object.entries(forged).map(([name, value]) => [name, [value]]))],
      ['as Headers', new Headers(forged)],
    ])('%s', async (_form, headers) => {
      const sessions = make({ crossOrigin: true })
      await expect(sessions.load({ headers, ...rest })).rejects.toMatchObject({ code: 'cross_origin' })
    })

    test('the cookie among them', async () => {
      const sessions = make()
      const { cookie } = await sessions.create({ userId: 'ada' })
      for (const headers of [{ cookie }, { Cookie: cookie }, { cookie: ['a=1', cookie] }, new Headers({ cookie })])
        expect((await sessions.load({ headers })).userId).toBe('ada')
      const crumbs = [['cookie', cookie] as const, ['Cookie', 'a=1'] as const]
      expect((await sessions.load({ headers: crumbs })).userId).toBe('ada')
    })
  })

  test('of updates and takes that are not awaited while the session is being created, none is lost and none given twice', async () => {
    memory = deferring(memory)
    const sessions = make()
    const session = await sessions.load({})
    const counts = [session.update('a', (a = 0) => a + 1)]
    session.list = [1]
    counts.push(session.update('a', (a = 0) => a + 1))
    expect((await Promise.all(counts)).sort()).toEqual([1, 2])
    const other = await sessions.load({})
    const taken = [other.take('a')]
    other.a = 7
    taken.push(other.take('a'))
    expect((await Promise.all(taken)).filter((a) => a === 7)).toHaveLength(1)
  })

  test('save() that nobody awaits does not end the process', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    const sessions = make({ store: broken('patch') })
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const session = await sessions.load({ cookie })
    session.a = 2
    void session.save()
    await new Promise((resolve) => setTimeout(resolve, 10))
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('of an update that nobody awaits is told by a warning, and of one that somebody does only there', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const session = await make().load({ cookie })
    const fails = () => {
      throw new TypeError('nothing to count')
    }
    void session.update('a', fails)
    await expect(session.update('a', fails)).rejects.toThrow('nothing to count')
    await expect(session.take('userId' as 'a')).rejects.toThrow('belongs to the session')
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(warned.mock.calls).toEqual([
      ['session.update() failed, and nobody waits for it: nothing to count', { type: 'SojournWarning' }],
    ])
  })

  test('on a long connection is over when the store is back, and what changed meanwhile is saved', async () => {
    const { cookie } = await make().create({ values: { a: 1 } })
    let isBroken = true
    const store: SessionStore = {
      ...memory,
      patch: (id, patch) => (isBroken ? Promise.reject(new Error('connection refused')) : memory.patch(id, patch)),
    }
    const visits = visitsFrom(make({ store }))
    const header = () => undefined
    const facts = { cookie, method: 'GET', secure: true, host: 'example.com', address: undefined, header }
    const session = sessionOf<Data>(await visits.open({ ...facts, headersSent: true, headIsOut: true }))
    session.a = 2
    session.touch()
    await expect(session.save()).rejects.toMatchObject({ code: 'store_unavailable' })
    isBroken = false
    now += 1000
    session.list = [1]
    expect(await session.save()).toBe(true)
    const record = await memory.read(session.id)
    expect([record?.values.a, record?.values.list]).toEqual(['2', '[1]'])
    expect(record?.expiresAt).toBe(now + day)
  })

  test('on a long connection is over also for what met a renewal meanwhile, and for an end', async () => {
    const { cookie } = await make().create({ userId: 'alice' })
    const broken = new Set<string>()
    const failing = Object.fromEntries(
      (['read', 'delete'] as const).map((method) => [
        method,
        (id: string) => (broken.has(method) ? Promise.reject(new Error('connection refused')) : memory[method](id)),
      ]),
    )
    let conflicts = 1
    const patch: SessionStore['patch'] = (id, patch) => (conflicts-- > 0 ? 'conflict' : memory.patch(id, patch))
    const visits = visitsFrom(make({ store: { ...memory, ...failing, patch } }))
    const header = () => undefined
    const facts = { cookie, method: 'GET', secure: true, host: 'example.com', address: undefined, header }
    const session = sessionOf<Data>(await visits.open({ ...facts, headersSent: true, headIsOut: true }))
    const { id } = session
    broken.add('read').add('delete')
    session.a = 2
    session.touch()
    await expect(session.save()).rejects.toMatchObject({ code: 'store_unavailable' })
    broken.delete('read')
    expect(await session.save()).toBe(true)
    expect((await memory.read(id))?.values.a).toBe('2')
    session.destroy()
    await expect(session.save()).rejects.toMatchObject({ code: 'store_unavailable' })
    broken.clear()
    await session.save()
    expect(await memory.read(id)).toBe(null)
  })

  test.each([
    ['null values', { values: null, userId: null, createdAt: start, expiresAt: start + day }],
    ['no times', { values: {}, userId: null }],
    ['a number as user', { values: {}, userId: 5, createdAt: start, expiresAt: start + day }],
    ['values that are no text', { values: { __token: 5 }, userId: null, createdAt: start, expiresAt: start + day }],
    ['a broken renewal', { values: { __renewal: '{' }, userId: null, createdAt: start, expiresAt: start + day }],
    ['text', 'a row of somebody else'],
  ])('a corrupt row (%s) is a fresh session', async (_what, row) => {
    const sessions = make({ store: { ...memory, read: () => row as never } })
    const refused = vi.fn()
    sessions.on('refused', refused)
    const { session } = await visit(sessions, `__Host-session=${'x'.repeat(64)}`)
    expect(session.isNew).toBe(true)
    expect(refused).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ reason: 'corrupt_record' }))
  })
})

describe('events', () => {
  test('tell the life of a session, to listeners and to diagnostics channels, and never a token', async () => {
    const sessions = make()
    const events: [string, object][] = []
    const names: SessionEventName[] = ['created', 'signedIn', 'renewed', 'ended', 'refused', 'writeDropped', 'outage']
    for (const name of names) sessions.on(name, (event) => events.push([name, event]))
    const published: unknown[] = []
    const listen = (event: unknown) => void published.push(event)
    channel('sojourn:ended').subscribe(listen)
    const guest = await visit(sessions, '', (session) => Object.assign(session, { a: 1 }))
    const { id } = guest.session
    const user = await visit(sessions, guest.cookie, (session) => session.signIn('alice', { method: 'passkey' }))
    const renewed = await visit(sessions, user.cookie, (session) => session.renew())
    const late = await sessions.load({ cookie: renewed.cookie })
    await visit(sessions, renewed.cookie, (session) => session.destroy())
    late.a = 5
    await sessions.commit(late)
    await visit(sessions, renewed.cookie)
    channel('sojourn:ended').unsubscribe(listen)
    expect(events).toEqual([
      ['created', { id, userId: null, at: now }],
      ['signedIn', { id, userId: 'alice', at: now, method: 'passkey', remembered: false }],
      ['renewed', { id, userId: 'alice', at: now, scheduled: false }],
      ['ended', { id, userId: 'alice', at: now, reason: 'destroyed' }],
      ['writeDropped', { id, at: now, reason: 'ended', names: ['a'] }],
      ['refused', expect.objectContaining({ id, at: now, reason: 'unknown_id' })],
    ])
    expect(published).toHaveLength(1)
    for (const cookie of [guest.cookie, user.cookie, renewed.cookie]) {
      expect(JSON.stringify(events)).not.toContain(cookie.slice(-40))
    }
  })

  test('tell what was written, also where its request had ended the session by then', async () => {
    const slow = { ...memory, create: async (...given: Created) => memory.create(...given) }
    const sessions = make({ store: { ...slow, patch: async (...given) => memory.patch(...given) } })
    const { cookie } = await sessions.create({ values: { a: 1 } })
    const told: unknown[] = []
    sessions.on('signedIn', ({ userId }) => told.push(`signed in ${userId}`))
    sessions.on('renewed', () => told.push('renewed'))
    sessions.on('ended', () => told.push('ended'))
    const endMeanwhile = (begin: (session: Session<Data>) => void) => (session: Session<Data>) => {
      begin(session)
      void session.save()
      session.destroy()
    }
    const signIn = endMeanwhile((session) => session.signIn('alice'))
    await visit(sessions, '', signIn)
    await visit(sessions, cookie, signIn)
    const other = await sessions.create({ values: { a: 1 } })
    const renew = endMeanwhile((session) => session.renew())
    await visit(sessions, other.cookie, renew)
    expect(told).toEqual(['signed in alice', 'ended', 'signed in alice', 'ended', 'renewed', 'ended'])
  })

  test('tell of no dropped write where a session ended that was only read, and due for renewal', async () => {
    const sessions = make({ lifetime: { renewal: '1h' } })
    const { session, cookie } = await sessions.create({ values: { a: 1 } })
    const dropped: unknown[] = []
    sessions.on('writeDropped', (event) => dropped.push(event))
    now += 3_600_000
    await visit(sessions, cookie, () => sessions.end(session.id))
    expect(dropped).toEqual([])
  })

  test('a listener that throws, or rejects, harms no request', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const sessions = make()
    sessions.on('created', () => {
      throw new Error('listener')
    })
    sessions.on('created', () => Promise.reject(new Error('listener')))
    const stop = sessions.on('created', () => calls.push('stopped'))
    stop()
    await visit(sessions, '', (session) => Object.assign(session, { a: 1 }))
    await new Promise((resolve) => setImmediate(resolve))
    expect(warning).toHaveBeenCalledTimes(2)
    expect(calls).not.toContain('stopped')
  })
})

test.each(['signin', 'constructor', '', undefined])('no event has the name %j', (name) => {
  expect(() => make().on(name as 'ended', () => {})).toThrow(
    /^The event of sessions\.on\(\) must be "created", "signedIn", .*; got /,
  )
})

test('a listener that is no function is refused', () => {
  expect(() => make().on('ended', undefined as never)).toThrow(
    /^The listener of sessions\.on\('ended'\) must be a function; got undefined/,
  )
})

test('each change that comes after the end is reported once', async () => {
  const sessions = make()
  const dropped: unknown[] = []
  sessions.on('writeDropped', ({ id, reason, names }) => dropped.push([id, reason, names]))
  const { cookie } = await sessions.create({ userId: 'alice' })
  const session = await sessions.load({ cookie })
  await sessions.end(session.id)
  session.a = 1
  expect(await session.save()).toBe(false)
  expect(await session.save()).toBe(false)
  session.list = [1]
  expect(await session.save()).toBe(false)
  await sessions.commit(session)
  expect(dropped).toEqual([
    [session.id, 'ended', ['a']],
    [session.id, 'ended', ['list']],
  ])
  expect(await memory.read(session.id)).toBe(null)
})

describe('a record that is too large', () => {
  function tight(): SessionStore {
    const fits = (set: Record<string, string> = {}) => {
      if (JSON.stringify(set).length > 500) throw new SojournError('record_too_large', 'too large')
    }
    return {
      ...memory,
      create(id, record) {
        fits(record.values)
        return memory.create(id, record)
      },
      patch(id, patch) {
        fits(patch.set)
        return memory.patch(id, patch)
      },
    }
  }
  const large = Array.from({ length: 500 }, () => 1)

  test.each(['new', 'stored'])('can be made smaller and saved, when it is %s, with the sign-in', async (kind) => {
    const sessions = make({ store: tight() })
    const known = kind === 'new' ? '' : (await sessions.create({ values: { a: 1 } })).cookie
    const { cookie } = await visit(sessions, known, async (session) => {
      session.signIn('alice')
      session.list = large
      await expect(session.save()).rejects.toMatchObject({ code: 'record_too_large' })
      session.list = [2]
      expect(await session.save()).toBe(true)
    })
    const { session } = await visit(sessions, cookie)
    expect([session.userId, session.list]).toEqual(['alice', [2]])
    if (known) expect((await sessions.load({ cookie: known })).userId).toBe(null)
  })

  test('fails the response where nobody makes it smaller', async () => {
    const sessions = make({ store: tight() })
    const attempt = visit(sessions, '', async (session) => {
      session.list = large
      await session.save().catch(() => {})
    })
    await expect(attempt).rejects.toMatchObject({ code: 'record_too_large', status: 500 })
  })
})

describe('list and end', () => {
  test('page through a user’s living sessions', async () => {
    const sessions = make()
    for (let count = 0; count < 5; count++) await sessions.create({ userId: 'alice' })
    await sessions.create({ userId: 'bob' })
    const first = await sessions.list({ userId: 'alice', limit: 3 })
    expect(first.sessions).toHaveLength(3)
    const second = await sessions.list({ userId: 'alice', limit: 3, after: first.next ?? '' })
    expect(second.sessions).toHaveLength(2)
    expect(second.next).toBe(null)
    expect(new Set([...first.sessions, ...second.sessions].map(({ id }) => id)).size).toBe(5)
    expect((await sessions.list()).sessions).toHaveLength(6)
    now += day
    expect((await sessions.list({ userId: 'alice' })).sessions).toEqual([])
  })

  test('a session that ended by time is not ended once more, and its record goes', async () => {
    const sessions = make()
    const { session } = await sessions.create({ userId: 'alice' })
    const ended: unknown[] = []
    sessions.on('ended', (event) => ended.push(event))
    now += day
    expect(await sessions.end(session.id, { userId: 'alice' })).toBe(false)
    expect(ended).toEqual([])
    expect(await memory.read(session.id)).toBe(null)
  })

  test('nor are those of a user who is signed out everywhere', async () => {
    const sessions = make()
    await sessions.create({ userId: 'alice' })
    now += day
    const { session } = await sessions.create({ userId: 'alice' })
    const ended: string[] = []
    sessions.on('ended', ({ id }) => ended.push(id))
    expect(await sessions.endAll('alice')).toBe(1)
    expect(ended).toEqual([session.id])
    expect(await memory.list?.({ limit: 10 })).toEqual([])
  })

  test('end refuses another user’s session', async () => {
    const sessions = make()
    const { session, cookie } = await sessions.create({ userId: 'alice' })
    expect(await sessions.end(session.id, { userId: 'bob' })).toBe(false)
    expect(await sessions.end('not an id', { userId: 'alice' })).toBe(false)
    expect((await visit(sessions, cookie)).session.userId).toBe('alice')
    expect(await sessions.end(session.id, { userId: 'alice' })).toBe(true)
    expect((await visit(sessions, cookie)).session.userId).toBe(null)
    expect(await sessions.end(session.id)).toBe(false)
  })

  test('an owner who turns out to be nobody ends no session, and has none made', async () => {
    const sessions = make()
    const { session, cookie } = await sessions.create({ userId: 'undefined' })
    for (const owner of [{ userId: undefined }, { userId: null }, {}, null] as never[]) {
      await expect(sessions.end(session.id, owner)).rejects.toMatchObject({ code: 'invalid_value' })
    }
    expect((await visit(sessions, cookie)).session.userId).toBe('undefined')
    calls = []
    await expect(sessions.create({ userId: undefined } as never)).rejects.toMatchObject({ code: 'invalid_value' })
    await expect(sessions.create({ user: 'a' } as never)).rejects.toMatchObject({
      code: 'invalid_option',
      message: 'sessions.create(): "user" is not an option; there are "userId", "values", "remember" and "method"',
    })
    for (const given of ['alice', null, 7] as never[]) {
      await expect(sessions.create(given)).rejects.toMatchObject({
        code: 'invalid_option',
        message: expect.stringContaining('The options of sessions.create() must be an object of userId, '),
      })
    }
    for (const values of ['abc', null, 7] as never[]) {
      await expect(sessions.create({ values })).rejects.toMatchObject({
        code: 'invalid_option',
        message: expect.stringContaining('values must be an object'),
      })
    }
    // Else the session that was to stay would end with the others.
    await expect(sessions.endAll('undefined', { except: session } as never)).rejects.toMatchObject({
      code: 'invalid_option',
      message: 'except of sessions.endAll() must be the id of a session; got an object',
    })
    await expect(sessions.endAll('undefined', { exept: session.id } as never)).rejects.toMatchObject({
      code: 'invalid_option',
      message: 'sessions.endAll(): "exept" is not an option; there is "except"',
    })
    expect(calls).toEqual([])
  })

  test.each<unknown>([
    { limit: 0 },
    { limit: -1 },
    { limit: Number.NaN },
    { limit: '5' },
    { after: '' },
    { after: 'a\u0000' },
    { userID: 'alice' }, // which would list everybody
    'alice',
    null,
  ])('the page %j is refused', async (page) => {
    await expect(make().list(page as object)).rejects.toMatchObject({ code: 'invalid_option' })
  })

  test('a user who turns out to be nobody does not come to mean everybody', async () => {
    const sessions = make()
    await sessions.create({ userId: 'alice' })
    for (const userId of [undefined, null, '', Number.NaN] as never[]) {
      await expect(sessions.list({ userId })).rejects.toMatchObject({ code: 'invalid_value' })
      await expect(sessions.endAll(userId)).rejects.toMatchObject({ code: 'invalid_value' })
    }
  })

  test('a store without a list says so', async () => {
    const { list: _, ...store } = memory
    await expect(make({ store }).list()).rejects.toMatchObject({ code: 'unsupported' })
  })
})

test('a session that ended just before it was followed is known at once, also where the store tells nothing', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const sessions = make()
  const session = await sessions.load({ cookie: (await sessions.create({ userId: 'alice' })).cookie })
  await sessions.endAll('alice')
  await new Promise<void>((resolve) => sessions.follow(session, resolve))
  await sessions.close()
})

test('a session that ended just before it was followed is not missed', async () => {
  const sessions = make({ store: { ...memory, watch: () => () => {} } })
  const { cookie } = await sessions.create({ userId: 'alice' })
  sessions.follow(await sessions.load({ cookie }), () => {}) // From here on, the store tells what ends.
  await new Promise((resolve) => setTimeout(resolve, 5))
  const session = await sessions.load({ cookie })
  await memory.delete(session.id)
  await new Promise<void>((resolve) => sessions.follow(session, resolve))
  await sessions.close()
})

test('who listens twice with one function is called twice, and stops once at a time', async () => {
  const sessions = make()
  const listener = vi.fn()
  const stops = [sessions.on('created', listener), sessions.on('created', listener)]
  await sessions.create()
  expect(listener).toHaveBeenCalledTimes(2)
  stops[0]?.()
  stops[0]?.()
  await sessions.create()
  expect(listener).toHaveBeenCalledTimes(3)
  stops[1]?.()
  await sessions.create()
  expect(listener).toHaveBeenCalledTimes(3)
})

test('without a clock of its own, time is what Date says, also where a test replaces it later', async () => {
  const sessions = createSessions<Data>({ store: memory, lifetime: { idle: '30m' } })
  const { cookie } = await sessions.create({ values: { a: 1 } })
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  vi.setSystemTime(Date.now() + 29 * 60_000)
  expect((await sessions.load({ cookie })).a).toBe(1)
  vi.setSystemTime(Date.now() + 2 * 60_000)
  expect((await sessions.load({ cookie })).a).toBe(undefined)
})

test('a session of one copy of Sojourn is one for another in the process, as a bundle of ESM and CommonJS has two', async () => {
  vi.resetModules()
  const { createSessions: createElsewhere } = await import('../index.js')
  expect(createElsewhere).not.toBe(createSessions)
  const sessions = make()
  const elsewhere = createElsewhere<Data>({ store: memory })
  const session = await sessions.load({})
  session.a = 1
  expect(elsewhere.status(session).signedIn).toBe(false)
  session.signIn('ada')
  const [setCookie] = await elsewhere.commit(session)
  expect(elsewhere.status(session).signedIn).toBe(true)
  expect((await sessions.load({ cookie: setCookie?.split(';')[0] as string })).userId).toBe('ada')
})

test('who follows a session that only its cookie holds learns that it expired', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const store = cookieStore({ secrets: 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e' })
  const sessions = make({ store, clock: Date.now, lifetime: { idle: '10m' } })
  const { cookie } = await sessions.create({ userId: 'alice' })
  const session = await sessions.load({ cookie })
  const ended: number[] = []
  sessions.follow(session, () => ended.push(Date.now()))
  await vi.advanceTimersByTimeAsync(9 * 60_000)
  expect(ended).toEqual([])
  await vi.advanceTimersByTimeAsync(2 * 60_000)
  expect(ended).toHaveLength(1)
  expect(ended[0]).toBeGreaterThanOrEqual(session.expiresAt)
  await sessions.close()
})

test('what follows a guest is told when somebody signs in: at once, or within five seconds in another process', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const kept = memoryStore()
  /** Tells of endings, and this is none. */
  const process = () => createSessions<Data>({ store: { ...kept, watch: () => () => {} } })
  const [here, there] = [process(), process()]
  const { cookie } = await here.create({ values: { a: 1 } })
  const ended: string[] = []
  const follow = async (sessions: typeof here, who: string, cookie: string) =>
    sessions.follow(await sessions.load({ cookie }), () => ended.push(who))
  await follow(here, 'guest here', cookie)
  await follow(there, 'guest there', cookie)
  const visitor = await here.load({ cookie })
  here.follow(visitor, () => ended.push('who signs in'))
  await new Promise(setImmediate)
  visitor.signIn('alice')
  const [setCookie = ''] = await here.commit(visitor)
  expect(ended).toEqual(['guest here'])
  await vi.advanceTimersByTimeAsync(5000)
  expect(ended).toEqual(['guest here', 'guest there'])
  const again = await here.load({ cookie: setCookie.split(';')[0] as string })
  again.signIn('alice')
  await here.commit(again)
  await vi.advanceTimersByTimeAsync(5000)
  expect(ended, 'the same user').toHaveLength(2)
  await Promise.all([here.close(), there.close()])
})

test('who signs in may follow at once: a visitor without a session when it was saved, a guest also before', async () => {
  let answer = () => {}
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  const watched: SessionStore = {
    ...memory,
    watch: () => () => {},
    patch: async (id, patch) => {
      const outcome = await memory.patch(id, patch)
      await answered
      return outcome
    },
  }
  const sessions = make({ store: watched })
  const { cookie } = await sessions.create({ values: { a: 1 } })
  const ended = vi.fn()
  sessions.follow(await sessions.load({ cookie }), () => {}) // From here on, the store tells what ends.
  await new Promise(setImmediate)

  const visitor = await sessions.load({})
  sessions.follow(visitor, ended)
  visitor.signIn('alice')
  expect(() => sessions.follow(visitor, ended)).toThrow('Await session.save() before sessions.follow()')
  await visitor.save()
  sessions.follow(visitor, ended)

  const guest = await sessions.load({ cookie })
  guest.signIn('bob')
  sessions.follow(guest, ended)
  await new Promise(setImmediate)
  const saved = guest.save()
  sessions.follow(guest, ended)
  await new Promise(setImmediate)
  answer()
  await saved
  sessions.follow(guest, ended)
  await new Promise(setImmediate)
  expect(ended).not.toHaveBeenCalled()

  await sessions.endAll('alice')
  expect(ended).toHaveBeenCalledTimes(1)
  await sessions.endAll('bob')
  expect(ended).toHaveBeenCalledTimes(4)
  await sessions.close()
})

test('a store that cannot watch at once is asked again with the next connection', async () => {
  let attempts = 0
  const watch = () => {
    if (++attempts === 1) throw new Error('connection refused')
    return () => {}
  }
  const sessions = make({ store: { ...memory, watch } })
  const { cookie } = await sessions.create({ userId: 'alice' })
  for (let connection = 0; connection < 3; connection++) {
    sessions.follow(await sessions.load({ cookie }), () => {})
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  expect(attempts).toBe(2)
  await sessions.close()
})

test('a server closes though its store has not begun to watch yet, which is ended when it has', async () => {
  let begin = (_stop: () => void) => {}
  const stop = vi.fn()
  const sessions = make({ store: { ...memory, watch: () => new Promise((resolve) => (begin = resolve)) } })
  const { session } = await sessions.create({ values: { a: 1 } })
  sessions.follow(session, () => {})
  await new Promise((resolve) => setImmediate(resolve))
  await sessions.close()
  begin(stop)
  await vi.waitFor(() => expect(stop).toHaveBeenCalledOnce())
})

test('what is saved after the end fails as closed, and is no outage that somebody has to look after', async () => {
  const outages = vi.fn()
  const closed = vi.fn()
  const patch: SessionStore['patch'] = (id, change) => (closed.mock.calls.length ? raise() : memory.patch(id, change))
  const sessions = make({ store: { ...memory, patch, close: closed } })
  sessions.on('outage', outages)
  const { cookie } = await sessions.create({ values: { a: 1 } })
  const session = await sessions.load({ cookie })
  const large = await sessions.load({ cookie })
  const isLarge = new SojournError('record_too_large', 'It is too large')
  const closing = sessions.close()
  vi.spyOn(memory, 'patch').mockImplementationOnce(() => {
    throw isLarge
  })
  large.a = 3
  await expect(large.save()).rejects.toBe(isLarge)
  await closing
  session.a = 2
  await expect(session.save()).rejects.toMatchObject({ code: 'closed', cause: expect.any(Error) })
  expect(outages).not.toHaveBeenCalled()
})

test('a store is closed also where it cannot stop watching', async () => {
  const close = vi.fn()
  const watch = () => async () => raise()
  const sessions = make({ store: { ...memory, watch, close } })
  const { session } = await sessions.create({ values: { a: 1 } })
  sessions.follow(session, () => {})
  await new Promise((resolve) => setImmediate(resolve))
  await sessions.close()
  expect(close).toHaveBeenCalledOnce()
})

test('nothing is begun for who follows a session when the server closes', async () => {
  let watched = 0
  const watch = () => {
    watched++
    return () => {}
  }
  const sessions = make({ store: { ...memory, watch } })
  const { session } = await sessions.create({ values: { a: 1 } })
  await sessions.close()
  sessions.follow(session, () => {})()
  await new Promise((resolve) => setImmediate(resolve))
  expect(watched).toBe(0)
})

test('what is no function cannot follow', async () => {
  const sessions = make()
  const { session } = await sessions.create({ userId: 'alice' })
  expect(() => sessions.follow(session, undefined as never)).toThrow(
    expect.objectContaining({ code: 'invalid_option' }),
  )
})

test('a follower that throws, or rejects, keeps no other from being told', async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const sessions = make()
  const { session, cookie } = await sessions.create({ userId: 'alice' })
  const told = vi.fn()
  const harmful = [() => JSON.parse('not'), async () => raise()]
  for (const ended of [...harmful, told]) sessions.follow(await sessions.load({ cookie }), ended)
  await sessions.end(session.id)
  expect(told).toHaveBeenCalledOnce()
  await new Promise(setImmediate)
  expect(process.emitWarning).toHaveBeenCalledTimes(2)
})

describe('sweep and close', () => {
  test('sweep removes what expired five minutes ago, and nothing else', async () => {
    const sessions = make({ lifetime: { idle: '1h' } })
    const { session: old } = await sessions.create({ values: { a: 1 } })
    now += 3_600_000 + 4 * 60_000
    expect(await sessions.sweep()).toBe(0)
    const { session: young } = await sessions.create({ values: { a: 1 } })
    now += 60_000
    expect(await sessions.sweep()).toBe(1)
    expect(await memory.read(old.id)).toBe(null)
    expect(await memory.read(young.id)).not.toBe(null)
  })

  test('a store that does not say how many went is not asked for ever', async () => {
    const sweep = vi.fn(async () => undefined as never)
    expect(await make({ store: { ...memory, sweep } }).sweep()).toBeNaN()
    expect(sweep).toHaveBeenCalledOnce()
  })

  test('who sweeps while a sweep is under way joins it, and is told the same', async () => {
    const sessions = make({ lifetime: { idle: '1h' } })
    for (let count = 0; count < 150; count++) await sessions.create({ values: { a: 1 } })
    now += 2 * 3_600_000
    expect(await Promise.all([sessions.sweep(), sessions.sweep()])).toEqual([150, 150])
    expect(await sessions.sweep()).toBe(0)
  })

  test.each([
    ['a server that is quick about it is asked for more, and one that is not, for less', 0, 60],
    ['a store that stops this process is asked for less long before', 5, 0],
  ])('%s', async (_what, blocks, waits) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    let time = 0
    const watch = vi.spyOn(performance, 'now').mockImplementation(() => time)
    onTestFinished(() => watch.mockRestore())
    const asked: number[] = []
    const store: SessionStore = {
      ...memory,
      sweep(_before, limit) {
        asked.push(limit)
        const isSlow = asked.length > 5
        if (isSlow) time += blocks
        return Promise.resolve().then(() => {
          if (isSlow) time += waits
          return asked.length < 8 ? limit : 0
        })
      },
    }
    const sweeping = make({ store }).sweep()
    await vi.runAllTimersAsync()
    await sweeping
    expect(asked).toEqual([30, 60, 120, 240, 480, 960, 480, 240])
  })

  test('close() waits for a batch of a sweep in the background, before it closes the store', async () => {
    const asked: string[] = []
    let swept = (_removed: number) => {}
    const store: SessionStore = {
      ...memory,
      sweep: () =>
        new Promise((resolve) => {
          swept = resolve
        }),
      close: () => void asked.push('close'),
    }
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const sessions = make({ store, storeTimeout: '1h' })
    await sessions.create()
    await vi.advanceTimersByTimeAsync(8 * 60_000)
    const closing = sessions.close()
    await vi.advanceTimersByTimeAsync(1)
    asked.push('swept')
    swept(0)
    await closing
    expect(asked).toEqual(['swept', 'close'])
  })

  test('close() ends a sweep that rests, and the store is not asked again', async () => {
    const asked: string[] = []
    const store: SessionStore = {
      ...memory,
      sweep: (_before, limit) => {
        asked.push('sweep')
        return limit
      },
      close: () => void asked.push('close'),
    }
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const sessions = make({ store })
    const sweeping = sessions.sweep()
    await vi.advanceTimersByTimeAsync(1)
    await sessions.close()
    await vi.runAllTimersAsync()
    expect([await sweeping, asked]).toEqual([30, ['sweep', 'close']])
  })

  test.each<[string, (session: Session<Data>, sessions: Sessions<Data>) => Promise<unknown>]>([
    ['save', (session) => Object.assign(session, { a: 2 }).save()],
    ['update', (session) => session.update('a', (a = 0) => a + 1)],
    ['endAll', (_, sessions) => sessions.endAll('alice')],
  ])('close waits for %s', async (_what, act) => {
    const log: string[] = []
    const later = async <T>(call: () => T): Promise<Awaited<T>> => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      log.push('written')
      return await call()
    }
    const { cookie } = await make().create({ userId: 'alice', values: { a: 1 } })
    const sessions = make({
      store: {
        ...memory,
        patch: (id, patch) => later(() => memory.patch(id, patch)),
        delete: (id) => later(() => memory.delete(id)),
        close: () => void log.push('closed'),
      },
    })
    const done = act(await sessions.load({ cookie }), sessions)
    await Promise.all([done, sessions.close()])
    expect(log).toEqual(['written', 'closed'])
  })

  test('close waits for what is under way, closes the store once, and refuses what comes later', async () => {
    const log: string[] = []
    let release = () => {}
    const slow: SessionStore = {
      ...memory,
      create: async (id, record) => {
        await new Promise<void>((resolve) => {
          release = resolve
        })
        log.push('created')
        return memory.create(id, record)
      },
      close: async () => void log.push('closed'),
    }
    const sessions = make({ store: slow })
    const session = await sessions.load({})
    session.a = 1
    const committed = sessions.commit(session)
    const closed = Promise.all([sessions.close(), sessions.close()])
    const later = [
      sessions.load({}),
      sessions.create(),
      sessions.list(),
      sessions.end(session.id),
      sessions.endAll('alice'),
      sessions.sweep(),
    ]
    for (const call of later) await expect(call).rejects.toMatchObject({ code: 'closed' })
    release()
    await Promise.all([committed, closed])
    expect(log).toEqual(['created', 'closed'])
  })
})

test('without a store: memory, and one warning', async () => {
  const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const sessions = createSessions()
  createSessions()
  expect(warning.mock.calls.flat().filter((text) => /memory/.test(String(text)))).toHaveLength(1)
  expect((await sessions.load({})).isNew).toBe(true)
})

describe('a session that travels in its cookie', () => {
  const secrets = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'

  /** Whose answers come late. */
  const slow = (): SessionStore => ({
    ...memory,
    read: async (id) => memory.read(id),
    create: async (id, record) => memory.create(id, record),
    patch: async (id, patch) => memory.patch(id, patch),
  })

  test.each([
    ['at once', false],
    ['later', true],
  ])(
    'changed in hand, or by an update under way, when the response has begun: an error (answers %s)',
    async (_, late) => {
      const sessions = make({ store: cookieStore({ secrets, ...(late && { revocation: slow() }) }) })
      const { cookie } = await sessions.create({ values: { list: [1] } })
      const facts = {
        cookie,
        method: 'GET',
        secure: true,
        host: undefined,
        address: undefined,
        header: () => undefined,
      }
      const request = { ...facts, headersSent: false, headIsOut: false }
      const session = sessionOf<Data>(await visitsFrom(sessions).open(request))
      const { list } = session
      const update = session.update('a', () => {
        if (late) queueMicrotask(begin)
        return 1
      })
      const begin = () => {
        request.headersSent = request.headIsOut = true
      }
      if (!late) begin()
      await expect(update).rejects.toMatchObject({ code: 'headers_sent' })
      expect(await session.save()).toBe(true)
      list?.push(2)
      await expect(session.save()).rejects.toMatchObject({ code: 'headers_sent' })
    },
  )

  test('an update beside a save of the same request: both stay', async () => {
    const sessions = make({ store: cookieStore({ secrets, revocation: slow() }) })
    const { cookie } = await sessions.create({ values: { a: 1 } })
    const changed = await visit(sessions, cookie, async (session) => {
      const update = session.update('a', (a = 0) => a + 1)
      session.list = [1]
      await Promise.all([update, session.save()])
    })
    expect({ ...(await sessions.load({ cookie: changed.cookie })) }).toEqual({ a: 2, list: [1] })
  })

  test('an update that another user’s sign-in overtakes leaves nothing to them', async () => {
    const late: (() => void)[] = []
    const revocation = { ...slow(), read: async (id: string) => memory.read(id) }
    const sessions = make({ store: cookieStore({ secrets, revocation }) })
    const { cookie } = await sessions.create({ userId: 'alice', values: { a: 1 } })
    const bob = await visit(sessions, cookie, async (session) => {
      revocation.read = async (id) => {
        const kept = await memory.read(id)
        await new Promise<void>((resolve) => late.push(resolve))
        return kept
      }
      const update = session.update('a', (a = 0) => a + 1).catch(() => {})
      await new Promise((resolve) => setImmediate(resolve))
      session.signIn('bob')
      const saved = session.save()
      await new Promise((resolve) => setImmediate(resolve))
      revocation.read = async (id) => memory.read(id)
      for (const answer of late) answer()
      await Promise.all([update, saved])
    })
    const session = await sessions.load({ cookie: bob.cookie })
    expect([session.userId, { ...session }]).toEqual(['bob', {}])
  })
})

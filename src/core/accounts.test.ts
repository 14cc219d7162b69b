import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cookieStore } from '../stores/cookie.js'
import { memoryStore } from './memory-store.js'
import type { SessionsOptions } from './options.js'
import type { RequestFacts } from './request-facts.js'
import type { Session } from './session.js'
import { sessionOf } from './session-object.js'
import { createSessions, type Sessions, visitsFrom } from './sessions.js'
import type { SessionRecord, SessionStore } from './store.js'
import { mintToken } from './token.js'

let store: SessionStore
let now: number
beforeEach(() => {
  store = memoryStore()
  now = 1_800_000_000_000
})
afterEach(() => vi.restoreAllMocks())

const make = (options: SessionsOptions = {}) =>
  createSessions({ store, clock: () => now, cookie: { secure: true }, ...options })

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const newerFirefox = firefox.replaceAll('140.0', '141.0')
const iphone =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1'

function facts(given: Partial<RequestFacts> & { headers?: Record<string, string> } = {}): RequestFacts {
  const { headers = {}, ...rest } = given
  return {
    cookie: undefined,
    method: 'GET',
    secure: true,
    host: 'example.com',
    address: '203.0.113.7',
    header: (name) => headers[name],
    ...rest,
  }
}

/** One request; resolves to the cookie that the client then holds. */
async function request(
  sessions: Sessions,
  given: Parameters<typeof facts>[0],
  handle: (session: ReturnType<typeof sessionOf>) => unknown = () => {},
): Promise<string> {
  const visits = visitsFrom(sessions)
  const visit = await visits.open(facts(given))
  await handle(sessionOf(visit))
  const [setCookie] = await sessions.commit(sessionOf(visit))
  return setCookie?.split(';', 1)[0] ?? given?.cookie ?? ''
}

function raise(): never {
  throw new Error('connection refused')
}

describe('a user’s devices', () => {
  test('are listed with device, address, method and times', async () => {
    const sessions = make()
    const cookie = await request(sessions, { headers: { 'user-agent': firefox } }, (session) =>
      session.signIn('alice', { method: 'password' }),
    )
    now += 5 * 3_600_000
    await request(sessions, { cookie, headers: { 'user-agent': firefox } })
    await request(sessions, { address: '2001:db8::1', headers: { 'user-agent': iphone } }, (session) =>
      session.signIn('alice'),
    )
    const page = await sessions.list({ userId: 'alice' })
    const [first, second] = [...page.sessions].sort((a, b) => a.createdAt - b.createdAt)
    expect(first).toMatchObject({
      device: { name: 'Firefox on Linux', kind: 'desktop' },
      address: '203.0.113.7',
      method: 'password',
      authenticatedAt: now - 5 * 3_600_000,
      lastSeenAt: now,
    })
    expect(second).toMatchObject({
      device: { name: 'Safari on iOS', kind: 'mobile' },
      address: '2001:db8::1',
      method: null,
    })
  })

  test('tell when a remembered one was used, whose expiry stays at its absolute limit', async () => {
    const sessions = make()
    const cookie = await request(sessions, {}, (session) => session.signIn('alice', { remember: true }))
    for (let days = 0; days < 28; days += 4) {
      now += 4 * 86_400_000
      await request(sessions, { cookie })
      expect((await sessions.list({ userId: 'alice' })).sessions).toMatchObject([{ lastSeenAt: now }])
    }
  })

  test('were last seen no later than now, also where they began under a longer idle timeout', async () => {
    await request(make({ lifetime: { idle: '24h' } }), {}, (session) => session.signIn('alice'))
    const began = now
    now += 3_600_000
    const sessions = make({ lifetime: { idle: '2h' } })
    const [alice] = (await sessions.list({ userId: 'alice' })).sessions
    expect(alice?.lastSeenAt).toBeGreaterThanOrEqual(began)
    expect(alice?.lastSeenAt).toBeLessThanOrEqual(now)
  })

  test('and keep neither where it is switched off', async () => {
    const sessions = make({ device: false, address: false })
    await request(sessions, { headers: { 'user-agent': firefox } }, (session) => session.signIn('alice'))
    const { sessions: listed } = await sessions.list({ userId: 'alice' })
    expect(listed).toMatchObject([{ device: null, address: null }])
    expect(JSON.stringify(await store.read(listed[0]?.id ?? ''))).not.toMatch(/Firefox|203\.0/)
  })

  test('an agent of any length or kind does no harm', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 600 }), async (agent) => {
        const sessions = make({ store: memoryStore() })
        await request(sessions, { headers: { 'user-agent': agent } }, (session) => session.signIn('alice'))
        for (const { device } of (await sessions.list({ userId: 'alice' })).sessions)
          expect(device?.name).toBeTypeOf('string')
      }),
    )
  })

  test('are listed page by page in a store that holds records of others, such as of the drop-in, as well', async () => {
    const sessions = make()
    const ids: string[] = []
    for (let count = 0; count < 5; count++) {
      ids.push((await sessions.create({ userId: 'alice' })).session.id)
      const key = mintToken().secret.padEnd(43, '_')
      await store.create(key, { values: { cookie: '{}' }, userId: null, createdAt: now, expiresAt: now + 1000 })
    }
    const found: string[] = []
    for (let next: string | null | undefined; next !== null; ) {
      const page = await sessions.list({ limit: 1, ...(next && { after: next }) })
      found.push(...page.sessions.map(({ id }) => id))
      next = page.next
    }
    expect(found).toEqual(ids.sort())
  })

  test('are listed without a record that has no times, for which nobody is signed in', async () => {
    const sessions = make()
    const { session, cookie } = await sessions.create({ userId: 'alice' })
    const damaged = { ...(await store.read(session.id)), createdAt: Number.NaN } as SessionRecord
    store = { ...store, read: () => damaged, list: () => [[session.id, damaged]] }
    expect((await make().load({ cookie })).isNew).toBe(true)
    expect((await make().list({ userId: 'alice' })).sessions).toEqual([])
  })

  test('end all but one', async () => {
    const sessions = make()
    const kept = await sessions.create({ userId: 'alice' })
    for (let count = 0; count < 450; count++) await sessions.create({ userId: 'alice' })
    const other = await sessions.create({ userId: 'bob' })
    expect(await sessions.endAll('alice', { except: kept.session.id })).toBe(450)
    expect((await sessions.list({ userId: 'alice' })).sessions.map(({ id }) => id)).toEqual([kept.session.id])
    expect(await sessions.endAll('alice')).toBe(1)
    expect((await sessions.load({ cookie: other.cookie })).userId).toBe('bob')
  })
})

describe('a sign-in at a provider', () => {
  test('begins with the return for which its browser left, once, and ends with the session there', async () => {
    const sessions = createSessions<{ leaving: string }>({ store, clock: () => now, lifetime: { absolute: '8h' } })
    const visit = async (cookie: string, handle: (session: Session<{ leaving: string }>) => unknown) => {
      const session = await sessions.load({ cookie })
      await handle(session)
      const [setCookie] = await sessions.commit(session)
      return setCookie?.split(';', 1)[0] ?? cookie
    }
    const leave = (state: string) =>
      visit('', (session) => {
        session.leaving = state
      })
    const comeBack = (cookie: string, state: string) =>
      visit(cookie, async (session) => {
        if ((await session.take('leaving')) === state) session.signIn('alice', { method: 'provider' })
      })
    const userOf = async (cookie: string) => (await sessions.load({ cookie })).userId

    expect(await userOf(await comeBack('', 'a'))).toBe(null)
    expect(await userOf(await comeBack(await leave('a'), 'b'))).toBe(null)
    const left = await leave('a')
    expect(await userOf(left)).toBe(null)
    const returned = await comeBack(left, 'a')
    expect(await userOf(returned)).toBe('alice')
    expect(await comeBack(returned, 'a')).toBe(returned)
    expect(await sessions.endAll('alice')).toBe(1)
    expect(await userOf(returned)).toBe(null)

    const another = await comeBack(await leave('c'), 'c')
    now += 8 * 3_600_000 - 1
    expect(await userOf(another)).toBe('alice')
    now += 1
    expect(await userOf(another)).toBe(null)
  })
})

describe('maxPerUser', () => {
  const living = async (sessions: Sessions) =>
    (await sessions.list({ userId: 'alice', limit: 100 })).sessions.map(({ id }) => id)

  test('ends the oldest', async () => {
    const sessions = make({ maxPerUser: { limit: 2, whenFull: 'end-oldest' } })
    const ended: unknown[] = []
    sessions.on('ended', ({ id, reason }) => ended.push([id, reason]))
    const made: string[] = []
    for (let count = 0; count < 4; count++) {
      now += 1000
      made.push((await sessions.create({ userId: 'alice' })).session.id)
    }
    expect((await living(sessions)).sort()).toEqual(made.slice(2).sort())
    expect(ended).toEqual(made.slice(0, 2).map((id) => [id, 'limit']))
  })

  test('refuses: an awaited save() tells, and the response is the handler’s own', async () => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
    await sessions.create({ userId: 'alice' })
    const guest = await sessions.create({ values: { cart: 1 } as object })
    const before = await store.read(guest.session.id)
    const cookie = await request(sessions, { cookie: guest.cookie }, async (session) => {
      session.signIn('alice')
      await expect(session.save()).rejects.toMatchObject({ code: 'session_limit', status: 409 })
      expect(session.userId).toBe(null)
    })
    expect(await store.read(guest.session.id)).toEqual(before)
    expect(cookie).toBe(guest.cookie)
    expect(await living(sessions)).toHaveLength(1)
  })

  test('refuses: a sign-in that nobody awaits fails the response', async () => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
    await sessions.create({ userId: 'alice' })
    const late = request(sessions, {}, (session) => session.signIn('alice'))
    await expect(late).rejects.toMatchObject({ code: 'session_limit', status: 409 })
    const floating = request(sessions, {}, async (session) => {
      session.signIn('alice')
      void session.save()
      await new Promise((resolve) => setTimeout(resolve, 50))
    })
    await expect(floating).rejects.toMatchObject({ code: 'session_limit' })
    const afterAnother = request(sessions, {}, async (session) => {
      await session.save()
      session.signIn('alice')
      void session.save()
      await new Promise((resolve) => setTimeout(resolve, 50))
    })
    await expect(afterAnother).rejects.toMatchObject({ code: 'session_limit' })
  })

  test('a sign-in that failed with the store is not made by the page that says so', async () => {
    let isBroken = true
    const list: SessionStore['list'] = (page) => {
      if (isBroken) throw new Error('connection refused')
      return store.list?.(page) ?? []
    }
    const sessions = make({ store: { ...store, list }, maxPerUser: { limit: 1, whenFull: 'end-oldest' } })
    const failed = request(sessions, {}, async (session) => {
      session.signIn('alice')
      await expect(session.save()).rejects.toMatchObject({ code: 'store_unavailable' })
      isBroken = false
    })
    await expect(failed).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await living(sessions)).toEqual([])
  })

  test('a value that cannot be stored may be taken out again, and the sign-in goes on', async () => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull: 'end-oldest' } })
    await request(sessions, {}, async (session) => {
      const list: unknown[] = []
      Object.assign(session, { list })
      list.push(1n)
      session.signIn('alice')
      await expect(session.save()).rejects.toMatchObject({ code: 'invalid_value' })
      Object.assign(session, { list: undefined })
    })
    expect(await living(sessions)).toHaveLength(1)
  })

  test('signing in again, and another user, do not count', async () => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
    const { cookie } = await sessions.create({ userId: 'alice' })
    await request(sessions, { cookie }, (session) => session.signIn('alice'))
    await sessions.create({ userId: 'bob' })
    expect(await living(sessions)).toHaveLength(1)
  })

  test.each(['end-oldest', 'refuse'] as const)(
    '%s is exact under parallel sign-ins of several processes',
    async (whenFull) => {
      const slow: SessionStore = Object.fromEntries(
        Object.entries(store).map(([name, method]) => [
          name,
          async (...given: never[]) => {
            await new Promise((resolve) => setTimeout(resolve, Math.random() * 3))
            return (method as (...given: never[]) => unknown)(...given)
          },
        ]),
      ) as never
      const processes = Array.from({ length: 3 }, () => make({ store: slow, maxPerUser: { limit: 3, whenFull } }))
      const signIns = processes.flatMap((sessions) =>
        Array.from({ length: 4 }, () => sessions.create({ userId: 'alice' })),
      )
      const outcomes = await Promise.allSettled(signIns)
      expect(await living(make())).toHaveLength(3)
      if (whenFull === 'refuse') expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    },
  )

  test.each(['end-oldest', 'refuse'] as const)('%s holds for two sign-ins under one token', async (whenFull) => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull } })
    const { cookie } = await sessions.create({ values: { cart: 1 } as object })
    const twice = [1, 2].map(() => request(sessions, { cookie }, (session) => session.signIn('alice')))
    const outcomes = await Promise.allSettled(twice)
    expect(await living(sessions)).toHaveLength(1)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(whenFull === 'refuse' ? 1 : 2)
  })

  test('holds for one who signs in again while the limit ends their session', async () => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull: 'end-oldest' } })
    const { cookie } = await sessions.create({ userId: 'alice' })
    await request(sessions, { cookie }, async (session) => {
      now += 1000
      await sessions.create({ userId: 'alice' })
      session.signIn('alice')
    })
    expect(await living(sessions)).toHaveLength(1)
  })

  test('holds for sessions in a cookie that can be ended from the server', async () => {
    const sessions = make({
      store: cookieStore({ secrets: 'Zq3v9xKp7LmW2tRb8NcY5dHf1GjS4aUe', revocation: store }),
      maxPerUser: { limit: 2, whenFull: 'end-oldest' },
    })
    for (let count = 0; count < 4; count++) {
      now += 1000
      const cookie = await request(sessions, {}, (session) => session.signIn('alice'))
      await request(sessions, { cookie }, (session) => expect(session.userId).toBe('alice'))
    }
    expect(await living(sessions)).toHaveLength(2)
  })

  test.each<[string, () => 'applied' | Promise<never>]>([
    ['throws', raise],
    ['rejects', async () => raise()],
  ])('a sign-in stands where giving back its lock %s, for that runs out', async (_how, fail) => {
    const failing: SessionStore = {
      ...store,
      patch: (id, patch) => (patch.unset?.includes('__lock') ? fail() : store.patch(id, patch)),
    }
    const sessions = make({ store: failing, maxPerUser: { limit: 2, whenFull: 'refuse' } })
    const cookie = await request(sessions, {}, (session) => session.signIn('alice'))
    await request(sessions, { cookie }, (session) => expect(session.userId).toBe('alice'))
  })

  test('a sign-in in place of another user ends nobody’s session where it is refused', async () => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
    await sessions.create({ userId: 'bob' })
    const cookie = await request(sessions, {}, (session) => Object.assign(session, { a: 1 }).signIn('alice'))
    await request(sessions, { cookie }, async (session) => {
      session.signIn('bob')
      await expect(session.save()).rejects.toMatchObject({ code: 'session_limit' })
      expect([session.userId, session]).toEqual(['alice', { a: 1 }])
    })
    await request(sessions, { cookie }, (session) => expect(session.userId).toBe('alice'))
  })

  test.each<[string, (session: ReturnType<typeof sessionOf>, tell: (error: unknown) => void) => unknown]>([
    ['another session is being ended', (session, tell) => session.destroy(tell)],
    ['a value is being saved', (session) => void Object.assign(session, { a: 2 }).save()],
  ])('refuses also a sign-in that comes while %s', async (_, begin) => {
    const slow: SessionStore = {
      ...store,
      delete: async (id) => store.delete(id),
      patch: async (id, patch) => store.patch(id, patch),
    }
    const sessions = make({ store: slow, maxPerUser: { limit: 1, whenFull: 'refuse' } })
    await sessions.create({ userId: 'alice' })
    const cookie = await request(sessions, {}, (session) => Object.assign(session, { a: 1 }))
    const told: unknown[] = []
    const signIn = request(sessions, { cookie }, (session) => {
      begin(session, (error) => told.push(error))
      session.signIn('alice')
    })
    await signIn.catch((error: unknown) => told.push(error))
    expect(told).toMatchObject([{ code: 'session_limit' }])
    expect(await living(sessions)).toHaveLength(1)
  })

  test('a token that was renewed before a sign-in that is refused is sent all the same', async () => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
    await sessions.create({ userId: 'bob' })
    const cookie = await request(sessions, {}, (session) => session.signIn('alice'))
    const next = await request(sessions, { cookie }, async (session) => {
      session.renew()
      await session.save()
      session.signIn('bob')
      await expect(session.save()).rejects.toMatchObject({ code: 'session_limit' })
    })
    expect(next).not.toBe(cookie)
    await request(sessions, { cookie: next }, (session) => expect(session.userId).toBe('alice'))
  })

  test('who begins anew in the same request is not counted twice', async () => {
    const sessions = make({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
    const { cookie } = await sessions.create({ userId: 'alice' })
    const next = await request(sessions, { cookie }, (session) => {
      session.regenerate()
      session.signIn('alice')
    })
    await request(sessions, { cookie: next }, (session) => expect(session.userId).toBe('alice'))
    expect(await living(sessions)).toHaveLength(1)
  })

  test.each<[string, Parameters<typeof request>[1], (session: ReturnType<typeof sessionOf>) => unknown]>([
    ['cannot be sent a cookie', { secure: false }, (session) => session.signIn('alice')],
    [
      'is ended before it is stored',
      {},
      async (session) => {
        session.signIn('alice')
        const saved = session.save()
        session.destroy()
        await saved
      },
    ],
  ])('a sign-in that %s ends no other session', async (_, given, signIn) => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const sessions = make({ cookie: {}, maxPerUser: { limit: 1, whenFull: 'end-oldest' } })
    const { session } = await sessions.create({ userId: 'alice' })
    await request(sessions, given, signIn)
    expect(await living(sessions)).toEqual([session.id])
  })

  /** Signs a user in whose lock reads so. */
  async function signInPast(lock: string, wait = 0): Promise<void> {
    const sessions = make({ maxPerUser: { limit: 2, whenFull: 'refuse' } })
    await sessions.create({ userId: 'alice' })
    const all = (await store.list?.({ limit: 10 })) ?? []
    const [record] = all.filter(([, { values }]) => !('__token' in values))
    await store.patch(record?.[0] ?? '', { now: 0, set: { __lock: lock } })
    now += wait
    await sessions.create({ userId: 'alice' })
    expect(await living(sessions)).toHaveLength(2)
  }

  test('a lock that its process left behind runs out', async () => {
    await signInPast(JSON.stringify({ owner: 'dead', until: now + 15_000 }), 20_000)
  })

  test.each(['not JSON', '{}', 'null', '{"until":"never"}'])('a lock that reads %s keeps nobody out', async (lock) => {
    await signInPast(lock)
  })

  test.each([
    [{ limit: 0, whenFull: 'refuse' }, /maxPerUser\.limit must be a whole number from 1/],
    [{ limit: 2 }, /maxPerUser\.whenFull must be "end-oldest" or "refuse"/],
    [{ limit: 2, whenFull: 'no' }, /maxPerUser\.whenFull must be/],
  ])('%j is refused', (maxPerUser, message) => {
    expect(() => make({ maxPerUser: maxPerUser as never })).toThrow(message)
  })

  test('needs a store that lists', () => {
    const { list: _, ...blind } = store
    expect(() => make({ store: blind, maxPerUser: { limit: 1, whenFull: 'refuse' } })).toThrow(
      /needs a store that can list/,
    )
  })
})

test('a sign-in with a value that cannot be stored ends no session of another user', async () => {
  const sessions = make()
  const cookie = await request(sessions, {}, (session) => session.signIn('alice'))
  const attempt = request(sessions, { cookie }, (session) => {
    session.signIn('bob')
    Object.assign(session, { cart: { items: new Map() } })
  })
  await expect(attempt).rejects.toMatchObject({ code: 'invalid_value' })
  await request(sessions, { cookie }, (session) => expect(session.userId).toBe('alice'))
})

describe('bindings are signals', () => {
  async function moved(
    options: SessionsOptions,
    before: Parameters<typeof facts>[0],
    after: Parameters<typeof facts>[0],
  ) {
    const sessions = make(options)
    const changes: string[][] = []
    sessions.on('bindingChanged', (event) => changes.push([...event.changes]))
    const cookie = await request(sessions, before, (session) => session.signIn('alice'))
    let authenticatedAt: number | null = null
    for (let times = 0; times < 3; times++) {
      await request(sessions, { ...after, cookie }, (session) => {
        expect(session.userId).toBe('alice')
        authenticatedAt = session.authenticatedAt
      })
    }
    return { sessions, cookie, changes, authenticatedAt }
  }

  test.each([
    ['a newer browser', { headers: { 'user-agent': firefox } }, { headers: { 'user-agent': newerFirefox } }, []],
    ['another browser', { headers: { 'user-agent': firefox } }, { headers: { 'user-agent': iphone } }, [['device']]],
    ['an address nearby', { address: '203.0.113.7' }, { address: '203.0.113.99' }, []],
    ['another network', { address: '203.0.113.7' }, { address: '198.51.100.7' }, [['network']]],
    ['the same, written as IPv6', { address: '203.0.113.7' }, { address: '::ffff:203.0.113.8' }, []],
    ['a neighbour by IPv6', { address: '2001:db8:1:2::1' }, { address: '2001:DB8:1:9::2' }, []],
    ['a short IPv6 address', { address: '2001:db8::1' }, { address: '2001:db8:0:1::1' }, []],
    ['another network by IPv6', { address: '2001:db8:1::1' }, { address: '2001:db8:2::1' }, [['network']]],
  ])('%s', async (_what, before, after, expected) => {
    expect((await moved({}, before, after)).changes).toEqual(expected)
  })

  test.each<[SessionsOptions, Parameters<typeof facts>[0], object]>([
    [{ device: false }, { headers: { 'user-agent': iphone } }, { device: null, address: '203.0.113.7' }],
    [{ address: false }, { address: '198.51.100.7' }, { device: { system: 'Linux' }, address: null }],
  ])('what is switched off with %j is neither compared nor shown, also of older sessions', async (off, from, shown) => {
    const headers = { 'user-agent': firefox }
    const cookie = await request(make(), { headers }, (session) => session.signIn('alice'))
    const sessions = make({ ...off, onBindingChange: 'reauthenticate' })
    sessions.on('bindingChanged', () => expect.unreachable())
    await request(sessions, { headers, ...from, cookie }, (session) => expect(session.authenticatedAt).toBe(now))
    expect((await sessions.list({ userId: 'alice' })).sessions).toMatchObject([shown])
  })

  test('who names no browser is another than who did, whether the address is known or not', async () => {
    for (const address of [true, false]) {
      const sessions = make({ address, onBindingChange: 'reauthenticate' })
      const changes: unknown[] = []
      sessions.on('bindingChanged', (event) => changes.push(event.changes))
      const cookie = await request(sessions, { headers: { 'user-agent': firefox } }, (session) =>
        session.signIn('alice'),
      )
      await request(sessions, { headers: {}, cookie }, (session) => expect(session.authenticatedAt).toBe(null))
      expect(changes).toEqual([['device']])
    }
  })

  test('who looks at a session by its cookie alone is no other client', async () => {
    const sessions = make({ onBindingChange: 'reauthenticate' })
    sessions.on('bindingChanged', () => expect.unreachable())
    const cookie = await request(sessions, { headers: { 'user-agent': firefox } }, (session) => session.signIn('alice'))
    expect((await sessions.load({ cookie })).authenticatedAt).toBe(now)
  })

  test('it is noted once, also where the request reloads its session or meets a renewal', async () => {
    const sessions = make({ onBindingChange: 'reauthenticate', lifetime: { renewal: '1h' } })
    let changes = 0
    sessions.on('bindingChanged', () => changes++)
    const home = await request(sessions, {}, (session) => session.signIn('alice'))
    await request(sessions, { cookie: home, address: '198.51.100.7' }, (session) => session.reload())
    await request(sessions, { cookie: home, address: '198.51.100.7' }, (session) => {
      expect(session.authenticatedAt).toBe(null)
    })
    expect(changes).toBe(1)
    now += 3_600_000
    const renewed = await request(sessions, { cookie: home, address: '192.0.2.7' }, () =>
      request(sessions, { cookie: home, address: '198.51.100.7' }),
    )
    expect(renewed).not.toBe(home)
    await request(sessions, { cookie: renewed, address: '192.0.2.7' })
    expect(changes).toBe(2)
  })

  test('a connection of that session goes on to save, until somebody signs in again', async () => {
    const sessions = make({ onBindingChange: 'reauthenticate' })
    const cookie = await request(sessions, {}, (session) => session.signIn('alice'))
    const visit = await visitsFrom(sessions).open(facts({ cookie, headersSent: true }))
    visit.isConnection = true
    const session = sessionOf<{ a: number; b: number }>(visit)
    await request(sessions, { cookie, address: '198.51.100.7' })
    session.a = 1
    expect(await session.save()).toBe(true)
    expect(await session.update('b', () => 2)).toBe(2)
    now += 1
    await request(sessions, { cookie }, (other) => other.signIn('alice'))
    session.a = 3
    expect(await session.save()).toBe(false)
    expect((await store.read(session.id))?.values).toMatchObject({ a: '1', b: '2' })
  })

  test('and knows nothing of a renewal since, which it leaves as it is', async () => {
    const sessions = make({ lifetime: { renewal: '1h' } })
    const guest = await request(sessions, {}, (session) => Object.assign(session, { cart: 1 }))
    const cookie = await request(sessions, { cookie: guest }, (session) => session.signIn('alice'))
    const visit = await visitsFrom(sessions).open(facts({ cookie, headersSent: true }))
    visit.isConnection = true
    now += 3_600_000
    expect(await request(sessions, { cookie })).not.toBe(cookie)
    Object.assign(sessionOf(visit), { a: 1 })
    expect(await sessionOf(visit).save()).toBe(true)
    // The response of the renewal was lost: the client comes with its token from before.
    await request(sessions, { cookie }, (session) => expect(session.userId).toBe('alice'))
  })

  test('asks for one also of a handler that reads its session again', async () => {
    const sessions = make({ onBindingChange: 'reauthenticate' })
    let cookie = await request(sessions, { address: '203.0.113.7' }, (session) => session.signIn('alice'))
    for (const _request of ['first', 'second']) {
      cookie = await request(sessions, { cookie, address: '198.51.100.7' }, async (session) => {
        await session.reload()
        expect(session.authenticatedAt).toBe(null)
      })
    }
  })

  test('can ask for a new sign-in, and lock nobody out', async () => {
    const { sessions, cookie, changes, authenticatedAt } = await moved(
      { onBindingChange: 'reauthenticate' },
      { address: '203.0.113.7' },
      { address: '198.51.100.7' },
    )
    expect(changes).toHaveLength(1)
    expect(authenticatedAt).toBe(null)
    const again = await request(sessions, { cookie, address: '198.51.100.7' }, (session) => session.signIn('alice'))
    await request(sessions, { cookie: again, address: '198.51.100.7' }, (session) => {
      expect(session.authenticatedAt).toBe(now)
    })
  })
})

describe('requests from other origins', () => {
  const host = 'app.example.com'
  const cases: [string, string, Record<string, string>, boolean][] = [
    ['a link from elsewhere', 'GET', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, true],
    ['a form of the app', 'POST', { 'sec-fetch-site': 'same-origin', origin: 'https://app.example.com' }, true],
    ['a form of another site', 'POST', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, false],
    ['a form of a sibling host', 'POST', { 'sec-fetch-site': 'same-site', origin: 'https://blog.example.com' }, false],
    ['a trusted origin', 'DELETE', { 'sec-fetch-site': 'same-site', origin: 'https://www.example.com' }, true],
    ['typed by the user', 'POST', { 'sec-fetch-site': 'none' }, true],
    ['an older browser, same origin', 'POST', { origin: 'https://app.example.com' }, true],
    ['an older browser, another origin', 'PUT', { origin: 'https://evil.example' }, false],
    ['a sandboxed page', 'POST', { origin: 'null' }, false],
    ['a proxy that names the usual port', 'POST', { origin: 'https://app.example.com', host: `${host}:443` }, true],
    ['one without TLS', 'POST', { origin: 'http://app.example.com', host: `${host}:80` }, true],
    ['the usual port of the other scheme', 'POST', { origin: 'http://app.example.com', host: `${host}:443` }, false],
    ['likewise', 'POST', { origin: 'https://app.example.com', host: `${host}:80` }, false],
    ['another port of the same host', 'POST', { origin: 'https://app.example.com:8443', host: `${host}:443` }, false],
    ['the usual port of another host', 'POST', { origin: 'https://evil.example', host: `${host}:443` }, false],
    ['a port of one’s own', 'POST', { origin: 'https://app.example.com:8443', host: `${host}:8443` }, true],
    ['a scheme that has no usual port', 'POST', { origin: 'app://app.example.com', host: `${host}:443` }, false],
    ['its own, written with its usual port', 'POST', { origin: 'https://app.example.com:443' }, true],
    ['its own, written with a slash', 'POST', { origin: 'https://app.example.com/' }, true],
    ['an app on the phone, of a server there', 'POST', { origin: 'capacitor://localhost', host: 'localhost' }, false],
    ['a host that is none', 'POST', { origin: 'https://app.example.com', host: 'app example com' }, false],
    ['no browser', 'POST', {}, true],
    ['a WebSocket', 'GET', { 'sec-fetch-site': 'cross-site', upgrade: 'websocket' }, false],
    ['a WebSocket, however it is spelt', 'GET', { 'sec-fetch-site': 'cross-site', upgrade: 'WebSocket' }, false],
    ['a WebSocket of its own', 'GET', { 'sec-fetch-site': 'same-origin', upgrade: 'websocket' }, true],
    ['a method of one’s own', 'PROPFIND', { 'sec-fetch-site': 'cross-site' }, false],
  ]
  test.each(cases)('%s (%s %j)', async (_what, method, headers, passes) => {
    const sessions = make({ crossOrigin: { trusted: ['https://www.example.com'] } })
    const attempt = request(sessions, { method, host, headers: { host, ...headers } })
    if (passes) await attempt
    else await expect(attempt).rejects.toMatchObject({ code: 'cross_origin', status: 403 })
  })

  test.each<[string | undefined, RegExp | null]>([
    ['GET', null],
    ['POST', /^A request from another origin \(method: POST\) was refused\. If it is yours, .* crossOrigin\.trusted$/],
    [undefined, /^A request from another origin \(method: undefined\) was refused\./],
  ])('are refused by an adapter of one’s own too: %s', async (method, message) => {
    const sessions = make({ crossOrigin: true })
    const { cookie } = await sessions.create({ userId: 'alice' })
    const headers = { cookie, 'sec-fetch-site': 'cross-site' }
    const attempt = sessions.load({ headers, ...(method && { method }) })
    if (message) await expect(attempt).rejects.toThrow(message)
    else expect((await attempt).userId).toBe('alice')
    // Such as a component that only reads, and is told of no more.
    expect((await sessions.load({ cookie })).userId).toBe('alice')
  })

  test.each<[string, object, boolean]>([
    ['in its headers', { headers: { host } }, true],
    ['in those of HTTP/2', { headers: { ':authority': host } }, true],
    ['beside them', { host }, true],
    ['nowhere', {}, false],
    ['as another', { host: 'www.example.com', headers: { ':authority': 'www.example.com' } }, false],
  ])(
    'an adapter of one’s own names the host %s',
    async (_where, { headers, ...rest }: { headers?: object }, passes) => {
      const sessions = make({ crossOrigin: true })
      const attempt = sessions.load({ ...rest, headers: { ...headers, origin: `https://${host}` }, method: 'POST' })
      if (passes) await attempt
      else await expect(attempt).rejects.toMatchObject({ code: 'cross_origin' })
    },
  )

  test('are not refused unless asked', async () => {
    await request(make(), { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } })
  })

  test.each(['capacitor://localhost', 'chrome-extension://abcdefghijklmnop', 'http://127.0.0.1:5173'])(
    'pages of %s can be trusted',
    async (origin) => {
      const attempt = (trusted: string[]) =>
        make({ crossOrigin: { trusted } }).load({ headers: { origin, host }, method: 'POST' })
      await attempt([origin])
      await expect(attempt([])).rejects.toMatchObject({ code: 'cross_origin' })
    },
  )

  test('a page from a file is no page of a server on this machine', async () => {
    const headers = { origin: 'file://', host: 'localhost' }
    const attempt = make({ crossOrigin: true }).load({ headers, method: 'POST' })
    await expect(attempt).rejects.toMatchObject({ code: 'cross_origin' })
  })

  test.each(['https://a.example/', 'a.example', 'https://a.example/path', 'capacitor://localhost/', 'null', 5])(
    '%j is no origin',
    (origin) => {
      expect(() => make({ crossOrigin: { trusted: [origin as string] } })).toThrow(
        /^Each of crossOrigin\.trusted must be an origin such as/,
      )
    },
  )
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { memoryStore } from '../stores/memory.js'
import type { SessionsOptions } from './options.js'
import type { Session } from './session.js'
import { createSessions, type Sessions } from './sessions.js'
import type { SessionStore } from './store.js'

// Each test runs in hundreds of interleavings of the calls that reach the store; fast-check prints the seed and the
// schedule of one that fails.

interface Values {
  a: number
  b: number
  count: number
  cart: string[]
}
type Visitor = Session<Values>

/** A store whose calls, and their answers, wait until the scheduler lets them go. */
function scheduled(scheduler: fc.Scheduler, store: SessionStore): SessionStore {
  const wait = async <T>(label: string, call: () => T): Promise<T> => {
    await scheduler.schedule(Promise.resolve(), `${label} arrives`)
    const result = call()
    await scheduler.schedule(Promise.resolve(), `${label} answers`)
    return result
  }
  return {
    read: (id) => wait('read', () => store.read(id)) as never,
    create: (id, record) => wait('create', () => store.create(id, record)) as never,
    patch: (id, patch) => wait(`patch ${Object.keys(patch.set ?? {})}`, () => store.patch(id, patch)) as never,
    delete: (id) => wait('delete', () => store.delete(id)) as never,
  }
}

interface World {
  store: SessionStore
  sessions: Sessions<Values>
  /** What a client that holds `cookie` sees at the end, without the scheduler in between. */
  look(cookie: string): Promise<Visitor>
  /** One request with a cookie; resolves to the cookie that the client holds after the response. */
  request(cookie: string, handle: (session: Visitor) => unknown): Promise<string>
  begin(values?: Partial<Values>, userId?: string): Promise<{ id: string; cookie: string }>
  clock: { now: number }
  events: string[]
}

function inEveryInterleaving(
  race: (world: World, scheduler: fc.Scheduler) => Promise<void>,
  options: SessionsOptions = {},
) {
  return fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const store = memoryStore()
      const clock = { now: Date.now() }
      const given = { cookie: { secure: true }, clock: () => clock.now, ...options }
      const sessions = createSessions<Values>({ ...given, store: scheduled(scheduler, store) })
      const plain = createSessions<Values>({ ...given, store })
      const events: string[] = []
      sessions.on('writeDropped', () => events.push('writeDropped'))
      sessions.on('refused', ({ reason }) => events.push(`refused ${reason}`))
      const world: World = {
        sessions,
        store,
        clock,
        events,
        look: (cookie) => plain.load({ cookie }),
        async begin(values = {}, userId) {
          const { session, cookie } = await plain.create({ values, ...(userId === undefined ? {} : { userId }) })
          return { id: session.id, cookie }
        },
        async request(cookie, handle) {
          const session = await sessions.load({ cookie })
          await handle(session)
          const [setCookie] = await sessions.commit(session)
          return setCookie === undefined ? cookie : (setCookie.split(';', 1)[0] as string)
        },
      }
      await race(world, scheduler)
    }),
    { numRuns: 300 },
  )
}

async function together<T>(scheduler: fc.Scheduler, requests: Promise<T>[]): Promise<T[]> {
  const all = Promise.all(requests)
  await scheduler.waitFor(all)
  return all
}

test('two requests set different values: both stay', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ a: 0, b: 0 })
    await together(scheduler, [
      request(cookie, (session) => {
        session.a = 1
      }),
      request(cookie, (session) => {
        session.b = 2
      }),
    ])
    expect({ ...(await look(cookie)) }).toEqual({ a: 1, b: 2 })
  }))

test('two requests set the same value: one of the two stays', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin()
    const set = (a: number) => request(cookie, (session) => Object.assign(session, { a }))
    await together(scheduler, [set(1), set(2)])
    expect([1, 2]).toContain((await look(cookie)).a)
  }))

test('a counter through update is exact', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ count: 0 })
    const add = () => request(cookie, (session) => session.update('count', (count = 0) => count + 1))
    await together(scheduler, [add(), add(), add()])
    expect((await look(cookie)).count).toBe(3)
  }))

test('a value is taken once', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ cart: ['saved'] })
    const got: unknown[] = []
    const take = () => request(cookie, async (session) => got.push(await session.take('cart')))
    await together(scheduler, [take(), take(), take()])
    expect(got.filter((value) => value !== undefined)).toEqual([['saved']])
    expect('cart' in (await look(cookie))).toBe(false)
  }))

test('a write against destroy: the end', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ a: 0 }, 'alice')
    await together(scheduler, [
      request(cookie, (session) => Object.assign(session, { a: 1 })),
      request(cookie, (session) => session.touch()),
      request(cookie, (session) => session.destroy()),
    ])
    const session = await look(cookie)
    expect(session.userId).toBe(null)
    expect({ ...session }).toEqual({})
  }))

test('update and take against revoke: the end', () =>
  inEveryInterleaving(async ({ begin, request, look, sessions }, scheduler) => {
    const { id, cookie } = await begin({ count: 1, cart: ['x'] }, 'alice')
    await together<unknown>(scheduler, [
      request(cookie, (session) => session.update('count', (count = 0) => count + 1).catch((error) => error.code)),
      request(cookie, (session) => session.take('cart')),
      sessions.end(id, { userId: 'alice' }),
    ])
    expect((await look(cookie)).isNew).toBe(true)
  }))

test('a write against expiry: the end', () =>
  inEveryInterleaving(async ({ begin, request, look, clock }, scheduler) => {
    const { cookie } = await begin({ a: 0 })
    await together<unknown>(scheduler, [
      request(cookie, (session) => Object.assign(session, { a: 1 })),
      scheduler.schedule(Promise.resolve(), 'a day passes').then(() => {
        clock.now += 86_400_000
      }),
    ])
    clock.now += 86_400_000
    expect((await look(cookie)).isNew).toBe(true)
  }))

test('sign-in against a write under the older token: the sign-in, and the older token is dead', () =>
  inEveryInterleaving(async ({ begin, request, look, events }, scheduler) => {
    const { id, cookie } = await begin({ cart: ['kept'] })
    const [signedIn, other] = await together(scheduler, [
      request(cookie, (session) => session.signIn('alice')),
      request(cookie, (session) => Object.assign(session, { a: 1 })),
    ])
    // Whichever response arrives last, the browser keeps the cookie of the sign-in.
    expect(other).toBe(cookie)
    const session = await look(signedIn as string)
    expect(session.userId).toBe('alice')
    expect(session.id).toBe(id)
    expect(session.cart).toEqual(['kept'])
    expect((await look(cookie)).isNew).toBe(true)
    // A write that came too late was reported, and so was one that found its token dead.
    if (session.a === undefined) expect(events).not.toEqual([])
  }))

test('two sign-ins: both clients are signed in, whichever cookie the browser keeps', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ cart: ['guest'] })
    const cookies = await together(
      scheduler,
      ['alice', 'bob'].map((user) =>
        request(cookie, (session) => {
          session.signIn(user)
          session.a = 1
        }),
      ),
    )
    const [alice, bob] = await Promise.all(cookies.map(look))
    expect([alice?.userId, bob?.userId]).toEqual(['alice', 'bob'])
    expect([alice?.a, bob?.a]).toEqual([1, 1])
  }))

test('two sign-ins, one after a write that nobody waits for: both clients are signed in, with what they set last', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({}, 'alice')
    const later = (session: Visitor) => {
      session.a = 1
      void session.save()
      void session.update('count', (count = 0) => count + 1)
      session.signIn('alice')
      void session.save()
      session.b = 1
    }
    const earlier = (session: Visitor) => session.signIn('alice')
    const cookies = await together(scheduler, [request(cookie, earlier), request(cookie, later)])
    const [first, second] = await Promise.all(cookies.map(look))
    expect([first?.userId, second?.userId, second?.b]).toEqual(['alice', 'alice', 1])
  }))

test('two sign-ins, one of a request that has lost its session by then: both clients are signed in, with what they set', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ a: 1 }, 'alice')
    const later = async (session: Visitor) => {
      await session.take('a')
      session.b = 1
      session.signIn('alice')
    }
    const earlier = (session: Visitor) => session.signIn('alice')
    const cookies = await together(scheduler, [request(cookie, earlier), request(cookie, later)])
    const second = await look(cookies[1] as string)
    expect([second.userId, second.b]).toEqual(['alice', 1])
  }))

test('sign-in against revoke: a session that was ended does not come back', () =>
  inEveryInterleaving(async ({ begin, request, look, sessions }, scheduler) => {
    const { id, cookie } = await begin({ cart: ['secret'] }, 'alice')
    const [after] = await together<unknown>(scheduler, [
      request(cookie, (session) => session.signIn('alice')),
      sessions.end(id),
    ])
    const session = await look(after as string)
    if (session.id === id) expect(session.isNew).toBe(true)
    else expect(session.cart).toBe(undefined)
  }))

const renewal = { lifetime: { idle: '1d', renewal: { every: '1h', overlap: '1m' } } } as const

test('scheduled renewal against parallel requests: all succeed, on one record, with one successor', () =>
  inEveryInterleaving(async ({ begin, request, look, clock, events }, scheduler) => {
    const { id, cookie } = await begin({ count: 0 })
    clock.now += 3_600_000
    const cookies = await together(scheduler, [
      request(cookie, (session) => Object.assign(session, { a: 1 })),
      request(cookie, (session) => Object.assign(session, { b: 2 })),
      request(cookie, (session) => session.count),
      request(cookie, (session) => session.update('count', (count = 0) => count + 1)),
    ])
    expect(events).toEqual([])
    const successors = new Set(cookies.filter((it) => it !== cookie))
    expect(successors.size).toBe(1)
    const [successor] = successors
    const session = await look(successor as string)
    expect(session.id).toBe(id)
    expect({ ...session }).toEqual({ a: 1, b: 2, count: 1 })
  }, renewal))

test('renewal against revoke: the revocation', () =>
  inEveryInterleaving(async ({ begin, request, look, clock, sessions }, scheduler) => {
    const { id, cookie } = await begin({}, 'alice')
    clock.now += 3_600_000
    const [after] = await together<unknown>(scheduler, [
      request(cookie, (session) => session.renew()),
      request(cookie, (session) => session.a),
      sessions.end(id),
    ])
    expect((await look(after as string)).isNew).toBe(true)
    expect((await look(cookie)).isNew).toBe(true)
  }, renewal))

test('a lost renewal response: the next request with the old token gets the same successor', () =>
  inEveryInterleaving(async ({ begin, request, look, clock }, scheduler) => {
    const { cookie } = await begin({ a: 1 })
    clock.now += 3_600_000
    const [lost] = await together(scheduler, [request(cookie, (session) => session.a)])
    clock.now += 7_200_000
    const [again] = await together(scheduler, [request(cookie, (session) => session.a)])
    expect(again).not.toBe(cookie)
    expect(again).toBe(lost)
    expect((await look(again as string)).a).toBe(1)
  }, renewal))

test('while renewal is turned on or off, process by process: nobody is signed out, and an old token ends as it should', () =>
  inEveryInterleaving(async ({ begin, request, clock, events, store }, scheduler) => {
    const without = createSessions<Values>({ store, clock: () => clock.now, cookie: { secure: true } })
    without.on('refused', ({ reason }) => events.push(`refused ${reason}`))
    const { cookie } = await begin({ a: 1 }, 'alice')
    clock.now += 3_600_000
    const [successor] = await together(scheduler, [request(cookie, (session) => session.a)])
    await together(scheduler, [without.load({ cookie: successor as string }).then((it) => without.commit(it))])
    clock.now += 1000
    const [late] = await together(scheduler, [without.load({ cookie })])
    expect([late?.userId, events]).toEqual(['alice', []])
    clock.now += 61_000
    const [stale] = await together(scheduler, [without.load({ cookie })])
    expect(stale?.userId).toBe(null)
    expect(events).toEqual(['refused stale_token'])
  }, renewal))

test('the old token after its successor was seen and the overlap passed: refused as a sign of theft', () =>
  inEveryInterleaving(async ({ begin, request, clock, events }, scheduler) => {
    const { cookie } = await begin({ a: 1 })
    clock.now += 3_600_000
    const [successor] = await together(scheduler, [request(cookie, (session) => session.a)])
    await together(scheduler, [request(successor as string, (session) => session.a)])
    clock.now += 30_000
    await together(scheduler, [request(cookie, (session) => expect(session.isNew).toBe(false))])
    clock.now += 31_000
    await together(scheduler, [request(cookie, (session) => expect(session.isNew).toBe(true))])
    expect(events).toEqual(['refused stale_token'])
  }, renewal))

const hurried = { lifetime: { idle: '1d', renewal: { every: '2s', overlap: '1m' } } } as const

test('a request that outlasts renewals, within the overlap: its write stays and its client is let in', () =>
  inEveryInterleaving(async ({ begin, request, look, clock, events, sessions }, scheduler) => {
    const { cookie } = await begin({ count: 0 })
    const slow = await scheduler.waitFor(sessions.load({ cookie }))
    const slower = await scheduler.waitFor(sessions.load({ cookie }))
    let latest = cookie
    for (let second = 0; second < 20; second++) {
      clock.now += 1_000
      latest = await scheduler.waitFor(request(latest, (session) => session.count))
    }
    slow.a = 1
    const [[given]] = (await together<unknown>(scheduler, [
      sessions.commit(slow),
      slower.update('count', (count = 0) => count + 1),
      request(cookie, (session) => Object.assign(session, { b: 2 })),
    ])) as [string[]]
    expect(events).toEqual([])
    expect(given).toContain(latest)
    expect({ ...(await look(latest)) }).toEqual({ a: 1, b: 2, count: 1 })
    expect((await look(cookie)).isNew).toBe(false)
  }, hurried))

test('a token that was replaced is good for the overlap, however often tokens are renewed, and then no more', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ wait: fc.integer({ min: 0, max: 20_000 }), age: fc.nat(3) }), { maxLength: 60 }),
      async (steps) => {
        const clock = { now: Date.now() }
        const sessions = createSessions<Values>({ ...hurried, store: memoryStore(), clock: () => clock.now })
        const { cookie } = await sessions.create()
        /** From the first to the present one; of each, when it was first presented. */
        const tokens = [{ cookie, seenAt: clock.now }]
        for (const { wait, age } of steps) {
          clock.now += wait
          const index = Math.max(0, tokens.length - 1 - age)
          const held = tokens[index] as (typeof tokens)[number]
          const next = tokens[index + 1]
          held.seenAt = Math.min(held.seenAt, clock.now)
          const session = await sessions.load({ cookie: held.cookie })
          expect(session.isNew).toBe(next !== undefined && clock.now >= next.seenAt + 60_000)
          const [given] = await sessions.commit(session)
          if (next && !session.isNew) expect(given).toContain(next.cookie)
          else if (given) tokens.push({ cookie: given.split(';', 1)[0] as string, seenAt: Number.POSITIVE_INFINITY })
        }
        expect(tokens.length).toBeLessThanOrEqual(1 + steps.length)
      },
    ),
  ))

test('two first requests without a cookie: two sessions, only if both stored something', () =>
  inEveryInterleaving(async ({ request, look }, scheduler) => {
    const [first, second] = await together(scheduler, [
      request('', (session) => Object.assign(session, { a: 1 })),
      request('', (session) => session.a),
    ])
    expect((await look(first as string)).a).toBe(1)
    expect(second).toBe('')
  }))

test('regenerate against a write: the write does not reach the new session', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { id, cookie } = await begin({ a: 0 })
    const [after] = await together(scheduler, [
      request(cookie, (session) => {
        session.regenerate()
        session.b = 2
      }),
      request(cookie, (session) => Object.assign(session, { a: 1 })),
    ])
    const session = await look(after as string)
    expect(session.id).not.toBe(id)
    expect({ ...session }).toEqual({ b: 2 })
    expect((await look(cookie)).isNew).toBe(true)
  }))

test('what changes while a save is under way is saved too', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ a: 0 })
    await together(scheduler, [
      request(cookie, (session) => {
        session.a = 1
        void session.save()
        session.a = 2
        session.b = 3
        void session.save()
        delete session.b
      }),
    ])
    expect({ ...(await look(cookie)) }).toEqual({ a: 2 })
  }))

test('destroyed while it is being created or written: gone, and what is set later starts anew', () =>
  inEveryInterleaving(async ({ request, look, begin }, scheduler) => {
    const { id, cookie } = await begin({ a: 0 })
    const [replaced, created] = await together(scheduler, [
      request(cookie, (session) => {
        session.a = 1
        void session.save()
        session.destroy()
        session.b = 2
      }),
      request('', (session) => {
        session.a = 1
        void session.save()
        session.destroy()
      }),
    ])
    expect((await look(cookie)).isNew).toBe(true)
    const session = await look(replaced as string)
    expect(session.id).not.toBe(id)
    expect({ ...session }).toEqual({ b: 2 })
    expect(created).toBe('')
  }))

test('a value that was saved is not written again over a later one', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ a: 0, cart: [] })
    await together(scheduler, [
      request(cookie, async (session) => {
        session.a = 1
        session.cart?.push('first')
        await session.save()
        await request(cookie, (other) => Object.assign(other, { a: 2, cart: ['second'] }))
        session.b = 3
      }),
    ])
    expect({ ...(await look(cookie)) }).toEqual({ a: 2, b: 3, cart: ['second'] })
  }))

test('a reload, and what its own request writes meanwhile: the session as it is then, and no sign-in is lost', () =>
  inEveryInterleaving(async ({ begin, request, look }, scheduler) => {
    const { cookie } = await begin({ a: 0, count: 0 })
    let reloaded: unknown
    let view: unknown
    const [after] = await together(scheduler, [
      request(cookie, async (session) => {
        const work: Promise<unknown>[] = [session.update('count', (count = 0) => count + 1)]
        session.a = 1
        work.push(session.save(), session.reload())
        session.signIn('alice')
        work.push(session.save())
        ;[, , reloaded] = await Promise.all(work)
        view = [session.userId, { ...session }]
      }),
    ])
    expect(reloaded).toBe(undefined)
    const session = await look(after as string)
    expect([session.userId, { ...session }]).toEqual(['alice', { a: 1, count: 1 }])
    expect(view).toEqual(['alice', { a: 1, count: 1 }])
  }))

test('update against the sign-in and the reload of its own request: all succeed', () =>
  inEveryInterleaving(async ({ begin, request, look, events }, scheduler) => {
    const { cookie } = await begin({ count: 0 })
    const [after] = await together(scheduler, [
      request(cookie, async (session) => {
        const add = () => session.update('count', (count = 0) => count + 1)
        await session.save()
        const updates = [add(), add(), session.reload(), add()]
        await Promise.resolve()
        session.signIn('alice')
        await Promise.all([...updates, session.save()])
        session.b = 1
      }),
      request('', (session) => Object.assign(session, { a: 1 })),
    ])
    expect(events).toEqual([])
    const session = await look(after as string)
    expect([session.userId, { ...session }]).toEqual(['alice', { count: 3, b: 1 }])
  }))

test('update that meets a sign-in: the client is not given the token that the sign-in replaced', () =>
  inEveryInterleaving(async ({ begin, request, clock, sessions }, scheduler) => {
    const { cookie } = await begin({ count: 0 })
    clock.now += 3_600_000
    const [successor] = await together(scheduler, [request(cookie, (session) => session.a)])
    const reasons: string[] = []
    sessions.on('writeDropped', ({ reason }) => reasons.push(reason))
    const session = await scheduler.waitFor(sessions.load({ cookie }))
    await together(scheduler, [request(successor as string, (other) => other.signIn('alice'))])
    const update = session.update('count', (count = 0) => count + 1)
    await expect(scheduler.waitFor(update)).rejects.toMatchObject({ code: 'session_ended' })
    session.a = 1
    expect(await scheduler.waitFor(sessions.commit(session))).toEqual([])
    expect(reasons).toEqual(['token_replaced'])
  }, renewal))

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '../../test/harness/describe-with.js'
import { type Actor, inEveryOrder, type Play } from '../../test/stores/interleavings.js'
import { places } from '../../test/stores/places.js'
import { type StorePlace, storeChecks } from '../conformance/store.js'
import { SojournError, type SojournErrorCode } from '../core/errors.js'
import type { PatchOutcome, SessionRecord, SessionStore } from '../core/store.js'
import { encrypted } from './encrypted.js'
import { memoryStore } from './memory.js'
import { type MigratingOptions, migrating as migratingBy } from './migrating.js'
import { sqliteStore } from './sqlite.js'

const now = Date.now()
// The clock stands still: to try every order takes longer than a session lasts.
const migrating = (options: MigratingOptions) => migratingBy({ clock: () => now, ...options })

/** What a check creates goes to the old store, by one that does not move yet. */
function withOldSessions(stores: MigratingOptions): SessionStore {
  return { ...migratingBy(stores), create: migratingBy({ ...stores, moves: false }).create }
}

const stages: { readonly [title: string]: (stores: MigratingOptions) => SessionStore } = {
  'before anything moves': (stores) => migratingBy({ ...stores, moves: false }),
  moving: migratingBy,
  'with sessions that are still in the old store': withOldSessions,
}

await describeWith(['redis', 'postgres'], 'the contract', () => {
  for (const [name, { methods, shared, open }] of Object.entries(places)) {
    describe(`over ${name}`, () => {
      let place: Awaited<ReturnType<typeof open>>
      beforeAll(async () => {
        place = await open()
      })
      afterAll(() => place.close())
      describe.each(Object.entries(stages))('%s', (_, migrate) => {
        const part = ({ name, after }: StorePlace, which: string) =>
          place.makeStore({ name: `${name}_${which}`, after })
        const checks = storeChecks({
          makeStore: async (given) => migrate({ from: await part(given, 'from'), to: await part(given, 'to') }),
          methods,
          shared,
        })
        for (const { name: check, run } of checks) test(check, run)
      })
    })
  }
})

interface Scene {
  /** A process as it is deployed. */
  process(actorStore: (inner: SessionStore) => SessionStore, options?: Partial<MigratingOptions>): SessionStore
  from: SessionStore
  to: SessionStore
  /** What a visitor finds in the end. */
  end(): Promise<SessionRecord | null>
}

const record: SessionRecord = { values: { a: '1' }, userId: 'ada', createdAt: now, expiresAt: now + 60_000 }

/** A session in the old store, and what happens to it at the same time. */
function race(
  actors: (scene: Scene) => { actors: Actor[]; deaths?: Play['deaths']; check(): unknown },
): Promise<number> {
  return inEveryOrder(async () => {
    const from = memoryStore()
    const to = memoryStore()
    await from.create('id', record)
    const scene: Scene = {
      from,
      to,
      process: (own, options = {}) => migrating({ from: own(from), to: own(to), ...options }),
      async end() {
        const found = await migrating({ from, to }).read('id')
        const places = [await from.read('id'), await to.read('id')]
        const homes = places.filter((it) => it && !it.values.__moving && !it.values.__moved)
        expect(homes.length).toBe(found ? 1 : 0)
        return found
      },
    }
    const play = actors(scene)
    return { actors: play.actors, ...(play.deaths ? { deaths: play.deaths } : {}), check: () => play.check() }
  })
}

/** What two are told that end a session of which the new store has no more than the place. */
async function bothEnd(order: 'source first' | 'one after the other'): Promise<boolean[]> {
  const [from, to] = [memoryStore(), memoryStore()]
  await from.create('id', record)
  await to.create('id', { ...record, values: { __moving: '"by a mover that died"' } })
  const store = migrating({ from, to })
  if (order === 'one after the other') return [await store.delete('id'), await store.delete('id')]
  const found = await from.delete('id')
  return [found, await store.delete('id')]
}

/** An actor that patches, and notes the outcome. */
function patching(scene: Scene, name: string, outcomes: PatchOutcome[], options?: Partial<MigratingOptions>): Actor {
  return async (own) => {
    outcomes.push(await scene.process(own, options).patch('id', { now, set: { [name]: '2' } }))
  }
}

test('of two that end a session where its mover has died, one is told that there was one', async () => {
  for (const deleted of [await bothEnd('source first'), await bothEnd('one after the other')]) {
    expect(deleted.sort()).toEqual([false, true])
  }
})

describe('in every order of their calls', () => {
  test('two writers move a session once and keep both changes', async () => {
    await race((scene) => {
      const outcomes: PatchOutcome[] = []
      return {
        actors: [patching(scene, 'b', outcomes), patching(scene, 'c', outcomes)],
        async check() {
          expect(outcomes).toEqual(['applied', 'applied'])
          expect(await scene.end()).toEqual({ ...record, values: { a: '1', b: '2', c: '2' } })
          expect(await scene.from.read('id')).toBe(null)
        },
      }
    })
  })

  test('a writer that does not move yet, and one that does, keep both changes', async () => {
    await race((scene) => {
      const outcomes: PatchOutcome[] = []
      return {
        actors: [patching(scene, 'b', outcomes), patching(scene, 'c', outcomes, { moves: false })],
        async check() {
          expect(outcomes).toEqual(['applied', 'applied'])
          expect(await scene.end()).toEqual({ ...record, values: { a: '1', b: '2', c: '2' } })
        },
      }
    })
  })

  test.each([true, false])('a reader finds a session that is moving (%s)', async (moves) => {
    await race((scene) => {
      const outcomes: PatchOutcome[] = []
      const read: (SessionRecord | null)[] = []
      const reader: Actor = async (own) => {
        const store = scene.process(own, { moves })
        read.push(await store.read('id'), await store.read('id'))
      }
      return {
        actors: [patching(scene, 'b', outcomes), reader],
        async check() {
          expect(read.map((it) => it?.values.a)).toEqual(['1', '1'])
          // What was seen once is not unseen.
          if (read[0]?.values.b) expect(read[1]?.values.b).toBe('2')
          expect((await scene.end())?.values).toEqual({ a: '1', b: '2' })
        },
      }
    })
  })

  test.each([true, false])('an ended session stays ended (%s)', async (moves) => {
    await race((scene) => {
      const outcomes: PatchOutcome[] = []
      const deleted: boolean[] = []
      const ending: Actor = async (own) => {
        deleted.push(await scene.process(own, { moves }).delete('id'))
      }
      return {
        actors: [patching(scene, 'b', outcomes), ending],
        async check() {
          expect(deleted).toEqual([true])
          expect(await scene.end()).toBe(null)
          expect(await scene.process((store) => store).patch('id', { now, set: { c: '3' } })).toBe('absent')
        },
      }
    })
  })

  test('of two that compare and set, one wins', async () => {
    await race((scene) => {
      const outcomes: PatchOutcome[] = []
      const setting =
        (text: string): Actor =>
        async (own) => {
          outcomes.push(await scene.process(own).patch('id', { now, set: { a: text }, when: { a: '1' } }))
        }
      return {
        actors: [setting('2'), setting('3')],
        async check() {
          expect(outcomes.toSorted()).toEqual(['applied', 'conflict'])
          const a = (await scene.end())?.values.a
          expect(['2', '3']).toContain(a)
        },
      }
    })
  })

  test.each([1, 2, 3, 4, 5, 6, 7])('a mover that dies after %i calls leaves nothing stuck', async (calls) => {
    await race((scene) => {
      const outcomes: PatchOutcome[] = []
      const dead: PatchOutcome[] = []
      return {
        actors: [patching(scene, 'b', dead), patching(scene, 'c', outcomes)],
        deaths: { 0: calls },
        async check() {
          expect(outcomes).toEqual(['applied'])
          const values = (await scene.end())?.values
          expect(values).toMatchObject({ a: '1', c: '2' })
          if (dead.length > 0) expect(values).toMatchObject({ b: '2' })
        },
      }
    })
  })

  test.each([2, 3, 4, 5, 6, 7])('a session whose mover dies after %i calls can be ended', async (calls) => {
    await race((scene) => {
      const ending: Actor = async (own) => {
        await scene.process(own).delete('id')
      }
      return {
        actors: [patching(scene, 'b', []), ending],
        deaths: { 0: calls },
        async check() {
          expect(await scene.end()).toBe(null)
        },
      }
    })
  })
})

test('a session of the new store is moved back by the stores exchanged, in every order', async () => {
  await inEveryOrder(async () => {
    const [older, newer] = [memoryStore(), memoryStore()]
    await newer.create('id', record)
    const outcomes: PatchOutcome[] = []
    const read: (SessionRecord | null)[] = []
    return {
      actors: [
        async (own) => {
          const store = migrating({ from: own(newer), to: own(older) })
          outcomes.push(await store.patch('id', { now, set: { b: '2' } }))
        },
        async (own) => {
          const store = migrating({ from: own(older), to: own(newer), moves: false })
          read.push(await store.read('id'))
          outcomes.push(await store.patch('id', { now, set: { c: '2' } }))
        },
      ],
      async check() {
        expect(outcomes).toEqual(['applied', 'applied'])
        expect(read[0]?.values.a).toBe('1')
        expect((await older.read('id'))?.values).toEqual({ a: '1', b: '2', c: '2' })
        expect(await newer.read('id')).toBe(null)
      },
    }
  })
})

test('on the way back an ended session stays ended, in every order', async () => {
  await inEveryOrder(async () => {
    const [older, newer] = [memoryStore(), memoryStore()]
    await newer.create('id', record)
    return {
      actors: [
        async (own) => migrating({ from: own(newer), to: own(older) }).patch('id', { now, set: { b: '2' } }),
        async (own) => migrating({ from: own(older), to: own(newer), moves: false }).delete('id'),
      ],
      async check() {
        expect(await migrating({ from: newer, to: older }).read('id')).toBe(null)
      },
    }
  })
})

test.each(['out', 'back'])('a list has a session that is moving (%s), in every order', async (direction) => {
  await inEveryOrder(async () => {
    const [older, newer] = [memoryStore(), memoryStore()]
    const isBack = direction === 'back'
    await (isBack ? newer : older).create('id', record)
    const ids: string[] = []
    return {
      actors: [
        async (own) => {
          const [from, to] = isBack ? [newer, older] : [older, newer]
          await migrating({ from: own(from), to: own(to) }).patch('id', { now, set: { b: '2' } })
        },
        async (own) => {
          const store = migrating({ from: own(older), to: own(newer), moves: false })
          const page = (await store.list?.({ userId: 'ada', limit: 5 })) ?? []
          ids.push(...page.map(([id]) => id))
        },
      ],
      check: () => expect(ids).toEqual(['id']),
    }
  })
})

test('a copy that was made for one place does not fill the next', async () => {
  await inEveryOrder(async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    await from.create('id', record)
    const write: Actor = async (own) =>
      migrating({ from: own(from), to: own(to) }).patch('id', { now, set: { b: '2' } })
    return {
      actors: [write, write, async (own) => migrating({ from: own(from), to: own(to) }).delete('id')],
      // The first has its copy in hand, the second is about to make a place, the third has deleted what there was.
      opening: [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2],
      async check() {
        expect(await migrating({ from, to }).read('id')).toBe(null)
      },
    }
  })
})

const unfilled = { ...record, values: { __moving: '"somebody"' } }

test.each([
  ['an expired place', { ...unfilled, expiresAt: now - 1 }, 4],
  ['a place that expires before the session', { ...unfilled, expiresAt: record.expiresAt - 1 }, 5],
  ['what it left when it moved the other way', { ...record, values: { a: '0', old: '1', __moved: '"1"' } }, 5],
])('two writers that have seen %s lose no change of a session that moves there', async (_, lying, calls) => {
  await inEveryOrder(async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    await from.create('id', record)
    await to.create('id', lying)
    const outcomes: PatchOutcome[] = []
    const writing =
      (name: string): Actor =>
      async (own) => {
        const store = migrating({ from: own(from), to: own(to) })
        outcomes.push(await store.patch('id', { now, set: { [name]: '2' } }))
      }
    return {
      actors: [writing('b'), writing('c')],
      opening: [...Array(calls).fill(0), ...Array(calls).fill(1)],
      async check() {
        expect(outcomes).toEqual(['applied', 'applied'])
        expect(await to.read('id')).toEqual({ ...record, values: { a: '1', b: '2', c: '2' } })
        expect(await from.read('id')).toBe(null)
      },
    }
  })
})

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9])(
  'a session outlives a place that was to expire before it, whose mover dies after %i calls',
  async (calls) => {
    await inEveryOrder(async () => {
      const [from, to] = [memoryStore(), memoryStore()]
      await from.create('id', record)
      await to.create('id', { ...unfilled, expiresAt: now + 1 })
      return {
        actors: [async (own) => migrating({ from: own(from), to: own(to) }).patch('id', { now, set: { b: '2' } })],
        deaths: { 0: calls },
        async check() {
          await to.sweep?.(now + 1, 5)
          expect((await migrating({ from, to, clock: () => now + 2 }).read('id'))?.values).toMatchObject({ a: '1' })
        },
      }
    })
  },
)

describe('several processes at once, in many orders', () => {
  function inManyOrders(
    play: (process: (moves: boolean) => SessionStore, end: () => Promise<SessionRecord | null>) => Promise<void>,
  ) {
    return fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const [from, to] = [memoryStore(), memoryStore()]
        await from.create('id', record)
        const turn = <T>(call: () => T): Promise<Awaited<T>> =>
          scheduler.schedule(Promise.resolve()).then(call) as Promise<Awaited<T>>
        const own = (inner: SessionStore): SessionStore => ({
          read: (id) => turn(() => inner.read(id)),
          create: (id, it) => turn(() => inner.create(id, it)),
          patch: (id, it) => turn(() => inner.patch(id, it)),
          delete: (id) => turn(() => inner.delete(id)),
        })
        const played = play(
          (moves) => migrating({ from: own(from), to: own(to), moves }),
          async () => migrating({ from, to }).read('id'),
        )
        await scheduler.waitFor(played)
      }),
      { numRuns: 1000 },
    )
  }

  test('four writers keep their changes', () =>
    inManyOrders(async (process, end) => {
      const write = (name: string, moves: boolean) => process(moves).patch('id', { now, set: { [name]: '2' } })
      const writes = [write('b', true), write('c', true), write('d', true), write('e', false)]
      expect(await Promise.all(writes)).toEqual(['applied', 'applied', 'applied', 'applied'])
      expect((await end())?.values).toEqual({ a: '1', b: '2', c: '2', d: '2', e: '2' })
    }))

  test('what one of them ends, no other brings back', () =>
    inManyOrders(async (process, end) => {
      const write = (name: string, moves: boolean) => process(moves).patch('id', { now, set: { [name]: '2' } })
      await Promise.all([write('b', true), write('c', true), write('d', false), process(true).delete('id')])
      expect(await end()).toBe(null)
    }))
})

/** A store that cannot hold a value called `large`. */
function small(store: SessionStore, code: SojournErrorCode = 'record_too_large'): SessionStore {
  const refuse = (values: SessionRecord['values'] = {}) => {
    if ('large' in values) throw new SojournError(code, 'it does not fit')
  }
  return {
    ...store,
    create(id, it) {
      refuse(it.values)
      return store.create(id, it)
    },
    patch(id, it) {
      refuse(it.set)
      return store.patch(id, it)
    },
  }
}

describe('a session that does not fit into the new store', () => {
  const large = { ...record, values: { a: '1', large: '1' } }

  test.each(['record_too_large', 'invalid_value'] as const)(
    'stays in the old one and goes on there, until it fits (%s)',
    async (code) => {
      const [from, to] = [memoryStore(), memoryStore()]
      const store = migrating({ from, to: small(to, code) })
      await from.create('id', large)
      expect(await store.patch('id', { now, set: { b: '2' } })).toBe('applied')
      expect(await store.patch('id', { now, set: { b: '3' }, when: { a: '2' } })).toBe('conflict')
      expect(await store.read('id')).toEqual({ ...large, values: { ...large.values, b: '2' } })
      expect(await store.list?.({ limit: 5, userId: 'ada' })).toHaveLength(1)
      for (const moves of [true, false]) {
        const one = migrating({ from, to: small(to, code), moves })
        expect(await one.patch('id', { now, set: { large: `"${moves}"` } })).toBe('applied')
        expect((await one.read('id'))?.values.large).toBe(`"${moves}"`)
        expect(await one.patch('nobody', { now, set: { large: '1' } })).toBe('absent')
      }
      expect(await store.patch('id', { now, unset: ['large'] })).toBe('applied')
      await expect((async () => store.patch('id', { now, set: { large: '1' } }))()).resolves.toBe('applied')
      expect(await store.patch('id', { now, unset: ['large'] })).toBe('applied')
      expect(await store.patch('id', { now, set: { c: '2' } })).toBe('applied')
      expect(await from.read('id')).toBe(null)
      expect((await to.read('id'))?.values).toEqual({ a: '1', b: '2', c: '2' })
      expect(await store.delete('id')).toBe(true)
    },
  )

  test.each([5, null, undefined])(
    'stays as well where somebody else wrote %j as a value, until it is repaired',
    async (odd) => {
      const [from, to] = [memoryStore(), sqliteStore(':memory:')]
      const store = migrating({ from, to })
      const visits = odd as unknown as string
      await from.create('id', { ...record, values: { a: '1', visits } })
      expect(await store.patch('id', { now, set: { b: '2' } })).toBe('applied')
      expect(await store.list?.({ limit: 5, userId: 'ada' })).toHaveLength(1)
      expect((await from.read('id'))?.values).toStrictEqual({ a: '1', b: '2', visits })
      expect(await store.patch('id', { now, set: { visits: '5' } })).toBe('applied')
      expect(await store.patch('id', { now, set: { b: '3' } })).toBe('applied')
      expect(await from.read('id')).toBe(null)
      expect((await to.read('id'))?.values).toEqual({ a: '1', b: '3', visits: '5' })
    },
  )

  test('keeps its changes while one writer tries to move it and another makes it smaller, in every order', async () => {
    await inEveryOrder(async () => {
      const [from, to] = [memoryStore(), memoryStore()]
      await from.create('id', large)
      const outcomes: PatchOutcome[] = []
      const writing =
        (patch: object, own: Partial<MigratingOptions> = {}): Actor =>
        async (turn) => {
          const store = migrating({ from: turn(from), to: turn(small(to)), ...own })
          outcomes.push(await store.patch('id', { now, ...patch }))
        }
      const smaller = { set: { c: '2' }, unset: ['large'] }
      return {
        actors: [writing({ set: { b: '2' } }), writing(smaller, { moves: false })],
        async check() {
          expect(outcomes).toEqual(['applied', 'applied'])
          const found = await migrating({ from, to: small(to) }).read('id')
          expect(found?.values).toEqual({ a: '1', b: '2', c: '2' })
        },
      }
    })
  })

  test('keeps the changes of several processes, and its end, in many orders', async () => {
    const play = (isEnded: boolean) =>
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const [from, to] = [memoryStore(), memoryStore()]
        await from.create('id', large)
        const turn = (inner: SessionStore): SessionStore => {
          const later = <T>(call: () => T) => scheduler.schedule(Promise.resolve()).then(call) as Promise<Awaited<T>>
          return {
            read: (id) => later(() => inner.read(id)),
            create: (id, it) => later(() => inner.create(id, it)),
            patch: (id, it) => later(() => inner.patch(id, it)),
            delete: (id) => later(() => inner.delete(id)),
          }
        }
        const process = () => migrating({ from: turn(from), to: turn(small(to)) })
        const writes = ['b', 'c', 'd'].map((name) => process().patch('id', { now, set: { [name]: '2' } }))
        writes.push(process().patch('id', { now, unset: ['large'] }))
        const ending = isEnded ? [process().delete('id')] : []
        await scheduler.waitFor(Promise.all([...writes, ...ending]))
        const left = await migrating({ from, to: small(to) }).read('id')
        expect(left?.values).toEqual(isEnded ? undefined : { a: '1', b: '2', c: '2', d: '2' })
      })
    await fc.assert(play(false), { numRuns: 1000 })
    await fc.assert(play(true), { numRuns: 1000 })
  })
})

test('a session moves at its first write, and not before', async () => {
  const [from, to] = [memoryStore(), memoryStore()]
  const store = migrating({ from, to })
  await from.create('id', record)
  expect(await store.read('id')).toEqual(record)
  expect(await from.read('id')).toEqual(record)
  expect(await store.patch('id', { now, expiresAt: record.expiresAt + 1 })).toBe('applied')
  expect(await from.read('id')).toBe(null)
  expect(await to.read('id')).toEqual({ ...record, expiresAt: record.expiresAt + 1 })
})

test('a new session begins where it is to stay', async () => {
  const [from, to] = [memoryStore(), memoryStore()]
  await migrating({ from, to }).create('new', record)
  await migrating({ from, to, moves: false }).create('old', record)
  expect([await to.read('new'), await from.read('old')]).toEqual([record, record])
})

test('of two that create the same, one that moves and one that does not yet, at most one has done so', async () => {
  await inEveryOrder(async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const created: boolean[] = []
    const creating =
      (moves: boolean): Actor =>
      async (own) =>
        created.push(await migrating({ from: own(from), to: own(to), moves }).create('id', record))
    return {
      actors: [creating(true), creating(false)],
      async check() {
        const present = [await from.read('id'), await to.read('id')].filter(Boolean)
        expect(created.filter(Boolean).length).toBeLessThanOrEqual(1)
        expect(present).toHaveLength(created.filter(Boolean).length)
      },
    }
  })
})

test('what has expired does not move, and nothing waits for it', async () => {
  const [from, to] = [memoryStore(), memoryStore()]
  const store = migrating({ from, to })
  await from.create('id', { ...record, expiresAt: now - 1 })
  expect(await store.patch('id', { now, set: { b: '2' } })).toBe('absent')
  expect(await to.read('id')).toBe(null)
  await from.create('left', { ...record, values: { __moved: 'true' }, expiresAt: now - 1 })
  await to.create('left', { ...record, values: { __moving: '"somebody"' }, expiresAt: now - 1 })
  expect(await store.read('left')).toBe(null)
  expect(await store.patch('left', { now, set: { b: '2' } })).toBe('absent')
})

/** A store that drops at once what expired five minutes ago, as Redis does. */
function dropping(inner: SessionStore): SessionStore {
  async function drop<T>(id: string, outcome: T): Promise<T> {
    const written = await inner.read(id)
    if (written && written.expiresAt <= now - 5 * 60_000) await inner.delete(id)
    return outcome
  }
  return {
    ...inner,
    create: async (id, it) => drop(id, await inner.create(id, it)),
    patch: async (id, it) => drop(id, await inner.patch(id, it)),
  }
}

const longExpired = { ...record, expiresAt: now - 6 * 60_000 }

test('who writes also what has expired loses nothing where the new store drops it at once, in every order', async () => {
  await inEveryOrder(async () => {
    const [from, to] = [memoryStore(), dropping(memoryStore())]
    await from.create('id', longExpired)
    const outcomes: PatchOutcome[] = []
    const writing =
      (name: string): Actor =>
      async (own) => {
        const patch = { now: 0, set: { [name]: '2' }, expiresAt: record.expiresAt }
        outcomes.push(await migrating({ from: own(from), to: own(to) }).patch('id', patch))
      }
    return {
      actors: [writing('b'), writing('c')],
      async check() {
        expect(outcomes).toEqual(['applied', 'applied'])
        const found = { ...record, values: { a: '1', b: '2', c: '2' } }
        expect(await migrating({ from, to }).read('id')).toEqual(found)
      },
    }
  })
})

test.each([true, false])(
  'what a session left is no hindrance to create when it has expired, in every order (moves: %s)',
  async (moves) => {
    await inEveryOrder(async () => {
      const [from, to] = [memoryStore(), dropping(memoryStore())]
      const [home, other] = moves ? [to, from] : [from, to]
      await other.create('id', { ...record, values: { __moved: '"1"' }, expiresAt: now - 1 })
      await other.create('living', { ...record, values: { __moved: '"1"' } })
      expect(await migrating({ from, to, moves }).create('living', record)).toBe(false)
      const created: boolean[] = []
      const creating: Actor = async (own) =>
        created.push(await migrating({ from: own(from), to: own(to), moves }).create('id', record))
      return {
        actors: [creating, creating],
        async check() {
          expect(created.toSorted()).toEqual([false, true])
          const store = migrating({ from, to, moves })
          expect(await store.patch('id', { now, set: { b: '2' } })).toBe('applied')
          const found = { ...record, values: { a: '1', b: '2' } }
          expect([await store.read('id'), await home.read('id')]).toEqual([found, found])
          expect(await store.list?.({ userId: 'ada', limit: 1 })).toEqual([['id', found]])
          expect(await store.delete('id')).toBe(true)
          expect([await from.read('id'), await to.read('id')]).toEqual([null, null])
        },
      }
    })
  },
)

test('a place that was never filled is no hindrance when it has expired', async () => {
  const [from, to] = [memoryStore(), memoryStore()]
  await from.create('id', record)
  await to.create('id', { ...record, values: { __moving: '"somebody"' }, expiresAt: now - 1 })
  const store = migrating({ from, to })
  expect(await store.read('id')).toEqual(record)
  expect(await store.patch('id', { now, set: { b: '2' } })).toBe('applied')
  expect((await store.read('id'))?.values).toEqual({ a: '1', b: '2' })
})

test('a list has what lives in either store, once, page by page', async () => {
  const [from, to] = [memoryStore(), memoryStore()]
  for (let index = 0; index < 9; index++) await (index % 2 ? from : to).create(`id-${index}`, record)
  await from.create('id-4', { ...record, values: { __moved: 'true' } })
  await to.create('id-1', { ...record, values: { __moving: '"somebody"' } })
  await from.create('id-x', { ...record, values: { __moved: 'true' } })
  const store = migrating({ from, to })
  const ids: string[] = []
  for (let after: string | undefined; ; after = ids.at(-1) as string) {
    const page = (await store.list?.({ limit: 2, userId: 'ada', ...(after === undefined ? {} : { after }) })) ?? []
    ids.push(...page.map(([id]) => id))
    if (page.length < 2) break
  }
  expect(ids).toEqual(Array.from({ length: 9 }, (_, index) => `id-${index}`))
})

test('both stores are watched, swept and closed', async () => {
  const calls: string[] = []
  const part = (name: string): SessionStore => ({
    ...memoryStore(),
    sweep: (_before, limit) => {
      calls.push(`sweep ${name} ${limit}`)
      return 3
    },
    watch: (ended) => {
      ended(name)
      return () => void calls.push(`stop ${name}`)
    },
    close: () => void calls.push(`close ${name}`),
  })
  const store = migrating({ from: part('from'), to: part('to') })
  expect(await store.sweep?.(0, 10)).toBe(6)
  const stop = await store.watch?.((id) => calls.push(`ended ${id}`))
  await expect.poll(() => calls).toContain('ended to')
  await stop?.()
  await store.close?.()
  expect(calls).toEqual([
    'sweep from 10',
    'sweep to 7',
    'ended from',
    'ended to',
    'stop from',
    'stop to',
    'close from',
    'close to',
  ])
})

test('who watches is told of a session that ended, and of none that moved', async () => {
  const all = new Set<(id: string | null) => void>()
  let isDown = false
  const watched = (inner: SessionStore): SessionStore => {
    const watchers = new Set<(id: string | null) => void>()
    return {
      ...inner,
      read(id) {
        if (isDown) throw new Error('it is down')
        return inner.read(id)
      },
      async delete(id) {
        const existed = await inner.delete(id)
        if (existed) for (const tell of watchers) tell(id)
        return existed
      },
      watch(ended) {
        for (const set of [watchers, all]) set.add(ended)
        return () => {
          for (const set of [watchers, all]) set.delete(ended)
        }
      },
    }
  }
  const [from, to] = [watched(memoryStore()), watched(memoryStore())]
  const store = migrating({ from, to })
  const told: (string | null)[] = []
  const stop = await store.watch?.((id) => void told.push(id))
  for (const id of ['moves', 'ends']) await from.create(id, record)
  await store.patch('moves', { now, set: { b: '2' } })
  expect(await from.read('moves')).toBe(null)
  await store.delete('ends')
  await expect.poll(() => told).toEqual(['ends'])
  await store.delete('moves')
  await expect.poll(() => told).toEqual(['ends', 'moves'])
  isDown = true
  for (const tell of all) tell('somebody')
  await expect.poll(() => told).toEqual(['ends', 'moves', null, null])
  await stop?.()
  expect(all.size).toBe(0)
})

test('two stores of which one cannot watch leave it to whoever follows a session to look', () => {
  const watching: SessionStore = { ...memoryStore(), watch: () => () => {} }
  expect(migrating({ from: memoryStore(), to: watching }).watch).toBeUndefined()
  expect(migrating({ from: watching, to: memoryStore() }).watch).toBeUndefined()
})

test('where one store fails to watch or to close, the other is stopped or closed all the same', async () => {
  const calls: string[] = []
  const from: SessionStore = {
    ...memoryStore(),
    watch: () => () => void calls.push('stop from'),
    close: () => {
      throw new Error('from is stuck')
    },
  }
  const to: SessionStore = {
    ...memoryStore(),
    watch: () => Promise.reject(new Error('to is down')),
    close: () => void calls.push('close to'),
  }
  const store = migrating({ from, to })
  await expect(store.watch?.(() => {})).rejects.toThrow('to is down')
  await expect(store.close?.()).rejects.toThrow('from is stuck')
  expect(calls).toEqual(['stop from', 'close to'])
})

test('two different stores are needed', () => {
  const store = memoryStore()
  expect(() => migrating(undefined as never)).toThrow('migrating: "from" and "to" must be stores of Sojourn')
  expect(() => migrating({ from: store, to: store })).toThrow('migrating: "from" and "to" must be two different stores')
})

test.each([true, false])(
  'two stores over the same records are told from an id that is taken (moves: %s)',
  async (moves) => {
    const inner = memoryStore()
    const secrets = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'
    const refused = { code: 'store_misconfigured', message: expect.stringContaining('keep the same records') }
    for (const to of [{ ...inner }, encrypted(inner, { secrets })]) {
      await expect(migrating({ from: inner, to, moves }).create('id', record)).rejects.toMatchObject(refused)
      expect(await inner.read('id')).toBe(null)
    }
    await inner.create('id', record)
    expect(await migrating({ from: memoryStore(), to: inner, moves }).create('id', record)).toBe(false)
    expect(await inner.read('id')).toEqual(record)
  },
)

test('a store that is itself between two is refused, also in its wrappers, for both would mark the same records', () => {
  const between = migrating({ from: memoryStore(), to: memoryStore() })
  const secrets = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'
  for (const store of [between, { ...between }, encrypted(between, { secrets })]) {
    const refused = expect.objectContaining({
      code: 'invalid_option',
      message: expect.stringContaining('finish the first move before the next'),
    })
    expect(() => migrating({ from: store, to: memoryStore() })).toThrow(refused)
    expect(() => migrating({ from: memoryStore(), to: store, moves: false })).toThrow(refused)
  }
  migrating({ from: memoryStore(), to: encrypted(memoryStore(), { secrets }) })
})

test.each<[object, RegExp]>([
  [{ move: false }, /"move" is not an option; there are "from", "to", "moves" and "clock"/],
  [{ moves: 'false' }, /"moves" must be true or false/],
  [{ clock: 5 }, /clock must be a function/],
  [{ to: memoryStore }, /"from" and "to" must be stores of Sojourn, such as .*fromConnectStore\(\)/],
])('migrating with %j is refused, and moves nothing', (options, message) => {
  expect(() => migrating({ from: memoryStore(), to: memoryStore(), ...options })).toThrow(message)
})

import fc from 'fast-check'
import { expect } from 'vitest'
import type { Awaitable, ListPage, SessionPatch, SessionRecord, SessionStore } from '../../src/core/store.js'

type Step = (store: SessionStore) => unknown

/**
 * Runs sequences of calls against a store and against the contract written down as plainly as possible, and expects the
 * same answers. Records expire, are moved, owned and swept along the way. A failure prints its seed and the shortest
 * sequence that shows it.
 */
export async function expectLikeTheModel(makeStore: () => Awaitable<SessionStore>, numRuns = 200): Promise<void> {
  const runs = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const store = await makeStore()
    const model: SessionStore = modelStore()
    for (const method of ['list', 'sweep'] as const) if (!store[method]) delete model[method]
    try {
      for (const take of steps) expect(await take(store)).toEqual(take(model))
      expect(await store.list?.({ limit: 100 })).toEqual(model.list?.({ limit: 100 }))
    } finally {
      await store.close?.()
    }
  })
  await fc.assert(runs, { numRuns })
}

/** The contract over plain data. Its lists and sweeps go through everything. */
function modelStore() {
  const records = new Map<string, SessionRecord>()
  return {
    read: (id: string) => structuredClone(records.get(id) ?? null),
    create: (id: string, record: SessionRecord) => !records.has(id) && !!records.set(id, structuredClone(record)),
    patch(id: string, { now, set = {}, unset = [], userId, expiresAt, when = {} }: SessionPatch) {
      const record = records.get(id)
      if (!record || record.expiresAt <= now) return 'absent'
      const values = new Map(Object.entries(record.values))
      if (Object.entries(when).some(([name, text]) => (values.get(name) ?? null) !== text)) return 'conflict'
      for (const [name, text] of Object.entries(set)) values.set(name, text)
      for (const name of unset) values.delete(name)
      records.set(id, {
        values: Object.fromEntries(values),
        userId: userId === undefined ? record.userId : userId,
        createdAt: record.createdAt,
        expiresAt: expiresAt ?? record.expiresAt,
      })
      return 'applied'
    },
    delete: (id: string) => records.delete(id),
    list({ userId, after = '', limit }: ListPage) {
      const ids = [...records.keys()].filter((id) => id > after).sort()
      const entries = ids.map((id): [string, SessionRecord] => [id, structuredClone(records.get(id) as SessionRecord)])
      return entries.filter(([, record]) => userId === undefined || record.userId === userId).slice(0, limit)
    },
    sweep(before: number, limit: number) {
      const expired = [...records].filter(([, record]) => record.expiresAt <= before).slice(0, limit)
      for (const [id] of expired) records.delete(id)
      return expired.length
    },
  } satisfies SessionStore
}

const id = fc.constantFrom('a', 'B', '-c', '__d__')
const time = fc.integer({ min: 0, max: 20 })
const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'A', 'a.b', '$set', '__proto__', 'constructor', '"', '\\', 'é', '😀') },
  fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).filter((text) => !/\p{Cc}/u.test(text)),
)
const text = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('1', '"1"', 'null', '{"a":null}') }, fc.json())
const texts = fc.array(fc.tuple(name, text), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs))
const userId = fc.option(fc.constantFrom('ann', 'Ann', 'ann '), { nil: null })
const sometimes = <T>(value: fc.Arbitrary<T>, freq = 2) => fc.option(value, { nil: undefined, freq })

/** Only the properties that were given: an option that is `undefined` is not the same as one left out. */
const given = <T extends object>(object: T) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))

const patch = fc
  .record({
    now: time,
    set: sometimes(texts),
    unset: sometimes(fc.array(name, { maxLength: 3 })),
    userId: sometimes(userId),
    expiresAt: sometimes(time),
    when: sometimes(
      fc.array(fc.tuple(name, fc.option(text)), { maxLength: 2 }).map((pairs) => Object.fromEntries(pairs)),
    ),
  })
  .map((change): SessionPatch => {
    const { set = {}, unset } = change
    return { now: change.now, ...given({ ...change, unset: unset?.filter((name) => !Object.hasOwn(set, name)) }) }
  })

const called = (calls: fc.Arbitrary<[string, Step]>): fc.Arbitrary<Step> =>
  calls.map(([label, take]) => Object.assign(take, { [fc.toStringMethod]: () => label }))

const show = JSON.stringify

const step: fc.Arbitrary<Step> = called(
  fc.oneof(
    id.map((id): [string, Step] => [`read ${id}`, (store) => store.read(id)]),
    {
      weight: 3,
      arbitrary: fc
        .tuple(id, fc.record({ values: texts, userId, createdAt: time, expiresAt: time }))
        .map(([id, record]): [string, Step] => [`create ${id} ${show(record)}`, (store) => store.create(id, record)]),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(id, patch)
        .map(([id, patch]): [string, Step] => [`patch ${id} ${show(patch)}`, (store) => store.patch(id, patch)]),
    },
    id.map((id): [string, Step] => [`delete ${id}`, (store) => store.delete(id)]),
    fc
      .record({
        limit: fc.integer({ min: 1, max: 5 }),
        after: sometimes(id),
        userId: sometimes(userId.map((id) => id ?? 'bob')),
      })
      .map((page): [string, Step] => [`list ${show(page)}`, (store) => store.list?.(given(page) as ListPage)]),
    time.map((before): [string, Step] => [`sweep ${before}`, (store) => store.sweep?.(before, 10)]),
  ),
)

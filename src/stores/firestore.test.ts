import { describe, expect, test, vi } from 'vitest'
import { firestoreClients } from '../../test/harness/firestore.js'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { storeChecks } from '../conformance/store.js'
import type { SessionRecord } from '../core/store.js'
import { type FirestoreCollection, type FirestoreStoreOptions, firestoreStore } from './firestore.js'

const day = 24 * 60 * 60 * 1000
const where = process.env.FIRESTORE_EMULATOR_HOST ? 'the emulator of Firestore' : 'a stand-in for Firestore'
const clients = firestoreClients()
const { 8: client } = clients

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  values: { a: '1' },
  userId: 'ann',
  createdAt: Date.now(),
  expiresAt: Date.now() + day,
  ...change,
})

let collections = 0
const newCollection = () => client.collection(`tests-${process.pid}-${Date.now()}-${++collections}`)

describe.each(Object.entries(clients))(`on ${where}, through client %s`, (_, client) => {
  const checks = storeChecks({
    makeStore: ({ name }) => firestoreStore({ collection: client.collection(name) }),
    methods: ['list'],
  })
  for (const { name, run } of checks) test(name, run)
})

describe(`on ${where}`, () => {
  test('any sequence of calls answers as the model does', () =>
    expectLikeTheModel(() => firestoreStore({ collection: newCollection() }), 50))

  test('a document names its user and expiry, and when the TTL policy may take it', async () => {
    const collection = newCollection()
    const store = firestoreStore({ collection })
    await store.create('a', record({ values: { 'a.b': '{"c":1}' }, createdAt: 1, expiresAt: 2e12 }))
    const read = async () => (await collection.doc('s-a').get()).data()
    expect(await read()).toMatchObject({
      userId: 'ann',
      createdAt: 1,
      expiresAt: 2e12,
      values: '{"a.b":"{\\"c\\":1}"}',
    })
    expect((await read())?.reclaimAt.toMillis()).toBe(2e12 + 5 * 60_000)
    await store.patch('a', { now: 0, expiresAt: 3e12 })
    expect((await read())?.reclaimAt.toMillis()).toBe(3e12 + 5 * 60_000)
  })

  test.each(['9999-12-31T23:59:59Z', '+010000-01-01T00:00:00Z'])('a session may last until %s', async (end) => {
    const store = firestoreStore({ collection: newCollection() })
    const expiresAt = Date.parse(end)
    expect(await store.create('a', record({ expiresAt }))).toBe(true)
    expect(await store.patch('a', { now: 0, expiresAt: expiresAt - 1 })).toBe('applied')
    expect((await store.read('a'))?.expiresAt).toBe(expiresAt - 1)
  })

  test('what somebody else wrote into the collection is no session, and does not hinder a listing', async () => {
    const collection = newCollection()
    const store = firestoreStore({ collection })
    const kept = record()
    await store.create('a', kept)
    await collection.doc('s-b').set({ session: '{}' })
    const foreign = { values: {}, userId: null, createdAt: Number.NaN, expiresAt: Number.NaN }
    expect(await store.read('b')).toEqual(foreign)
    expect(await store.list?.({ limit: 5 })).toEqual([
      ['a', kept],
      ['b', foreign],
    ])
  })

  test('a client that gives integers as bigint does as well', async () => {
    const name = newCollection().id
    const store = firestoreStore({ collection: firestoreClients({ useBigInt: true })[8].collection(name) })
    const kept = record()
    await store.create('a', kept)
    expect(await store.read('a')).toEqual(kept)
    expect(await store.patch('a', { now: Date.now(), set: { b: '2' } })).toBe('applied')
    expect(await store.patch('a', { now: Date.now(), expiresAt: kept.expiresAt })).toBe('applied')
    expect(await store.read('a')).toEqual({ ...kept, values: { a: '1', b: '2' } })
  })

  test('only what changed is written, and nothing where nothing did', async () => {
    const collection = newCollection()
    const store = firestoreStore({ collection: watched(collection) })
    await store.create('a', record())
    const written = async (patch: object) => {
      updates.length = 0
      expect(await store.patch('a', { now: Date.now(), ...patch })).toBe('applied')
      return updates.flatMap((data) => Object.keys(data).filter((field) => field !== 'marks'))
    }
    expect(await written({})).toEqual([])
    expect(await written({ set: { a: '1' }, unset: ['b'], userId: 'ann' })).toEqual([])
    expect(updates).toEqual([])
    expect(await written({ expiresAt: 4e12 })).toEqual(['expiresAt', 'reclaimAt'])
    expect(await written({ userId: null })).toEqual(['userId'])
    expect(await written({ set: { b: '2' }, userId: 'bob' })).toEqual(['values', 'userId'])
  })

  test('a session beyond 1 MiB is refused, and the one that was there stays', async () => {
    const store = firestoreStore({ collection: newCollection() })
    const tooLarge = { code: 'record_too_large', message: expect.stringContaining('1 MiB') }
    const of = (length: number) => ({ large: 'x'.repeat(length) })
    const most = 1_048_576 - 2_048 - JSON.stringify(of(0)).length
    const long = { userId: '語'.repeat(85) }
    await expect(store.create('x'.repeat(128), record({ values: of(most + 1), ...long }))).rejects.toMatchObject(
      tooLarge,
    )
    expect(await store.create('x'.repeat(128), record({ values: of(most), ...long }))).toBe(true)
    const patch = store.patch('x'.repeat(128), { now: 0, set: { b: '1' } })
    await expect(patch).rejects.toMatchObject(tooLarge)
    expect(Object.keys((await store.read('x'.repeat(128)))?.values ?? {})).toEqual(['large'])
  })

  test('a write whose answer was lost, and which the client therefore sent twice, is known again', async () => {
    const collection = newCollection()
    const store = firestoreStore({ collection: sendingTwice(collection) })
    expect(await store.create('a', record({ values: { count: '0' } }))).toBe(true)
    expect(await store.patch('a', { now: Date.now(), set: { count: '1' }, when: { count: '0' } })).toBe('applied')
    expect(await firestoreStore({ collection }).create('a', record())).toBe(false)
    expect((await store.read('a'))?.values).toEqual({ count: '1' })
  })

  test('a change whose answer was lost is made once, also where others wrote before it was sent again', async () => {
    const collection = newCollection()
    const other = firestoreStore({ collection })
    const now = Date.now()
    await other.create('a', record({ values: { count: '0' } }))
    const meanwhile = async () => {
      for (const stock of ['7', '6', '5', '4', '3', '2', '1']) {
        expect(await other.patch('a', { now, set: { stock, count: stock } })).toBe('applied')
      }
    }
    const store = firestoreStore({ collection: sendingTwice(collection, meanwhile) })
    expect(await store.patch('a', { now, set: { count: '100' } })).toBe('applied')
    expect((await other.read('a'))?.values).toEqual({ stock: '1', count: '1' })
  })

  test('a document of an older version, with the mark of one write, goes on', async () => {
    const collection = newCollection()
    const store = firestoreStore({ collection })
    const { values, ...kept } = record()
    await collection.doc('s-a').set({ ...kept, reclaimAt: new Date(), values: JSON.stringify(values), mark: 'm' })
    expect(await store.create('a', record())).toBe(false)
    expect(await store.patch('a', { now: Date.now(), set: { b: '2' } })).toBe('applied')
    expect(await store.read('a')).toEqual({ ...kept, values: { a: '1', b: '2' } })
  })

  test('a patch gives up with `contention` where others never leave the session alone', async () => {
    const collection = newCollection()
    await firestoreStore({ collection }).create('a', record())
    const snapshot = await collection.doc('s-a').get()
    const refusing = wrapped(collection, (reference) => ({
      ...reference,
      get: async () => snapshot,
      update: () => Promise.reject(Object.assign(new Error('FAILED_PRECONDITION'), { code: 9 })),
    }))
    vi.useFakeTimers()
    const patch = firestoreStore({ collection: refusing }).patch('a', { now: Date.now(), set: { b: '1' } })
    const refused = expect(patch).rejects.toMatchObject({ code: 'contention' })
    await vi.advanceTimersByTimeAsync(3_100)
    vi.useRealTimers()
    await refused
  })

  test('an error of the service is passed on', async () => {
    const failure = Object.assign(new Error('14 UNAVAILABLE'), { code: 14 })
    const broken = wrapped(newCollection(), () => ({
      get: () => Promise.reject(failure),
      create: () => Promise.reject(failure),
      update: () => Promise.reject(failure),
      delete: () => Promise.reject(failure),
    }))
    const store = firestoreStore({ collection: broken })
    for (const call of [
      store.read('a'),
      store.create('a', record()),
      store.patch('a', { now: 0 }),
      store.delete('a'),
    ]) {
      await expect(call).rejects.toBe(failure)
    }
  })
})

test.each([
  [undefined, '"collection"'],
  [{ collection: {} }, '"collection"'],
  [{ collection: 'sessions' }, '"collection"'],
  [{ collection: client.collection('a'), ttl: 5 }, '"ttl" is not an option'],
])('the options %o are refused', (options, message) => {
  expect(() => firestoreStore(options as unknown as FirestoreStoreOptions)).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
  )
})

type Reference = ReturnType<FirestoreCollection['doc']>

/** A collection whose documents answer otherwise. */
function wrapped(collection: FirestoreCollection, change: (reference: Reference) => Reference): FirestoreCollection {
  const methods = (reference: Reference): Reference => ({
    get: () => reference.get(),
    create: (data) => reference.create(data),
    update: (data, precondition) => reference.update(data, precondition),
    delete: (precondition) => reference.delete(precondition),
  })
  return {
    doc: (id) => change(methods(collection.doc(id))),
    where: (...given) => collection.where(...given),
    orderBy: (field) => collection.orderBy(field),
    startAfter: (value) => collection.startAfter(value),
    limit: (limit) => collection.limit(limit),
    get: () => collection.get(),
  }
}

const updates: object[] = []

function watched(collection: FirestoreCollection): FirestoreCollection {
  return wrapped(collection, (reference) => ({
    ...reference,
    update(data, precondition) {
      updates.push(data)
      return reference.update(data, precondition)
    },
  }))
}

/** As the client does with a commit after the connection was lost: the second answer is the one that counts. */
function sendingTwice(collection: FirestoreCollection, meanwhile = async () => {}): FirestoreCollection {
  return wrapped(collection, (reference) => ({
    ...reference,
    create: (data) => reference.create(data).then(() => reference.create(data)),
    update: (data, precondition) =>
      reference
        .update(data, precondition)
        .then(meanwhile)
        .then(() => reference.update(data, precondition)),
  }))
}

import { MongoClient } from 'mongodb'
import { MongoClient as MongoClient6 } from 'mongodb6'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MongodbServer, startMongodb } from '../../test/harness/mongodb.js'
import { startProxy } from '../../test/harness/proxy.js'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { storeChecks } from '../conformance/store.js'
import type { SessionRecord } from '../core/store.js'
import { type MongodbCollection, type MongodbStoreOptions, mongodbStore } from './mongodb.js'

const day = 24 * 60 * 60 * 1000
const where = process.env.MONGODB_URL ? 'MongoDB' : 'a double of MongoDB, not MongoDB itself'

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  values: { a: '1' },
  userId: 'ann',
  createdAt: Date.now(),
  expiresAt: Date.now() + day,
  ...change,
})

const drivers = { 'mongodb 7': MongoClient, 'mongodb 6': MongoClient6 }

describe(`on ${where}`, () => {
  let server: MongodbServer
  beforeAll(async () => {
    server = await startMongodb()
  })
  afterAll(() => server.stop())

  describe.each(Object.entries(drivers))('through %s', (_, Client) => {
    let client: MongoClient
    let database: ReturnType<MongoClient['db']>
    const sent: { name: string; command: Record<string, unknown> }[] = []
    beforeAll(() => {
      client = new Client(server.url, { monitorCommands: true }) as MongoClient
      client.on('commandStarted', ({ commandName, command }) => sent.push({ name: commandName, command }))
      database = client.db()
    })
    afterAll(() => client.close())

    /** What the store sends while something is done. */
    async function sentBy(act: () => unknown): Promise<typeof sent> {
      sent.length = 0
      await act()
      return [...sent]
    }

    async function emptyCollection(name: string) {
      await database
        .collection(name)
        .drop()
        .catch(() => {})
      return database.collection<never>(name)
    }

    const checks = storeChecks({
      async makeStore({ name, after }) {
        const store = mongodbStore({ collection: database.collection(name) })
        await store.migrate()
        after(() => database.collection(name).drop())
        return store
      },
      methods: ['list'],
    })
    for (const { name, run } of checks) test(name, run)

    test('any sequence of calls answers as the model does', () =>
      expectLikeTheModel(async () => mongodbStore({ collection: await emptyCollection('model') }), 50))

    test('a read, a change and an end are one command each, by and from a majority', async () => {
      const store = mongodbStore({ collection: await emptyCollection('commands') })
      const write = { writeConcern: { w: 'majority' } }
      const now = Date.now()
      expect(await sentBy(() => store.create('a', record()))).toMatchObject([{ name: 'insert', command: write }])
      expect(await sentBy(() => store.read('a'))).toMatchObject([
        { name: 'find', command: { readConcern: { level: 'majority' } } },
      ])
      const patch = { now, set: { b: '1' }, unset: ['a'], userId: null, expiresAt: now + 1, when: { a: '1', c: null } }
      expect(await sentBy(() => store.patch('a', patch))).toMatchObject([{ name: 'update', command: write }])
      expect(await sentBy(() => store.delete('a'))).toMatchObject([{ name: 'delete', command: write }])
      expect(await sentBy(() => store.list?.({ userId: 'ann', limit: 5 }))).toMatchObject([
        { name: 'find', command: { limit: 5, readConcern: { level: 'majority' } } },
      ])
    })

    test.each([{ promoteValues: false }, { promoteLongs: false }, { useBigInt64: true }, { raw: true }])(
      'a client that was told %o does as well',
      async (options) => {
        const { collectionName } = await emptyCollection('told')
        const told = new Client(server.url, options) as MongoClient
        const store = mongodbStore({ collection: told.db().collection(collectionName) })
        await store.migrate()
        const kept = record()
        expect(await store.create('a', kept)).toBe(true)
        expect(await store.create('a', kept)).toBe(false)
        expect(await store.patch('a', { now: 0, set: { b: '2' }, when: { a: '1' } })).toBe('applied')
        expect(await store.patch('a', { now: 0, set: { b: '3' }, when: { a: '2' } })).toBe('conflict')
        expect(await store.list?.({ userId: 'ann', limit: 5 })).toEqual([
          ['a', { ...kept, values: { a: '1', b: '2' } }],
        ])
        expect(await store.delete('a')).toBe(true)
        expect(await store.delete('a')).toBe(false)
        await told.close()
      },
    )

    test('a move of the expiry sends no value', async () => {
      const store = mongodbStore({ collection: await emptyCollection('expiry') })
      await store.create('a', record())
      const [update] = await sentBy(() => store.patch('a', { now: Date.now(), expiresAt: 4e12 }))
      expect(update?.command.updates).toMatchObject([{ u: { $set: { expiresAt: new Date(4e12) } } }])
      expect(JSON.stringify(update?.command.updates)).not.toContain('values')
    })

    test('names are kept out of paths and operators', async () => {
      const collection = await emptyCollection('names')
      const names = ['a.b', '$set', '100%', '__proto__', '__token', '%2E']
      const store = mongodbStore({ collection })
      await store.create('a', record({ values: Object.fromEntries(names.map((name) => [name, '1'])) }))
      const [document] = await collection.find({}, { projection: { values: 1 } }).toArray()
      const fields = ['a%2Eb', '%24set', '100%25', '%5F_proto__', '__token', '%252E']
      expect(Object.keys((document as { values?: object } | undefined)?.values ?? {}).sort()).toEqual(fields.sort())
    })

    test('what somebody else wrote into the collection is no session, and does not hinder a listing', async () => {
      const collection = await emptyCollection('others')
      const store = mongodbStore({ collection })
      const kept = record()
      await store.create('b', kept)
      const others: object[] = [
        { _id: 'a', session: '{}', expires: new Date() },
        { _id: 'c', values: { '100%': '1' } },
      ]
      await collection.insertMany(others as never[])
      const foreign = { values: {}, userId: null, createdAt: Number.NaN, expiresAt: Number.NaN }
      expect(await store.read('a')).toEqual(foreign)
      expect(await store.list?.({ limit: 5 })).toEqual([
        ['a', foreign],
        ['b', kept],
        ['c', { ...foreign, values: { '100%': '1' } }],
      ])
    })

    test('`migrate` makes the indexes, as often as it is called', async () => {
      const collection = await emptyCollection('migrated')
      const store = mongodbStore({ collection })
      await Promise.all([store.migrate(), store.migrate()])
      await store.migrate()
      expect(await collection.listIndexes().toArray()).toMatchObject([
        { key: { _id: 1 } },
        { key: { expiresAt: 1 }, expireAfterSeconds: 300 },
        { key: { userId: 1, _id: 1 } },
      ])
    })

    test('`migrate` refuses a collection whose expiry index is another', async () => {
      const collection = await emptyCollection('foreign')
      await collection.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 })
      await expect(mongodbStore({ collection }).migrate()).rejects.toMatchObject({ code: 'store_misconfigured' })
    })

    test('a session beyond 16 MB is refused, and the one that was there stays', async () => {
      const store = mongodbStore({ collection: await emptyCollection('large') })
      const tooLarge = { code: 'record_too_large', message: expect.stringContaining('16 MB') }
      const half = 'x'.repeat(9_000_000)
      await expect(store.create('a', record({ values: { a: half, b: half } }))).rejects.toMatchObject(tooLarge)
      await store.create('a', record({ values: { a: half } }))
      await expect(store.patch('a', { now: 0, set: { b: half } })).rejects.toMatchObject(tooLarge)
      expect(Object.keys((await store.read('a'))?.values ?? {})).toEqual(['a'])
    })

    test('an answer that was lost is asked for again, and the write is made once', async () => {
      const proxy = await startProxy(server)
      const lossy = new Client(proxy.url, {
        directConnection: true,
        socketTimeoutMS: 300,
        connectTimeoutMS: 300,
        heartbeatFrequencyMS: 500,
      })
      const collection = lossy.db().collection(`lost-${proxy.port}`) as unknown as MongodbCollection
      const store = mongodbStore({ collection })
      await store.create('a', record({ values: { count: '0' } }))
      const withoutAnswer = async (write: () => unknown) => {
        proxy.dropReplies()
        setTimeout(() => proxy.restore(), 200)
        return write()
      }
      const patch = { now: Date.now(), set: { count: '1' }, when: { count: '0' } }
      expect(await withoutAnswer(() => store.patch('a', patch))).toBe('applied')
      expect(await withoutAnswer(() => store.create('b', record()))).toBe(true)
      expect(await withoutAnswer(() => store.delete('b'))).toBe(true)
      await lossy.close()
      await proxy.stop()
    })
  })

  test('a server that is down is an error, and all is well when it is back', async () => {
    const own = await startMongodb({ own: true })
    const client = new MongoClient(own.url, { serverSelectionTimeoutMS: 1000, heartbeatFrequencyMS: 500 })
    const store = mongodbStore({ collection: client.db().collection('sessions') })
    await store.create('a', record())
    await own.kill()
    await expect(store.read('a')).rejects.toThrow()
    await expect(store.patch('a', { now: Date.now(), set: { b: '1' } })).rejects.toThrow()
    await own.restart()
    expect((await store.read('a'))?.values).toEqual({ a: '1' })
    await client.close()
    await own.stop()
  })
})

test.each([
  [undefined, '"collection"'],
  [{ collection: {} }, '"collection"'],
  [{ collection: 'sessions' }, '"collection"'],
  [{ client: {} }, '"client" is not an option'],
])('the options %o are refused', (options, message) => {
  expect(() => mongodbStore(options as unknown as MongodbStoreOptions)).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
  )
})

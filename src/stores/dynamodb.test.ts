import { DynamoDB, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { startDynamodb } from '../../test/harness/dynamodb.js'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { type StoreChecksOptions, storeChecks } from '../conformance/store.js'
import type { SessionRecord } from '../core/store.js'
import { type DynamodbClient, type DynamodbStoreOptions, dynamodbStore } from './dynamodb.js'

const day = 24 * 60 * 60 * 1000
const where = process.env.DYNAMODB_URL ? 'the DynamoDB that DYNAMODB_URL names' : 'a stand-in for DynamoDB'

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  values: { a: '1' },
  userId: 'ann',
  createdAt: Date.now(),
  expiresAt: Date.now() + day,
  ...change,
})

let dynamodb: Awaited<ReturnType<typeof startDynamodb>>
let client: DynamoDB
beforeAll(async () => {
  dynamodb = await startDynamodb()
  client = dynamodb.client
})
afterAll(() => dynamodb.stop())

let tables = 0
async function newTable(): Promise<string> {
  const table = `tests_${process.pid}_${Date.now()}_${++tables}`
  await dynamodbStore({ client, table }).migrate()
  return table
}

/** A table of another program, with this key: each attribute and its type. */
async function foreignTable(key: Record<string, string>): Promise<string> {
  const table = `foreign_${process.pid}_${Date.now()}_${++tables}`
  const methods: DynamodbClient = client
  await methods.createTable({
    TableName: table,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: Object.entries(key).map(([AttributeName, AttributeType]) => ({
      AttributeName,
      AttributeType,
    })),
    KeySchema: Object.keys(key).map((AttributeName, index) => ({ AttributeName, KeyType: ['HASH', 'RANGE'][index] })),
  })
  return table
}
const foreign = { code: 'store_misconfigured', message: expect.stringContaining('another key') }

describe(`on ${where}`, () => {
  const options: StoreChecksOptions = {
    async makeStore({ name: table, after }) {
      const store = dynamodbStore({ client, table })
      await store.migrate()
      after(() => client.deleteTable({ TableName: table }).catch(() => {}))
      return store
    },
    methods: ['list'],
  }
  const large = 'values: one of `maxValueBytes` is held whole'
  const checks = storeChecks({
    ...options,
    deviations: [{ check: large, reason: 'DynamoDB bounds a session to 400 KB, and the check asks for a megabyte' }],
  })
  const withinBound = storeChecks({ ...options, maxValueBytes: 390_000 }).filter(({ name }) => name === large)
  for (const { name, run } of [...checks, ...withinBound]) test(name, run)

  test('any sequence of calls answers as the model does', () =>
    expectLikeTheModel(async () => dynamodbStore({ client, table: await newTable() }), 20))

  test('a read, a change and an end are one call each; one that changes nothing writes nothing', async () => {
    const watched = watching(client)
    const store = dynamodbStore({ client: watched.client, table: await newTable() })
    const now = Date.now()
    const calls = async (act: () => unknown) => {
      watched.calls.length = 0
      await act()
      return watched.calls.map(({ name }) => name)
    }
    expect(await calls(() => store.create('a', record({ userId: null })))).toEqual(['putItem'])
    expect(await calls(() => store.read('a'))).toEqual(['getItem'])
    expect(await calls(() => store.patch('a', { now, set: { b: '2' }, when: { a: '1' } }))).toEqual(['updateItem'])
    expect(await calls(() => store.patch('a', { now, expiresAt: now + day }))).toEqual(['updateItem'])
    expect(await calls(() => store.patch('a', { now, set: {}, when: { a: '1' } }))).toEqual(['getItem'])
    expect(await calls(() => store.patch('a', { now, unset: ['a'], when: { a: '2' } }))).toEqual([
      'updateItem',
      'getItem',
    ])
    expect(await calls(() => store.patch('a', { now, userId: 'ann' }))).toEqual(['getItem', 'updateItem', 'updateItem'])
    expect(await calls(() => store.patch('a', { now, expiresAt: now + 2 * day }))).toEqual(['updateItem'])
    expect(await calls(() => store.delete('a'))).toEqual(['deleteItem', 'deleteItem'])
    for (const { name, input } of watched.calls) {
      if (name === 'getItem' || name === 'query') expect(input).toMatchObject({ ConsistentRead: true })
    }
  })

  test('an item says when the TTL may take it, and a move of the expiry sends no value', async () => {
    const table = await newTable()
    const watched = watching(client)
    const store = dynamodbStore({ client: watched.client, table })
    await store.create('a', record({ userId: null, expiresAt: 2_000_000_000_500 }))
    const item = async () => (await client.getItem({ TableName: table, Key: key('s#a', 'a') })).Item
    expect(await item()).toMatchObject({ expiresAt: { N: '2000000000500' }, reclaimAt: { N: '2000000301' } })
    await store.patch('a', { now: 0, expiresAt: 3_000_000_000_000 })
    expect((await item())?.reclaimAt).toEqual({ N: '3000000300' })
    expect(JSON.stringify(watched.calls.at(-1)?.input)).not.toContain('values')
  })

  test('the index names a session for as long as it lives, however far its expiry moves', async () => {
    const table = await newTable()
    const store = dynamodbStore({ client, table })
    const { expiresAt } = record()
    await store.create('a', record({ expiresAt }))
    const namedUntil = async (userId: string) => {
      const { Item } = await client.getItem({ TableName: table, Key: key(`u#${userId}`, 'a') })
      return Number(Item?.reclaimAt?.N) * 1000
    }
    for (const days of [1, 29, 31, 32, 400, 399, 2000]) {
      expect(await store.patch('a', { now: Date.now(), expiresAt: expiresAt + days * day })).toBe('applied')
      expect(await namedUntil('ann')).toBeGreaterThan(expiresAt + days * day)
    }
    expect(await store.patch('a', { now: Date.now(), userId: 'bob', expiresAt })).toBe('applied')
    expect(await namedUntil('bob')).toBeGreaterThan(expiresAt)
    expect(await store.patch('a', { now: Date.now(), expiresAt: expiresAt + 90 * day })).toBe('applied')
    expect(await namedUntil('bob')).toBeGreaterThan(expiresAt + 90 * day)
    await store.delete('a')
    expect(await namedUntil('bob')).toBeNaN()
  })

  test('moves of the expiry, sign-ins and sign-outs at the same time leave no session out of the index', async () => {
    const table = await newTable()
    const stores = [dynamodbStore({ client, table }), dynamodbStore({ client, table })]
    for (let round = 0; round < 10; round++) {
      const { expiresAt } = record()
      await stores[0]?.create(`a${round}`, record({ userId: null, expiresAt }))
      const patches = [
        { userId: 'ann' },
        { expiresAt: expiresAt + 40 * day },
        { userId: 'bob', expiresAt: expiresAt + 80 * day },
        { userId: null },
        { expiresAt: expiresAt + 200 * day },
      ]
      await Promise.all(patches.map((patch, n) => stores[n % 2]?.patch(`a${round}`, { now: Date.now(), ...patch })))
      const found = await stores[0]?.read(`a${round}`)
      if (!found?.userId) continue
      const entry = { TableName: table, Key: key(`u#${found.userId}`, `a${round}`), ConsistentRead: true }
      expect(Number((await client.getItem(entry)).Item?.reclaimAt?.N) * 1000).toBeGreaterThan(found.expiresAt)
    }
  })

  test('the index follows an expiry that moves while somebody signs in', async () => {
    const table = await newTable()
    const [now, later] = [Date.now(), Date.now() + 400 * day]
    const other = dynamodbStore({ client, table })
    let moves = 0
    const interrupted: DynamodbClient = Object.assign(Object.create(client), {
      async getItem(input: object) {
        const answer = await (client as DynamodbClient).getItem(input)
        if (++moves === 1) expect(await other.patch('a', { now, expiresAt: later })).toBe('applied')
        return answer
      },
    })
    await other.create('a', record({ userId: null }))
    expect(await dynamodbStore({ client: interrupted, table }).patch('a', { now, userId: 'ann' })).toBe('applied')
    expect(await other.read('a')).toMatchObject({ userId: 'ann', expiresAt: later })
    const { Item } = await client.getItem({ TableName: table, Key: key('u#ann', 'a') })
    expect(Number(Item?.reclaimAt?.N) * 1000).toBeGreaterThan(later)
  })

  test('what somebody else wrote into the table is no session, and does not hinder a listing', async () => {
    const table = await newTable()
    const store = dynamodbStore({ client, table })
    const kept = record()
    await store.create('ab', kept)
    await client.putItem({ TableName: table, Item: { pk: { S: 's#a' }, sk: { S: 'aa' }, values: { S: '{}' } } })
    const foreign = { values: {}, userId: null, createdAt: Number.NaN, expiresAt: Number.NaN }
    expect(await store.read('aa')).toEqual(foreign)
    expect(await store.patch('aa', { now: 0, when: { a: '1' } })).toBe('conflict')
    expect(await store.list?.({ limit: 5 })).toEqual([
      ['aa', foreign],
      ['ab', kept],
    ])
    expect(await store.delete('aa')).toBe(true)
  })

  test('a name that is unset twice is gone', async () => {
    const store = dynamodbStore({ client, table: await newTable() })
    await store.create('a', record())
    expect(await store.patch('a', { now: Date.now(), unset: ['a', 'b', 'a', 'b'] })).toBe('applied')
    expect((await store.read('a'))?.values).toEqual({})
  })

  test('more than DynamoDB gives at a time is listed whole', async () => {
    const store = dynamodbStore({ client, table: await newTable() })
    const ids = Array.from({ length: 7 }, (_, index) => `large-${index}`)
    for (const id of ids) await store.create(id, record({ values: { large: 'x'.repeat(350_000) } }))
    for (const page of [{ limit: 7 }, { limit: 100, userId: 'ann' }]) {
      expect((await store.list?.(page))?.map(([id]) => id)).toEqual(ids)
    }
  })

  test('a session beyond 400 KB is refused, and the one that was there stays', async () => {
    const store = dynamodbStore({ client, table: await newTable() })
    const tooLarge = { code: 'record_too_large', message: expect.stringContaining('400 KB') }
    await expect(store.create('a', record({ values: { a: 'x'.repeat(410_000) } }))).rejects.toMatchObject(tooLarge)
    await store.create('a', record({ values: { a: 'x'.repeat(300_000) } }))
    const patch = store.patch('a', { now: 0, set: { b: 'x'.repeat(200_000) } })
    await expect(patch).rejects.toMatchObject(tooLarge)
    expect(Object.keys((await store.read('a'))?.values ?? {})).toEqual(['a'])
  })

  test('200 values can change at a time and 100 be compared, and more are refused', async () => {
    const store = dynamodbStore({ client, table: await newTable() })
    const texts = (count: number, text: string) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`${'long name '.repeat(10)}${index}`, text]))
    await store.create('a', record({ values: texts(100, '1') }))
    const now = Date.now()
    expect(await store.patch('a', { now, set: texts(200, '2'), when: texts(100, '1') })).toBe('applied')
    expect(await store.patch('a', { now, unset: Object.keys(texts(200, '')) })).toBe('applied')
    for (const patch of [{ set: texts(201, '1') }, { set: { a: '1' }, when: texts(101, '1') }]) {
      await expect(store.patch('a', { now, ...patch })).rejects.toMatchObject({ code: 'record_too_large' })
    }
  })

  test('a write whose answer was lost, and which the client therefore sent twice, is known again', async () => {
    const table = await newTable()
    const twice =
      <Output>(call: (input: object) => Promise<Output>) =>
      async (input: object) => {
        await call.call(client, input)
        return call.call(client, input)
      }
    const methods: DynamodbClient = client
    const sendingTwice = Object.assign(Object.create(client), {
      putItem: twice(methods.putItem),
      updateItem: twice(methods.updateItem),
    })
    const store = dynamodbStore({ client: sendingTwice, table })
    expect(await store.create('a', record({ values: { count: '0' } }))).toBe(true)
    expect(await store.patch('a', { now: Date.now(), set: { count: '1' }, when: { count: '0' } })).toBe('applied')
    expect(await dynamodbStore({ client, table }).create('a', record())).toBe(false)
    expect((await store.read('a'))?.values).toEqual({ count: '1' })
  })

  test('a change that the client sent twice, with another between, is not told to have been refused', async () => {
    const table = await newTable()
    const other = dynamodbStore({ client, table })
    const now = Date.now()
    await other.create('a', record({ values: { count: '0', stock: '5' } }))
    const resending = losingAnAnswer(() => other.patch('a', { now, set: { stock: '4' } }))
    const patch = dynamodbStore({ client: resending, table }).patch('a', {
      now,
      set: { count: '1' },
      when: { count: '0' },
    })
    await expect(patch).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('may have been made'),
    })
    expect((await other.read('a'))?.values).toEqual({ count: '1', stock: '4' })
  })

  test('an end that the client sent twice is told to have been made', async () => {
    const table = await newTable()
    const store = dynamodbStore({ client: losingAnAnswer(() => {}), table })
    await dynamodbStore({ client, table }).create('a', record())
    expect(await store.delete('a')).toBe(true)
    expect(await store.delete('a')).toBe(false)
  })

  test('`migrate` makes the table and its TTL, as often and from as many processes as it is called', async () => {
    const table = `migrated_${process.pid}_${Date.now()}`
    const store = dynamodbStore({ client, table })
    await Promise.all([store.migrate(), store.migrate(), dynamodbStore({ client, table }).migrate()])
    await store.migrate()
    const { TimeToLiveDescription } = await client.describeTimeToLive({ TableName: table })
    expect(TimeToLiveDescription).toMatchObject({ AttributeName: 'reclaimAt', TimeToLiveStatus: 'ENABLED' })
    expect(await store.read('a')).toBe(null)
  })

  test('`migrate` waits until a table that is being dropped is gone, and makes it anew', async () => {
    const { client, stop } = await startDynamodb({ deleteTableMs: 1000 })
    onTestFinished(stop)
    const table = `dropped_${process.pid}_${Date.now()}`
    const store = dynamodbStore({ client, table })
    await store.migrate()
    await store.create('a', record())
    await client.deleteTable({ TableName: table })
    await store.migrate()
    expect(await store.read('a')).toBe(null)
    expect(await store.create('a', record())).toBe(true)
    await client.deleteTable({ TableName: table })
  })

  test('`migrate` does not wait for a table that is being changed, and not for ever for one that is being made', async () => {
    const table = await newTable()
    const { Table } = await client.describeTable({ TableName: table })
    const describeTable = vi.fn(async () => ({ Table: { ...Table, TableStatus: 'UPDATING' } }))
    const store = dynamodbStore({ client: Object.assign(Object.create(client), { describeTable }), table })
    await store.migrate()
    expect(describeTable).toHaveBeenCalledOnce()
    describeTable.mockResolvedValue({ Table: { ...Table, TableStatus: 'CREATING' } })
    const now = vi.spyOn(performance, 'now')
    onTestFinished(() => now.mockRestore())
    now.mockImplementation(() => describeTable.mock.calls.length * 25_000)
    await expect(store.migrate()).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('still CREATING after a minute'),
    })
  })

  test('`migrate` does not pass where nothing would remove what expired', async () => {
    const table = await newTable()
    const withTimeToLive = (...states: object[]) => {
      const describeTimeToLive = async () => ({ TimeToLiveDescription: states.length > 1 ? states.shift() : states[0] })
      const refusal = Object.assign(new Error('it was modified lately'), { name: 'ValidationException' })
      const updateTimeToLive = () => Promise.reject(refusal)
      return dynamodbStore({
        client: Object.assign(Object.create(client), { describeTimeToLive, updateTimeToLive }),
        table,
      })
    }
    const ours = { TimeToLiveStatus: 'ENABLING', AttributeName: 'reclaimAt' }
    const theirs = { TimeToLiveStatus: 'ENABLED', AttributeName: 'ttl' }
    const off = { TimeToLiveStatus: 'DISABLED' }
    await withTimeToLive(ours).migrate()
    // Another process was quicker.
    await withTimeToLive(off, ours).migrate()
    const misconfigured = { code: 'store_misconfigured', message: expect.stringMatching(/"ttl".*"reclaimAt"/) }
    await expect(withTimeToLive(theirs).migrate()).rejects.toMatchObject(misconfigured)
    await expect(withTimeToLive(off, theirs).migrate()).rejects.toMatchObject(misconfigured)
    await expect(withTimeToLive({ ...ours, TimeToLiveStatus: 'DISABLING' }).migrate()).rejects.toMatchObject({
      code: 'store_misconfigured',
      message: expect.stringContaining('cannot turn on the TTL'),
    })
  })

  test('`migrate` by a role that may not look at the table fails with an explanation', async () => {
    const denying: DynamodbClient = Object.assign(Object.create(client), {
      createTable: async () => ({}),
      describeTable: () => Promise.reject(Object.assign(new Error('no'), { name: 'AccessDeniedException' })),
    })
    const migration = dynamodbStore({ client: denying }).migrate()
    await expect(migration).rejects.toMatchObject({
      code: 'store_misconfigured',
      message: expect.stringContaining('may not'),
    })
  })

  test('a table that is missing, or another program’s, is an error that says so', async () => {
    const store = dynamodbStore({ client, table: 'never_made' })
    const missing = { code: 'store_misconfigured', message: expect.stringContaining('migrate()') }
    await expect(store.read('a')).rejects.toMatchObject(missing)
    await expect(store.create('a', record())).rejects.toMatchObject(missing)
    const table = await foreignTable({ id: 'S' })
    // A table is there some time after it was made.
    await vi.waitFor(() => expect(dynamodbStore({ client, table }).read('a')).rejects.toMatchObject(foreign), 5000)
  })

  test.each([{ id: 'S' }, { pk: 'S' }, { pk: 'S', sk: 'N' }, { pk: 'S', id: 'S' }, { sk: 'S', pk: 'S' }])(
    '`migrate` leaves a table with the key %j as it is',
    async (key) => {
      const table = await foreignTable(key)
      await expect(dynamodbStore({ client, table }).migrate()).rejects.toMatchObject(foreign)
      const { TimeToLiveDescription } = await client.describeTimeToLive({ TableName: table })
      expect(TimeToLiveDescription?.TimeToLiveStatus).toBe('DISABLED')
    },
  )
})

test('an error of the service is passed on, and what a role may not do is explained', async () => {
  const failing = (name: string) => {
    const call = () => Promise.reject(Object.assign(new Error('no'), { name }))
    const methods = ['getItem', 'putItem', 'updateItem', 'deleteItem', 'query']
    return Object.fromEntries(methods.map((method) => [method, call])) as unknown as DynamodbClient
  }
  const throttled = dynamodbStore({ client: failing('ThrottlingException') })
  for (const call of [() => throttled.read('a'), () => throttled.create('a', record()), () => throttled.delete('a')]) {
    await expect(call()).rejects.toMatchObject({ name: 'ThrottlingException' })
  }
  const denied = dynamodbStore({ client: failing('AccessDeniedException') })
  await expect(denied.patch('a', { now: 0, set: { a: '1' } })).rejects.toMatchObject({ code: 'store_misconfigured' })
  const contended = dynamodbStore({
    client: Object.assign(Object.create(client), {
      updateItem: () => Promise.reject(Object.assign(new Error('no'), { name: 'ConditionalCheckFailedException' })),
      getItem: async () => ({
        Item: { createdAt: { N: '0' }, expiresAt: { N: '4e12' }, values: { M: {} }, mark: { S: '' } },
      }),
    }),
  })
  await expect(contended.patch('a', { now: 0, set: { a: '1' } })).rejects.toMatchObject({ code: 'contention' })
})

test.each([
  [undefined, '"client"'],
  [{ client: {} }, '"client"'],
  [{ client: new DynamoDBClient({ region: 'eu-west-1' }) }, 'not a DynamoDBClient'],
  [{ client: undefined, table: 'a' }, '"client"'],
])('the options %o are refused', (options, message) => {
  expect(() => dynamodbStore(options as unknown as DynamodbStoreOptions)).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
  )
})

test('an unknown option and an impossible table are refused', () => {
  const refusal = (message: string) =>
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) })
  expect(() => dynamodbStore({ client, ttl: 5 } as unknown as DynamodbStoreOptions)).toThrow(refusal('"ttl"'))
  expect(() => dynamodbStore({ client, table: 'a b' })).toThrow(refusal('"table"'))
})

const key = (pk: string, sk: string) => ({ pk: { S: pk }, sk: { S: sk } })

/** A genuine client which loses its first answer, and so sends the request again. */
function losingAnAnswer(meanwhile: () => unknown): DynamoDB {
  const { region, credentials } = client.config
  const losing = new DynamoDB({ endpoint: dynamodb.url, region, credentials })
  let isLost = false
  losing.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args)
      if (isLost) return answer
      isLost = true
      await meanwhile()
      throw Object.assign(new Error('no answer'), { name: 'TimeoutError' })
    },
    { step: 'deserialize' },
  )
  return losing
}

/** A client that remembers what was asked of it. */
function watching(client: DynamodbClient) {
  const calls: { name: string; input: object }[] = []
  const watched = (name: keyof DynamodbClient) => (input: object) => {
    calls.push({ name, input })
    return client[name](input)
  }
  const names = ['getItem', 'putItem', 'updateItem', 'deleteItem', 'query'] as const
  const methods = Object.fromEntries(names.map((name) => [name, watched(name)]))
  return { calls, client: Object.assign(Object.create(client), methods) as DynamodbClient }
}

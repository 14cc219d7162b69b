import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster as IoCluster, Redis as IoRedis } from 'ioredis'
import { Cluster as ValkeyCluster, type Redis as ValkeyRedis } from 'iovalkey'
import type * as redis from 'redis'
import { createClient, createClientPool, createCluster, createSentinel, RESP_TYPES } from 'redis'
import type * as redis5 from 'redis5'
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { describeWith } from '../../test/harness/describe-with.js'
import { startProxy, type TcpProxy } from '../../test/harness/proxy.js'
import {
  type RedisCluster,
  type RedisSentinel,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  startValkey,
} from '../../test/harness/redis.js'
import type { Server } from '../../test/harness/server.js'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { connectRedis, type Library, libraries, type Place } from '../../test/stores/redis-clients.js'
import { storeChecks } from '../conformance/store.js'
import { createSessions } from '../core/sessions.js'
import type { SessionRecord, SessionStore } from '../core/store.js'
import { openStore } from './open.js'
import { runScript } from './redis/client.js'
import { listen } from './redis/listen.js'
import { publish } from './redis/scripts.js'
import type { Run } from './redis/user-index.js'
import { type NodeRedisClient, type RedisClient, redisStore } from './redis.js'

const day = 24 * 60 * 60 * 1000

const stores = new URL('../../docs/stores.md', import.meta.url)

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  values: { kept: '1' },
  userId: null,
  createdAt: Date.now(),
  expiresAt: Date.now() + day,
  ...change,
})

/** Connects, and closes the client when the test is over. */
async function connected(library: Library, place: Place): Promise<RedisClient> {
  const { client, close } = await connectRedis(library, place)
  onTestFinished(close)
  return client
}

/** To look behind the store's back. */
async function administer(server: { url: string }) {
  const client = createClient({ url: server.url })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.destroy())
  return (...command: string[]) => client.sendCommand(command) as Promise<unknown>
}

/** What Redis 6 does with errors in a script: what `pcall` catches has words before it, and what `error` throws is text. */
const redis6 = `
local catch, throw = pcall, error
local function pcall(...)
  local isDone, outcome = catch(...)
  return isDone, isDone and outcome or '@user_script: 69: -' .. outcome
end
local function error(what) throw('@user_script: 69: ' .. what) end
`

const dialects: [title: string, speaking: (client: NodeRedisClient) => NodeRedisClient][] = [
  ['Redis 7', (client) => client],
  [
    'as Redis 6 words it',
    (client) => ({
      eval: (text, call) => client.eval(redis6 + text, call),
      evalSha: () => Promise.reject(new Error('NOSCRIPT')),
    }),
  ],
]

const idsOf = async (store: SessionStore, page: { userId?: string; limit?: number } = {}) =>
  ((await store.list?.({ limit: 100, ...page })) ?? []).map(([id]) => id)

let prefixes = 0
const freshPrefix = () => `test-${process.pid}-${Date.now()}-${++prefixes}:`

const topologies = {
  async 'one server'() {
    const server = await startRedis()
    return { place: { url: server.url }, stop: () => server.stop() }
  },
  async Valkey() {
    const server = await startValkey()
    return { place: { url: server.url }, stop: () => server.stop() }
  },
  async 'a cluster'() {
    const cluster = await startRedisCluster()
    return { place: { cluster: cluster.nodes.map(({ url }) => url) }, stop: () => cluster.stop() }
  },
  async sentinels() {
    const watched = await startRedisSentinel()
    return { place: placeOf(watched), stop: () => watched.stop() }
  },
} satisfies Record<string, () => Promise<{ place: Place; stop(): Promise<void> }>>

function placeOf(watched: RedisSentinel): Place {
  return { sentinels: watched.sentinels.map(({ url }) => url), name: watched.name }
}

/** A sentinel of `redis` 5 has no `duplicate`. */
const canWatch = (library: Library, topology: string) => library !== 'redis5' || topology !== 'sentinels'

await describeWith(['redis', 'valkey'], 'the contract', () => {
  for (const [topology, start] of Object.entries(topologies)) {
    describe(topology, () => {
      let server: { place: Place; stop(): Promise<void> }
      beforeAll(async () => {
        server = await start()
      })
      afterAll(() => server.stop())

      describe.each(libraries)('%s', (library) => {
        let connection: { client: RedisClient; close(): Promise<void> }
        beforeAll(async () => {
          connection = await connectRedis(library, server.place)
        })
        afterAll(() => connection.close())

        const checks = storeChecks({
          makeStore: ({ name }) => redisStore({ client: connection.client, prefix: `${name}:` }),
          methods: canWatch(library, topology) ? ['list', 'watch', 'close'] : ['list', 'close'],
        })
        for (const { name, run } of checks) test(name, run)

        test('any sequence of calls answers as the model does', () =>
          expectLikeTheModel(() => atPresent(redisStore({ client: connection.client, prefix: freshPrefix() })), 25))
      })
    })
  }
})

/** The model counts time from zero, which a server has long dropped; and it sweeps, which a server does by itself. */
function atPresent(store: SessionStore): SessionStore {
  const start = Date.now() + day
  const later = <T extends { createdAt?: number; expiresAt?: number; now?: number }>(times: T): T => {
    const moved = { ...times }
    for (const name of ['createdAt', 'expiresAt', 'now'] as const) {
      if (times[name] !== undefined) moved[name] = times[name] + start
    }
    return moved
  }
  const earlier = (record: SessionRecord): SessionRecord => ({
    ...record,
    createdAt: record.createdAt - start,
    expiresAt: record.expiresAt - start,
  })
  const list: NonNullable<SessionStore['list']> = async (page) =>
    ((await store.list?.(page)) ?? []).map(([id, record]) => [id, earlier(record)])
  return {
    async read(id) {
      const record = await store.read(id)
      return record && earlier(record)
    },
    create: (id, record) => store.create(id, later(record)),
    patch: (id, patch) => store.patch(id, later(patch)),
    delete: (id) => store.delete(id),
    list,
    async sweep(before, limit) {
      const expired = (await list({ limit: 100 })).filter(([, { expiresAt }]) => expiresAt <= before).slice(0, limit)
      for (const [id] of expired) await store.delete(id)
      return expired.length
    },
  }
}

await describeWith(['redis'], 'on one server', () => {
  let server: Server
  let prefix: string
  beforeAll(async () => {
    server = await startRedis({ own: true })
  })
  afterAll(() => server.stop())
  beforeEach(() => {
    prefix = freshPrefix()
  })

  test.each(libraries)('%s: goes on when the server forgets its scripts, and when it starts anew', async (library) => {
    const store = redisStore({ client: await connected(library, server), prefix })
    const admin = await administer(server)
    await store.create('a', record({ userId: 'ann' }))
    await admin('SCRIPT', 'FLUSH')
    expect(await store.patch('a', { now: Date.now(), set: { b: '2' }, userId: 'bob' })).toBe('applied')
    await admin('SCRIPT', 'FLUSH')
    expect(await store.read('a')).toMatchObject({ values: { kept: '1', b: '2' }, userId: 'bob' })
    await admin('SCRIPT', 'FLUSH')
    expect(await idsOf(store, { userId: 'bob' })).toEqual(['a'])
    await server.restart()
    await expect
      .poll(() => Promise.resolve(store.create('a', record())).catch(() => null), { timeout: 10_000 })
      .toBe(true)
  })

  test('a call is one round trip, and two where the user changes', async () => {
    const { client, calls } = counted((await connected('redis', server)) as NodeRedisClient)
    const store = redisStore({ client, prefix })
    const scripts = ['read', 'create', 'patch', 'delete'] as const
    const callOf = {
      read: (id: string) => store.read(id),
      create: (id: string) => store.create(id, record()),
      patch: (id: string) => store.patch(id, { now: 0, set: { a: '1' }, unset: ['b'], expiresAt: Date.now() + day }),
      delete: (id: string) => store.delete(id),
    }
    for (const name of scripts) await callOf[name]('warm')
    await store.create('warm', record({ userId: 'ann' }))
    await callOf.delete('warm')
    const costs: Record<string, number> = {}
    const cost = async (name: string, call: () => unknown) => {
      const before = calls()
      await call()
      costs[name] = calls() - before
    }
    await cost('create', () => callOf.create('a'))
    await cost('read', () => callOf.read('a'))
    await cost('patch', () => callOf.patch('a'))
    await cost('signIn', () => store.patch('a', { now: 0, userId: 'ann', set: { token: '1' } }))
    await cost('patch of a user', () => callOf.patch('a'))
    await cost('create with a user', () => store.create('b', record({ userId: 'ann' })))
    await cost('delete', () => callOf.delete('a'))
    expect(costs).toEqual({
      create: 1,
      read: 1,
      patch: 1,
      signIn: 2,
      'patch of a user': 1,
      'create with a user': 2,
      delete: 2,
    })
  })

  test('changes of one turn share a round trip, in their order, and each has its own outcome', async () => {
    const { client, calls } = counted((await connected('redis', server)) as NodeRedisClient)
    const store = redisStore({ client, prefix })
    const admin = await administer(server)
    await Promise.all(['a', 'b', 'expired'].map((id) => store.create(id, record({ values: { token: '1' } }))))
    await store.patch('expired', { now: 0, expiresAt: 10 })
    await admin('SET', `${prefix}session:not-ours`, 'hello')
    const before = calls()
    const change = (id: string, token: string) =>
      store.patch(id, {
        now: 20,
        when: { token },
        set: { token: `${Number(token) + 1}`, [`after ${token}`]: '"\u0000é😀"' },
      })
    const outcomes = await Promise.allSettled([
      change('a', '1'),
      change('a', '1'),
      change('not-ours', '1'),
      change('b', '7'),
      change('expired', '1'),
      change('absent', '1'),
      change('a', '2'),
    ])
    expect(calls() - before).toBe(1)
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason.code))).toEqual([
      'applied',
      'conflict',
      'store_misconfigured',
      'conflict',
      'absent',
      'absent',
      'applied',
    ])
    expect((await store.read('a'))?.values).toEqual({ token: '3', 'after 1': '"\u0000é😀"', 'after 2': '"\u0000é😀"' })
    expect((await store.read('b'))?.values).toEqual({ token: '1' })
    expect(await admin('GET', `${prefix}session:not-ours`)).toBe('hello')
  })

  test('what others wrote among the sessions can be ended, and among the users keeps nobody out', async () => {
    const store = redisStore({ client: await connected('redis', server), prefix })
    const admin = await administer(server)
    await admin('HSET', `${prefix}session:odd`, 'expiresAt', 'never')
    expect(await store.delete('odd')).toBe(true)
    expect(await store.delete('odd')).toBe(false)
    await store.create('a', record({ userId: 'ann' }))
    const [set] = (await admin('KEYS', `${prefix}users:*`)) as [string]
    await admin('ZADD', set, '0', 'no entry', '0', 'nor\0this')
    expect(await store.create('b', record({ userId: 'ann' }))).toBe(true)
    expect(await idsOf(store, { userId: 'ann' })).toEqual(['a', 'b'])
  })

  test.each(dialects)(
    'that a server became a replica is told to the client itself, which can look for the primary (%s)',
    async (_, speaking) => {
      const given = speaking((await connected('redis', server)) as NodeRedisClient)
      const refused: unknown[] = []
      const noting = (error: Error) => {
        if (!error.message.startsWith('NOSCRIPT')) refused.push(error)
        throw error
      }
      const client: NodeRedisClient = {
        eval: (text, call) => given.eval(text, call).catch(noting),
        evalSha: (sha, call) => given.evalSha(sha, call).catch(noting),
      }
      const store = redisStore({ client, prefix })
      const admin = await administer(server)
      for (const id of ['a', 'b']) await store.create(id, record())
      await admin('REPLICAOF', '127.0.0.1', '1')
      onTestFinished(async () => void (await admin('REPLICAOF', 'NO', 'ONE')))
      const changes = await Promise.allSettled(['a', 'b'].map((id) => store.patch(id, { now: 0, set: { a: '1' } })))
      const isReadOnly = expect.objectContaining({ message: expect.stringMatching(/^READONLY/) })
      expect(refused).toEqual([isReadOnly])
      expect(changes.map((change) => change.status === 'rejected' && change.reason)).toEqual([isReadOnly, isReadOnly])
    },
  )

  test('what others keep among the sessions, under names that no session has, is not listed', async () => {
    const store = redisStore({ client: await connected('redis', server), prefix })
    const sessions = createSessions({ store })
    const admin = await administer(server)
    for (const name of ['~', '0:1', 'é', '', 'x'.repeat(129)]) await admin('SET', `${prefix}session:${name}`, 'hello')
    await admin('HSET', `${prefix}session:a:b`, 'name', 'Ann')
    const made: string[] = []
    for (let count = 0; count < 5; count++) made.push((await sessions.create({ userId: 'ann' })).session.id)
    const listed: string[] = []
    for (let after: string | undefined, pages = 0; pages < 5; pages++) {
      const page = await sessions.list({ limit: 2, ...(after !== undefined && { after }) })
      listed.push(...page.sessions.map(({ id }) => id))
      if (page.next === null) break
      after = page.next
    }
    expect(listed).toEqual(made.sort())
    // What could be the name of one is told.
    await admin('SET', `${prefix}session:b`, 'hello')
    await expect(sessions.list()).rejects.toMatchObject({ code: 'store_misconfigured' })
  })

  test('the server drops a record five minutes after it expired', async () => {
    const store = redisStore({ client: await connected('redis', server), prefix })
    const admin = await administer(server)
    const before = record()
    await store.create('a', before)
    expect(await admin('PEXPIRETIME', `${prefix}session:a`)).toBe(before.expiresAt + 300_000)
    await store.patch('a', { now: 0, expiresAt: before.expiresAt + day })
    expect(await admin('PEXPIRETIME', `${prefix}session:a`)).toBe(before.expiresAt + day + 300_000)
    await store.patch('a', { now: 0, set: { b: '1' }, userId: 'ann' })
    expect(await admin('PEXPIRETIME', `${prefix}session:a`)).toBe(before.expiresAt + day + 300_000)
  })

  describe('the index of users', () => {
    const longAgo = Date.now() - 61_000
    const setOf = async (admin: Awaited<ReturnType<typeof administer>>) => {
      const [key] = (await admin('KEYS', `${prefix}users:*`)) as string[]
      return key as string
    }

    test('is healed by a listing, but for what may be under way', async () => {
      const store = redisStore({ client: await connected('redis', server), prefix })
      const admin = await administer(server)
      for (const id of ['a', 'b', 'c', 'd']) await store.create(id, record({ userId: 'ann' }))
      const set = await setOf(admin)
      for (const gone of ['b', 'c']) await admin('DEL', `${prefix}session:${gone}`)
      await admin('ZADD', set, '0', `ann\0aa\0${longAgo}`, '0', `ann\0d\0${longAgo}`, '0', `ann\0z\0${Date.now()}`)
      expect(await idsOf(store, { userId: 'ann', limit: 1 })).toEqual(['a'])
      expect(await idsOf(store, { userId: 'ann' })).toEqual(['a', 'd'])
      const left = ((await admin('ZRANGE', set, '0', '-1')) as string[]).map((entry) => entry.split('\0')[1])
      // What expired is as young as what lives, and stays a minute.
      expect(left).toEqual(['a', 'b', 'c', 'd', 'z'])
    })

    test('holds no more than what lives, once sessions were ended or changed hands', async () => {
      const store = redisStore({ client: await connected('redis', server), prefix })
      const admin = await administer(server)
      for (let index = 0; index < 20; index++) {
        const id = `${index}`
        await store.create(id, record({ userId: 'ann' }))
        await store.create(id, record({ userId: 'ann' }))
        await store.patch(id, { now: 0, userId: 'ann', when: { kept: null } })
        await store.patch(id, { now: Date.now() + 2 * day, userId: 'ann' })
        await store.patch(id, { now: 0, userId: 'ann', set: { again: '1' } })
        if (index % 4 === 0) await store.delete(id)
        if (index % 4 === 1) await store.patch(id, { now: 0, userId: null })
        if (index % 4 === 2) await store.patch(id, { now: 0, userId: 'bob' })
      }
      expect(await admin('ZCARD', await setOfUser('ann'))).toBe(5)
      expect(await admin('ZCARD', await setOfUser('bob'))).toBe(5)
    })

    test('sheds the sessions that expired while others sign in', async () => {
      const store = redisStore({ client: await connected('redis', server), prefix })
      const admin = await administer(server)
      await store.create('first', record({ userId: 'ann' }))
      const set = await setOf(admin)
      for (let index = 0; index < 200; index++) await admin('ZADD', set, '0', `ann\0gone-${index}\0${longAgo}`)
      for (let index = 0; index < 150; index++) await store.create(`${index}`, record({ userId: 'ann' }))
      expect(Number(await admin('ZCARD', set)) - 151).toBeLessThan(75)
      expect(await idsOf(store, { userId: 'ann', limit: 1000 })).toHaveLength(151)
      expect(await admin('ZCARD', set)).toBe(151)
    })

    test.each(dialects)(
      'names a session before the session names its user, and a record that comes late is refused (%s)',
      async (_, speaking) => {
        const client = speaking((await connected('redis', server)) as NodeRedisClient)
        const admin = await administer(server)
        // As if a minute went by, at the server, between the entry and the record.
        const aged = (reply: unknown) =>
          Array.isArray(reply) && /^\d{13}$/.test(String(reply[0])) ? [`${longAgo}`] : reply
        const slow: NodeRedisClient = {
          eval: (text, given) => client.eval(text, given).then(aged),
          evalSha: (sha, given) => client.evalSha(sha, given).then(aged),
        }
        const store = redisStore({ client: slow, prefix })
        const refused = { code: 'store_unavailable', message: expect.stringContaining('too late') }
        await redisStore({ client, prefix }).create('a', record())
        await redisStore({ client, prefix }).create('warm', record({ userId: 'ann' }))
        await expect(store.create('b', record({ userId: 'ann' }))).rejects.toMatchObject(refused)
        await expect(store.patch('a', { now: 0, userId: 'ann', set: { late: '1' } })).rejects.toMatchObject(refused)
        expect(await store.read('b')).toBeNull()
        expect(await store.read('a')).toMatchObject({ userId: null, values: { kept: '1' } })
        expect(await admin('ZCARD', await setOfUser('ann'))).toBe(3)
      },
    )

    test('keeps the entry of a session whose sign-in a client sent twice', async () => {
      const client = (await connected('redis', server)) as NodeRedisClient
      const twice: NodeRedisClient = {
        eval: (text, given) => client.eval(text, given),
        async evalSha(sha, given) {
          // Of the scripts that are called here, only that of a patch has so many arguments.
          if ((given.arguments?.length ?? 0) > 4) await client.evalSha(sha, given)
          return client.evalSha(sha, given)
        },
      }
      const once = redisStore({ client, prefix })
      await once.create('a', record())
      await once.patch('a', { now: 0, set: { warm: '1' } })
      const store = redisStore({ client: twice, prefix })
      await store.patch('a', { now: 0, userId: 'ann' })
      await store.patch('a', { now: 0, userId: 'ann', set: { again: '1' } })
      expect(await idsOf(store, { userId: 'ann' })).toEqual(['a'])
    })

    /** The set that a user is in. */
    async function setOfUser(userId: string): Promise<string> {
      const admin = await administer(server)
      for (const key of (await admin('KEYS', `${prefix}users:*`)) as string[]) {
        const entries = (await admin('ZRANGE', key, '0', '-1')) as string[]
        if (entries.some((entry) => entry.startsWith(`${userId}\0`))) return key
      }
      throw new Error(`${userId} is in no set`)
    }
  })

  test('a key that something else uses, and a server that does not let us, are errors that say so', async () => {
    const store = redisStore({ client: await connected('redis', server), prefix })
    const admin = await administer(server)
    await admin('SET', `${prefix}session:a`, 'hello')
    const inUse = { code: 'store_misconfigured', message: expect.stringContaining('"prefix"') }
    await expect(store.read('a')).rejects.toMatchObject(inUse)
    await expect(store.patch('a', { now: 0, set: { a: '1' } })).rejects.toMatchObject(inUse)
    await expect(store.delete('a')).rejects.toMatchObject(inUse)
    expect(await admin('GET', `${prefix}session:a`)).toBe('hello')

    await admin('ACL', 'SETUSER', 'reader', 'reset', 'on', '>secret', '~*', '+evalsha', '+eval', '+hgetall', '+info')
    const url = server.url.replace('//', '//reader:secret@')
    const limited = redisStore({ client: await connected('ioredis', { url }), prefix })
    const notAllowed = { code: 'store_misconfigured', message: expect.stringContaining('does not allow') }
    expect(await limited.read('b')).toBeNull()
    await expect(limited.create('b', record())).rejects.toMatchObject(notAllowed)
  })

  const databases = libraries.flatMap((library) => [0, 1].map((database) => [library, database] as const))
  test.each(databases)(
    '%s: works on database %i for a user who may do no more than the document says',
    async (library, database) => {
      const admin = await administer(server)
      const rules = await documentedRules('sojourn:', prefix)
      if (database !== 0) rules.push(...(await furtherRules('another database than 0')))
      await admin('ACL', 'SETUSER', 'app', 'reset', ...rules)
      const url = `${server.url.replace('//', '//app:secret@')}/${database}`
      const store = redisStore({ client: await connected(library, { url }), prefix })
      const ended: (string | null)[] = []
      await store.watch?.((id) => void ended.push(id))
      await store.create('a', record({ userId: 'ann' }))
      await store.patch('a', { now: 0, userId: 'bob', set: { a: '1' }, unset: ['kept'], when: { kept: '1' } })
      expect(await store.read('a')).toMatchObject({ values: { a: '1' }, userId: 'bob' })
      expect(await idsOf(store)).toEqual(['a'])
      expect(await idsOf(store, { userId: 'bob' })).toEqual(['a'])
      expect(await store.delete('a')).toBe(true)
      await expect.poll(() => ended).toEqual(['a'])
      await store.close?.()
    },
  )

  test.each(['redis', 'valkey'])(
    '%s: a store from a URL asks no more than the document allows either',
    async (scheme) => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      onTestFinished(() => void vi.useRealTimers())
      const admin = await administer(server)
      await admin('ACL', 'SETUSER', 'app', 'reset', ...(await documentedRules('sojourn:', prefix)))
      const connections = async () =>
        Number(/total_connections_received:(\d+)/.exec(String(await admin('INFO', 'stats')))?.[1])
      const store = await openStore(`${server.url.replace(/^\w+:\/\//, `${scheme}://app:secret@`)}?prefix=${prefix}`)
      const before = await connections()
      for (let beat = 0; beat < 12; beat++) {
        vi.advanceTimersByTime(2500)
        await delay(20)
      }
      expect(await connections()).toBe(before)
      expect(await store.create('a', record())).toBe(true)
      await store.close()
    },
  )

  describe('a client with options of its own', () => {
    const clients: Record<string, () => Promise<RedisClient>> = {
      async 'ioredis with a prefix before every key'() {
        const client = new IoRedis(server.url, { keyPrefix: 'a*[b]?:' })
        onTestFinished(() => client.disconnect())
        return client
      },
      async 'redis with a prefix before every key'() {
        const client = await createClient({ url: server.url, keyPrefix: 'a*[b]?:' }).connect()
        onTestFinished(() => client.destroy())
        return client
      },
      async 'redis that gives buffers'() {
        const client = await createClient({ url: server.url }).connect()
        onTestFinished(() => client.destroy())
        return client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
      },
      async 'redis that speaks the older protocol'() {
        const client = await createClient({ url: server.url, RESP: 2 }).connect()
        onTestFinished(() => client.destroy())
        return client
      },
      async 'a pool of redis'() {
        const pool = createClientPool({ url: server.url })
        await pool.connect()
        onTestFinished(() => pool.destroy())
        return pool
      },
      async 'ioredis that gathers commands in pipelines'() {
        const client = new IoRedis(server.url, { enableAutoPipelining: true })
        onTestFinished(() => client.disconnect())
        return client
      },
    }
    test.each(Object.keys(clients))('%s', async (name) => {
      const client = await (clients[name] as () => Promise<RedisClient>)()
      const store = redisStore({ client, prefix })
      const ended: (string | null)[] = []
      await store.watch?.((id) => void ended.push(id))
      const before = record({ userId: 'ann', values: { é: '"語"', __proto__: '1' } })
      await Promise.all([store.create('a', before), store.create('b', record())])
      expect(await store.read('a')).toEqual(before)
      expect(await store.patch('a', { now: 0, when: { é: '"e"' }, set: { c: '1' } })).toBe('conflict')
      expect(await idsOf(store, { limit: 1 })).toEqual(['a'])
      expect(await idsOf(store)).toEqual(['a', 'b'])
      expect(await idsOf(store, { userId: 'ann' })).toEqual(['a'])
      expect(await store.delete('a')).toBe(true)
      if (store.watch) await expect.poll(() => ended).toEqual(['a'])
      expect(await store.read('a')).toBeNull()
      await store.close?.()
    })
  })
})

await describeWith(['redis'], 'a server that is full', () => {
  const fill = '"'.padEnd(2000, 'x')
  const startFull = async (policy: string) => {
    const server = await startRedis({ own: true, args: ['--maxmemory', '4mb', '--maxmemory-policy', policy] })
    onTestFinished(() => server.stop())
    const store = redisStore({ client: await connected('redis', server) })
    return { store, admin: await administer(server) }
  }

  test('refuses a write whole, and still lets visitors log out', async () => {
    const { store, admin } = await startFull('noeviction')
    const before = record({ userId: 'ann', values: { kept: '1', gone: '1' } })
    await store.create('a', before)
    for (let index = 0; ; index++) {
      const created = await Promise.resolve(store.create(`${index}`, record({ values: { fill } }))).catch(() => null)
      if (created === null) break
    }
    await admin('CONFIG', 'SET', 'maxmemory', '1mb')
    const full = { message: expect.stringContaining('OOM') }
    await expect(store.patch('a', { now: 0, set: { b: '1' }, unset: ['gone'] })).rejects.toMatchObject(full)
    await expect(store.patch('a', { now: 0, expiresAt: 1, unset: ['gone'] })).rejects.toMatchObject(full)
    await expect(store.patch('a', { now: 0, userId: null, unset: ['gone'], set: { b: '1' } })).rejects.toMatchObject(
      full,
    )
    expect(await store.read('a')).toEqual(before)
    expect(await store.delete('a')).toBe(true)
    expect(await idsOf(store, { userId: 'ann' })).toEqual([])
  })

  test('and evicts what expires: a listing shows what is left, and all of it', async () => {
    const { store, admin } = await startFull('volatile-lru')
    const users = Array.from({ length: 20 }, (_, index) => `user ${index}`)
    const created = new Map(users.map((userId) => [userId, [] as string[]]))
    for (let index = 0; index < 3000; index++) {
      const userId = users[index % users.length] as string
      const id = `${index}`.padStart(4, '0')
      await store.create(id, record({ userId, values: { fill } }))
      created.get(userId)?.push(id)
    }
    expect(String(await admin('INFO', 'stats'))).toMatch(/evicted_keys:[1-9]\d{2}/)
    // No more is evicted between the two looks at it.
    await admin('CONFIG', 'SET', 'maxmemory', '100mb')
    let living = 0
    for (const userId of users) {
      const listed = await allIdsOf(store, userId)
      const alive = await Promise.all(
        (created.get(userId) ?? []).map(async (id) => ((await store.read(id)) ? [id] : [])),
      )
      expect(listed).toEqual(alive.flat())
      living += listed.length
    }
    expect(living).toBeGreaterThan(100)
    expect(living).toBeLessThan(2900)
  })

  test('and evicts anything: a listing by user is refused', async () => {
    const { store, admin } = await startFull('allkeys-lru')
    await store.create('a', record({ userId: 'ann' }))
    const refused = { code: 'unsupported', message: expect.stringContaining('maxmemory-policy') }
    await expect(store.list?.({ userId: 'ann', limit: 10 })).rejects.toMatchObject(refused)
    await admin('CONFIG', 'SET', 'maxmemory', '0')
    expect(await idsOf(store, { userId: 'ann' })).toEqual(['a'])
  })

  async function allIdsOf(store: SessionStore, userId: string): Promise<string[]> {
    const ids: string[] = []
    for (;;) {
      const after = ids.at(-1)
      const page = await store.list?.({ userId, limit: 7, ...(after !== undefined && { after }) })
      ids.push(...(page ?? []).map(([id]) => id))
      if ((page?.length ?? 0) < 7) return ids
    }
  }
})

await describeWith(['redis'], 'a server that is restarted', () => {
  test.each(['redis', 'ioredis'] as const)(
    'in the middle of a list of all, through %s: the list is refused',
    async (library) => {
      const server = await startRedis({ own: true, durable: true })
      onTestFinished(() => server.stop())
      const client = await connected(library, server)
      const store = redisStore({ client })
      const ids = Array.from({ length: 3000 }, (_, index) => `${index}`.padStart(4, '0'))
      await Promise.all(ids.map((id) => store.create(id, record())))
      const methods = client as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>
      const name = library === 'redis' ? 'evalSha' : 'evalsha'
      const run = methods[name] as (...given: unknown[]) => Promise<unknown>
      let isRestarted = false
      methods[name] = async (...given) => {
        const reply = await Reflect.apply(run, client, given)
        if (!isRestarted && Array.isArray(reply) && Array.isArray(reply[1])) {
          isRestarted = true
          await server.kill()
          await server.restart()
        }
        return reply
      }
      const refused = { code: 'store_unavailable', message: expect.stringContaining('restarted or replaced') }
      await expect(store.list?.({ limit: 5000 })).rejects.toMatchObject(refused)
      expect(isRestarted).toBe(true)
      expect((await store.list?.({ limit: 5000 }))?.map(([id]) => id)).toEqual(ids)
    },
  )
})

await describeWith(['redis'], 'a network that misbehaves', () => {
  let server: Server
  let proxy: TcpProxy
  let prefix: string
  beforeAll(async () => {
    server = await startRedis({ own: true })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    prefix = freshPrefix()
    proxy = await startProxy(server)
    return () => proxy.stop()
  })

  test.each(libraries)(
    '%s: a write whose answer was lost is an error, though the client sends it again',
    async (library) => {
      const store = redisStore({ client: await connected(library, proxy), prefix })
      const direct = redisStore({ client: await connected('redis', server), prefix })
      await store.create('a', record({ values: { count: '0' } }))
      await store.create('c', record())
      await store.patch('a', { now: 0, set: { count: '1' } })
      await store.delete('absent')
      proxy.dropReplies()
      const lost = [
        store.patch('a', { now: 0, set: { count: '2' }, when: { count: '1' } }),
        store.create('b', record()),
        store.delete('c'),
      ].map((write) => Promise.resolve(write).then(String, () => 'rejected'))
      await expect.poll(async () => (await direct.read('a'))?.values.count).toBe('2')
      await expect.poll(() => direct.read('b')).not.toBeNull()
      await expect.poll(() => direct.read('c')).toBeNull()
      proxy.cut()
      proxy.restore()
      expect(await Promise.all(lost)).toEqual(['rejected', 'rejected', 'rejected'])
      await expect.poll(() => store.read('a')).toMatchObject({ values: { count: '2' } })
    },
  )

  test.each(libraries)(
    '%s: a watcher whose connection broke listens again, and says that it may have missed some',
    async (library) => {
      const store = redisStore({ client: await connected(library, proxy), prefix })
      const direct = redisStore({ client: await connected('redis', server), prefix })
      for (const id of ['a', 'b', 'c']) await direct.create(id, record())
      const ended: (string | null)[] = []
      const stop = await store.watch?.((id) => void ended.push(id))
      await direct.delete('a')
      await expect.poll(() => ended).toEqual(['a'])
      proxy.cut()
      await direct.delete('b')
      await delay(200)
      proxy.restore()
      await expect.poll(() => ended, { timeout: 10_000 }).toEqual(['a', null])
      await direct.delete('c')
      await expect.poll(() => ended).toEqual(['a', null, 'c'])
      await stop?.()
    },
  )

  test.each(libraries)('%s: a watcher that hears nothing any more notices', async (library) => {
    const client = await connected(library, server)
    const deaf = await connected(library, proxy)
    const told: string[] = []
    const run = async (...[script, key, ...args]: Parameters<Run>) => runScript(client, script, [key], args)
    const stop = await listen({
      client: deaf,
      run,
      channel: `${prefix}ended`,
      heard: (id) => void told.push(id),
      missed: () => void told.push('missed'),
      heartbeat: 300,
    })
    await delay(1000)
    expect(told).toEqual([])
    proxy.dropReplies()
    await delay(700)
    proxy.restore()
    await expect.poll(() => told, { timeout: 15_000 }).toEqual(['missed'])
    await run(publish, prefix, `${prefix}ended`, 'a')
    await expect.poll(() => told).toEqual(['missed', 'a'])
    stop()
  })

  test.each(['enableOfflineQueue', 'openStore'])('a watcher listens where no call may wait (%s)', async (where) => {
    const client = new IoRedis(server.url, { enableOfflineQueue: false })
    onTestFinished(() => client.disconnect())
    const opened = await openStore(`${server.url.replace(/^redis:/, 'valkey:')}?prefix=${prefix}`)
    onTestFinished(() => opened.close())
    await expect.poll(() => client.status).toBe('ready')
    const store = where === 'openStore' ? opened : redisStore({ client, prefix })
    const ended: (string | null)[] = []
    const stop = await store.watch?.((id) => void ended.push(id))
    await store.create('a', record())
    await store.delete('a')
    await expect.poll(() => ended).toEqual(['a'])
    await stop?.()
  })

  test('close ends what watches', async () => {
    const store = redisStore({ client: await connected('redis', server), prefix })
    const before = proxy.connections
    const watching = redisStore({ client: await connected('ioredis', proxy), prefix })
    const told: (string | null)[] = []
    await watching.watch?.((id) => void told.push(id))
    await store.create('a', record())
    await watching.close?.()
    await store.delete('a')
    await expect.poll(() => proxy.connections).toBe(before + 1)
    expect(told).toEqual([])
  })

  test.each(libraries)('%s: close ends what is about to watch, too', async (library) => {
    const watching = redisStore({ client: await connected(library, proxy), prefix })
    const before = proxy.connections
    const begun = watching.watch?.(() => {})
    await watching.close?.()
    await begun
    await expect.poll(() => proxy.connections).toBe(before)
  })
})

await describeWith(['redis'], 'a cluster', () => {
  let cluster: RedisCluster
  let place: Place
  beforeAll(async () => {
    cluster = await startRedisCluster()
    place = { cluster: cluster.nodes.map(({ url }) => url) }
  })
  afterAll(() => cluster.stop())

  test.each(libraries)('%s: a client for a single server is told apart', async (library) => {
    const [node] = cluster.nodes
    const store = redisStore({ client: await connected(library, { url: node?.url ?? '' }), prefix: freshPrefix() })
    const reads = Array.from({ length: 20 }, (_, index) => store.read(`${index}`))
    const refused = { code: 'store_misconfigured', message: expect.stringContaining('createCluster()') }
    await expect(Promise.all(reads)).rejects.toMatchObject(refused)
  })

  test.each(libraries)('%s: a listing of all is refused while slots move, and nothing else is', async (library) => {
    const store = redisStore({ client: await connected(library, place), prefix: freshPrefix() })
    const ids = Array.from({ length: 30 }, (_, index) => `${index}`.padStart(2, '0'))
    for (const id of ids) await store.create(id, record({ userId: 'ann' }))
    const [from, to] = cluster.nodes as [Server, Server]
    const [source, target] = [await administer(from), await administer(to)]
    const targetId = String(await target('CLUSTER', 'MYID'))
    const slots = (await source('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
    const slot = String(slots.find(([, , [, port]]) => port === from.port)?.[0])
    await source('CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId)
    const refused = { code: 'store_unavailable', message: expect.stringContaining('moving slots') }
    await expect(store.list?.({ limit: 5 })).rejects.toMatchObject(refused)
    expect(await idsOf(store, { userId: 'ann' })).toEqual(ids)
    for (const id of ids) expect(await store.patch(id, { now: 0, set: { a: '1' } })).toBe('applied')
    await source('CLUSTER', 'SETSLOT', slot, 'STABLE')
    expect(await idsOf(store)).toEqual(ids)
  })

  test.each(libraries)('%s: what comes at the same time is done once, wherever it is', async (library) => {
    const store = redisStore({ client: await connected(library, place), prefix: freshPrefix() })
    const ids = Array.from({ length: 30 }, (_, index) => `${index}`)
    await Promise.all(ids.map((id) => store.create(id, record({ values: { count: '0' } }))))
    for (const count of [0, 1]) {
      const patch = { now: 0, when: { count: `${count}` }, set: { count: `${count + 1}` } }
      expect(new Set(await Promise.all(ids.map((id) => store.patch(id, patch))))).toEqual(new Set(['applied']))
    }
    const read = await Promise.all(ids.map((id) => store.read(id)))
    expect(new Set(read.map((session) => session?.values.count))).toEqual(new Set(['2']))
  })

  test.each([
    ['ioredis', IoCluster],
    ['iovalkey', ValkeyCluster as unknown as typeof IoCluster],
  ] as const)('%s: and where the client puts calls into pipelines by itself', async (_, Cluster) => {
    const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }))
    const client = new Cluster(nodes, { enableAutoPipelining: true })
    onTestFinished(() => client.disconnect())
    const store = redisStore({ client, prefix: freshPrefix() })
    const ids = Array.from({ length: 30 }, (_, index) => `${index}`)
    const created = ids.map((id) => store.create(id, record({ userId: id })))
    expect(new Set(await Promise.all(created))).toEqual(new Set([true]))
    const patched = ids.map((id) => store.patch(id, { now: 0, set: { a: '1' } }))
    expect(new Set(await Promise.all(patched))).toEqual(new Set(['applied']))
    const read = await Promise.all(ids.map((id) => store.read(id)))
    expect(read).toMatchObject(ids.map((id) => ({ userId: id, values: { a: '1' } })))
    expect(new Set(await Promise.all(ids.map((id) => store.delete(id))))).toEqual(new Set([true]))
  })

  test.each(libraries)('%s: and also while the slot that all are in moves', async (library) => {
    const tag = `moving-${prefixes++}`
    const store = redisStore({ client: await connected(library, place), prefix: `{${tag}}:` })
    const ids = ['a', 'b', 'c', 'd']
    await Promise.all(ids.map((id) => store.create(id, record({ values: { count: '0' } }))))
    const slot = String(await (await administer(cluster.nodes[0] as Server))('CLUSTER', 'KEYSLOT', tag))
    const count = async (node: Server) => Number(await (await administer(node))('CLUSTER', 'COUNTKEYSINSLOT', slot))
    const counts = await Promise.all(cluster.nodes.map(count))
    const from = cluster.nodes[counts.findIndex((keys) => keys > 0)] as Server
    const to = cluster.nodes.find((node) => node !== from) as Server
    const [source, target] = [await administer(from), await administer(to)]
    await target('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(await source('CLUSTER', 'MYID')))
    await source('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(await target('CLUSTER', 'MYID')))
    onTestFinished(async () => {
      await target('CLUSTER', 'SETSLOT', slot, 'STABLE')
      await source('CLUSTER', 'SETSLOT', slot, 'STABLE')
    })
    await source('MIGRATE', '127.0.0.1', `${to.port}`, `{${tag}}:session:b`, '0', '5000')
    const patch = { now: 0, when: { count: '0' }, set: { count: '1' } }
    expect(await Promise.all(ids.map((id) => store.patch(id, patch)))).toEqual(ids.map(() => 'applied'))
    const read = await Promise.all(ids.map((id) => store.read(id)))
    expect(read.map((session) => session?.values.count)).toEqual(ids.map(() => '1'))
  })
})

await describeWith(['redis'], 'a cluster that allows no more than the document says', () => {
  const credentials = { username: 'app', password: 'secret' }
  const clients = {
    async redis(nodes: readonly Server[]) {
      const client = createCluster({ rootNodes: nodes.map(({ url }) => ({ url })), defaults: credentials })
      client.on('error', () => {})
      await client.connect()
      onTestFinished(() => client.destroy())
      return client
    },
    async ioredis(nodes: readonly Server[]) {
      const client = new IoCluster(
        nodes.map(({ host, port }) => ({ host, port })),
        { redisOptions: credentials },
      )
      client.on('error', () => {})
      onTestFinished(() => client.disconnect())
      return client
    },
  }

  test('is enough', async () => {
    const cluster = await startRedisCluster()
    onTestFinished(() => cluster.stop())
    const inCluster = await furtherRules('a cluster')
    for (const node of cluster.nodes) {
      const admin = await administer(node)
      await admin('ACL', 'SETUSER', 'app', 'reset', ...(await documentedRules('sojourn:', 'sojourn:')), ...inCluster)
    }
    for (const [library, connect] of Object.entries(clients)) {
      const store = redisStore({ client: await connect(cluster.nodes) })
      const ended: (string | null)[] = []
      await store.watch?.((id) => void ended.push(id))
      const ids = Array.from({ length: 20 }, (_, index) => `${library}-${index + 10}`)
      for (const id of ids) await store.create(id, record({ userId: library }))
      expect(await idsOf(store, { userId: library })).toEqual(ids)
      expect(await idsOf(store)).toEqual(ids)
      for (const id of ids) expect(await store.delete(id)).toBe(true)
      await expect.poll(() => [...ended].sort()).toEqual(ids)
      await store.close?.()
    }
  })
})

await describeWith(['redis'], 'under Sentinel', () => {
  test('a client that sends reads to replicas reads from the primary all the same', async () => {
    const watched = await startRedisSentinel()
    onTestFinished(() => watched.stop())
    const client = createSentinel({
      name: watched.name,
      sentinelRootNodes: watched.sentinels.map(({ host, port }) => ({ host, port })),
      replicaPoolSize: 1,
    })
    client.on('error', () => {})
    await client.connect()
    onTestFinished(() => client.destroy())
    const store = redisStore({ client })
    await store.create('a', record())
    for (let index = 0; index < 10; index++) await store.read('a')
    const replica = await administer(watched.replica)
    expect(String(await replica('INFO', 'commandstats'))).not.toMatch(/cmdstat_eval/)
  })
})

test.each([
  [undefined, '"client" must be a client'],
  [{}, '"client" must be a client'],
  [{ client: {} }, '"client" must be a client'],
  [{ client: 'redis://localhost' }, '"client" must be a client'],
  [{ client: { evalSha() {} }, prefix: 1 }, '"prefix" must be text'],
  [{ client: { evalSha() {} }, prefix: '\ud800' }, '"prefix" must be text'],
  [{ client: { evalSha() {} }, ttl: 60 }, '"ttl" is not an option; there are "client" and "prefix"'],
])('refuses the options %j', (options, message) => {
  expect(() => redisStore(options as never)).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  expect(() => redisStore(options as never)).toThrow(message)
})

test('refuses what has the methods of a client and answers without promises', () => {
  const refused = { code: 'invalid_option', message: expect.stringContaining('"client" must be a client') }
  for (const client of [createClient().legacy(), new IoRedis({ lazyConnect: true }).pipeline()]) {
    expect(() => redisStore({ client: client as object as RedisClient })).toThrow(expect.objectContaining(refused))
  }
})

test('takes every kind of client as its library types it', () => {
  expectTypeOf<ReturnType<typeof redis.createClient>>().toExtend<RedisClient>()
  expectTypeOf<ReturnType<typeof redis.createClientPool>>().toExtend<RedisClient>()
  expectTypeOf<ReturnType<typeof redis.createCluster>>().toExtend<RedisClient>()
  expectTypeOf<ReturnType<typeof redis.createSentinel>>().toExtend<RedisClient>()
  expectTypeOf<ReturnType<typeof redis5.createClient>>().toExtend<RedisClient>()
  expectTypeOf<ReturnType<typeof redis5.createCluster>>().toExtend<RedisClient>()
  expectTypeOf<ReturnType<typeof redis5.createSentinel>>().toExtend<RedisClient>()
  expectTypeOf<IoRedis>().toExtend<RedisClient>()
  expectTypeOf<IoCluster>().toExtend<RedisClient>()
  expectTypeOf<ValkeyRedis>().toExtend<RedisClient>()
  expectTypeOf<ValkeyCluster>().toExtend<RedisClient>()
  expectTypeOf<Map<string, string>>().not.toExtend<RedisClient>()
})

/** The rules of docs/stores.md for a user that an app connects as, with the prefix of a test in place of the one there. */
async function documentedRules(documented: string, prefix: string): Promise<string[]> {
  const text = await readFile(stores, 'utf8')
  const rules = /ACL SETUSER app ([^`]+?)\n```/.exec(text)?.[1]
  if (rules === undefined) throw new Error('docs/stores.md has no ACL rules')
  return rules.replaceAll('\\\n', ' ').replaceAll(documented, prefix).trim().split(/\s+/)
}

/** What docs/stores.md adds to them for a place. */
async function furtherRules(place: string): Promise<string[]> {
  const text = await readFile(stores, 'utf8')
  const rules = new RegExp(`(?:In|With) ${place} also \`([^\`]+)\``).exec(text)?.[1]
  if (rules === undefined) throw new Error(`docs/stores.md has no ACL rules for ${place}`)
  return rules.split(' ')
}

/** A client that counts what it is asked. */
function counted(client: NodeRedisClient) {
  let count = 0
  const counting: NodeRedisClient = {
    evalSha(sha, given) {
      count++
      return client.evalSha(sha, given)
    },
    eval(text, given) {
      count++
      return client.eval(text, given)
    },
  }
  return { client: counting, calls: () => count }
}

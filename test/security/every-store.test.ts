import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSessions, type Sessions } from '../../src/core/sessions.js'
import type { Awaitable, SessionStore } from '../../src/core/store.js'
import { cookieStore } from '../../src/stores/cookie.js'
import { dynamodbStore } from '../../src/stores/dynamodb.js'
import { encrypted } from '../../src/stores/encrypted.js'
import { firestoreStore } from '../../src/stores/firestore.js'
import { memoryStore } from '../../src/stores/memory.js'
import { openStore } from '../../src/stores/open.js'
import { sqliteStore } from '../../src/stores/sqlite.js'
import { describeWith } from '../harness/describe-with.js'
import { startDynamodb } from '../harness/dynamodb.js'
import { firestoreClients } from '../harness/firestore.js'
import { startMariadb } from '../harness/mariadb.js'
import { startMemcached } from '../harness/memcached.js'
import { startMongodb } from '../harness/mongodb.js'
import { startPostgres } from '../harness/postgres.js'
import { startRedis } from '../harness/redis.js'
import type { Tool } from '../harness/tool.js'
import { secrets } from './stores.js'

interface Backend {
  readonly needs?: Tool
  /** Whether its list is consistent, so that `maxPerUser` is exact. */
  readonly isExact: boolean
  open(): Promise<{ store: SessionStore; close(): Awaitable<unknown> }>
}

const inProcess = (make: () => SessionStore): Backend => ({
  isExact: true,
  open: async () => ({ store: make(), close: () => {} }),
})

function onServer(needs: Tool | undefined, start: () => Promise<{ url: string; stop(): unknown }>, isExact: boolean) {
  return {
    ...(needs ? { needs } : {}),
    isExact,
    async open() {
      const server = await start()
      const tables = needs === 'postgres' || needs === 'mariadb' || needs === undefined
      const store = await openStore(
        `${server.url}${tables ? `${server.url.includes('?') ? '&' : '?'}migrate=true` : ''}`,
      )
      return {
        store,
        async close() {
          await store.close()
          await server.stop()
        },
      }
    },
  } satisfies Backend
}

const backends: { readonly [name: string]: Backend } = {
  memory: inProcess(memoryStore),
  SQLite: inProcess(() => sqliteStore(':memory:')),
  'encrypted memory': inProcess(() => encrypted(memoryStore(), { secrets })),
  Redis: onServer('redis', startRedis, true),
  PostgreSQL: onServer('postgres', startPostgres, true),
  MariaDB: onServer('mariadb', startMariadb, true),
  Memcached: onServer('memcached', startMemcached, false),
  'MongoDB, or its double': onServer(undefined, startMongodb, false),
  'DynamoDB, or its stand-in': {
    isExact: false,
    async open() {
      const { client, stop } = await startDynamodb()
      const store = dynamodbStore({ client, table: `security_${process.pid}_${Date.now()}` })
      await store.migrate()
      return { store, close: stop }
    },
  },
  'Firestore, or its stand-in': inProcess(() =>
    firestoreStore({ collection: firestoreClients()[8].collection(`security-${process.pid}-${Date.now()}`) }),
  ),
}

for (const [name, { needs, isExact, open }] of Object.entries(backends)) {
  await describeWith(needs ? [needs] : [], name, () => {
    let opened: Awaited<ReturnType<typeof open>>
    beforeAll(async () => {
      opened = await open()
    })
    afterAll(() => opened?.close())

    test('a renewal whose response was missed logs nobody out, and the old token is a sign of theft later', () =>
      renewalOn(opened.store))

    test('nor does the renewal of a session in a cookie that can be ended from there', () =>
      renewalOn(cookieStore({ secrets, revocation: { ...opened.store, close() {} } }), false))

    if (isExact) {
      test('maxPerUser is exact under parallel sign-ins of two processes', async () => {
        const maxPerUser = { limit: 2, whenFull: 'end-oldest' } as const
        const processes = [1, 2].map(() => createSessions({ store: { ...opened.store, close() {} }, maxPerUser }))
        const signIns = processes.flatMap((sessions) => [1, 2, 3].map(() => sessions.create({ userId: 'bob' })))
        await Promise.all(signIns)
        expect((await processes[0]?.list({ userId: 'bob' }))?.sessions).toHaveLength(2)
        for (const sessions of processes) await sessions.close()
      })
    } else {
      test('maxPerUser holds for sign-ins that follow each other, or is refused where nothing can be listed', async () => {
        const options = {
          store: { ...opened.store, close() {} },
          maxPerUser: { limit: 2, whenFull: 'refuse' },
        } as const
        if (!opened.store.list) {
          expect(() => createSessions(options)).toThrow(/maxPerUser needs a store that can list/)
          return
        }
        const sessions = createSessions(options)
        for (const _ of [1, 2]) await sessions.create({ userId: 'bob' })
        await expect(sessions.create({ userId: 'bob' })).rejects.toMatchObject({ code: 'session_limit', status: 409 })
        await sessions.close()
      })
    }
  })
}

async function renewalOn(store: SessionStore | ReturnType<typeof cookieStore>, isRepeated = true): Promise<void> {
  let now = Date.now()
  const sessions = createSessions({
    store: 'unseal' in store ? store : { ...store, close() {} },
    clock: () => now,
    lifetime: { renewal: { every: '1h', overlap: '30s' } },
  })
  const refused: string[] = []
  sessions.on('refused', ({ reason }) => refused.push(reason))
  const { cookie } = await sessions.create({ userId: 'alice' })
  now += 3_600_000
  const missed = await Promise.all([1, 2, 3].map(() => visit(sessions, cookie)))
  now += 1_800_000
  const again = await visit(sessions, cookie)
  expect([...missed, again].map(({ userId }) => userId)).toEqual(Array(4).fill('alice'))
  if (isRepeated) expect(new Set([...missed, again].map(({ cookie }) => cookie)).size).toBe(1)
  expect(again.cookie).not.toBe(cookie)
  expect((await visit(sessions, again.cookie)).userId).toBe('alice')
  now += 31_000
  expect((await visit(sessions, cookie)).userId).toBe(null)
  expect((await visit(sessions, again.cookie)).userId).toBe('alice')
  expect(refused).toEqual(['stale_token'])
  await sessions.close()
}

/** One request; tells whose it is, and the cookie that the client holds after it. */
async function visit(sessions: Sessions, cookie: string) {
  const session = await sessions.load({ cookie })
  const { userId } = session
  const [setCookie] = await sessions.commit(session)
  return { userId, cookie: setCookie?.split(';', 1)[0] ?? cookie }
}

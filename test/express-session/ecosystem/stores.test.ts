import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import MongoStore from 'connect-mongo'
import connectPgSimple from 'connect-pg-simple'
import pg from 'pg'
import { createClient } from 'redis'
import { describe, expect, test } from 'vitest'
import { describeWith } from '../../harness/describe-with.js'
import { startMariadb } from '../../harness/mariadb.js'
import { startMemcached } from '../../harness/memcached.js'
import { startPostgres } from '../../harness/postgres.js'
import { startRedis } from '../../harness/redis.js'
import type { Server } from '../../harness/server.js'
import { worksAsBefore } from './third-party-store.js'

const require = createRequire(import.meta.url)
let server: Server

for (const version of ['connect-redis9', 'connect-redis']) {
  const { RedisStore } = await import(version)
  await describeWith(['redis'], version, () => {
    let client: ReturnType<typeof createClient>
    worksAsBefore({
      make: () => new RedisStore({ client, prefix: `${version}:` }),
      async start() {
        server = await startRedis()
        client = createClient({ url: server.url })
        await client.connect()
      },
      async stop() {
        await client.close()
        await server.stop()
      },
    })
  })
}

await describeWith(['postgres'], 'connect-pg-simple', () => {
  let pool: pg.Pool
  worksAsBefore({
    make: (lib) =>
      new (connectPgSimple(lib))({
        pool,
        tableName: 'session_of_old',
        createTableIfMissing: true,
        pruneSessionInterval: false,
      }),
    async start() {
      server = await startPostgres()
      pool = new pg.Pool({ connectionString: server.url })
      pool.on('error', () => {}) // The server goes before its last connection does.
      await pool.query('DROP TABLE IF EXISTS session_of_old')
    },
    async stop() {
      await pool.query('DROP TABLE IF EXISTS session_of_old')
      await pool.end()
      await server.stop()
    },
  })
})

await describeWith(['mariadb'], 'express-mysql-session', () => {
  const stores: { close(): Promise<void> }[] = []
  worksAsBefore({
    make(lib) {
      const { hostname, port, username, password, pathname } = new URL(server.url)
      const MySQLStore = require('express-mysql-session')(lib)
      const store = new MySQLStore({
        host: hostname,
        port: Number(port),
        user: username,
        password,
        database: pathname.slice(1),
        schema: { tableName: 'sessions_of_old' },
      })
      stores.push(store)
      return store
    },
    async start() {
      server = await startMariadb()
    },
    async stop() {
      for (const store of stores) await store.close()
      await server.stop()
    },
  })
})

await describeWith(['memcached'], 'connect-memcached', () => {
  const stores: { client: { end(): void } }[] = []
  worksAsBefore({
    make(lib) {
      const MemcachedStore = require('connect-memcached')(lib)
      const store = new MemcachedStore({ hosts: [`${server.host}:${server.port}`], prefix: 'old-' })
      stores.push(store)
      return store
    },
    async start() {
      server = await startMemcached()
    },
    async stop() {
      for (const store of stores) store.client.end()
      await server.stop()
    },
  })
})

describe('memorystore', () => {
  const shared = new Map<unknown, unknown>()
  worksAsBefore({
    make(lib) {
      const Store = require('memorystore')(lib)
      const store = new Store({ checkPeriod: 86_400_000 })
      // One cache for both packages, as one process has it.
      if (shared.has('cache')) store.store = shared.get('cache')
      shared.set('cache', store.store)
      return store
    },
  })
})

describe('session-file-store', () => {
  let folder: string
  worksAsBefore({
    make(lib) {
      const FileStore = require('session-file-store')(lib)
      return new FileStore({ path: folder, logFn() {}, retries: 0, reapInterval: -1 })
    },
    async start() {
      folder = await mkdtemp(join(tmpdir(), 'sessions-'))
    },
    async stop() {
      await rm(folder, { recursive: true, force: true })
    },
  })
})

describe('connect-mongo', () => {
  test('is constructed, and mounted before it is connected', async () => {
    const { default: session } = await import('sojourn/express-session')
    const store = MongoStore.create({ clientPromise: new Promise(() => {}), autoRemove: 'disabled' })
    const middleware = session({ secret: 's', resave: false, saveUninitialized: false, store })
    expect(middleware).toBeTypeOf('function')
    expect(store).toMatchObject({ generate: expect.any(Function) })
  })
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { StorePlace } from '../../src/conformance/store.js'
import { memoryStore } from '../../src/core/memory-store.js'
import type { Awaitable, SessionStore } from '../../src/core/store.js'
import { postgresStore } from '../../src/stores/postgres.js'
import { redisStore } from '../../src/stores/redis.js'
import { sqliteStore } from '../../src/stores/sqlite.js'
import { startPostgres } from '../harness/postgres.js'
import { startRedis } from '../harness/redis.js'
import { connectRedis } from './redis-clients.js'

/** A backend over which a decorator is checked. */
export interface Place {
  /** The optional methods that its stores have. */
  readonly methods: readonly ('list' | 'sweep' | 'watch' | 'close')[]
  /** Whether two stores of one name see the same records. */
  readonly shared: boolean
  open(): Promise<{
    makeStore(given: StorePlace): Awaitable<SessionStore>
    close(): Promise<unknown>
  }>
}

export const places: { readonly [name: string]: Place } = {
  memory: {
    methods: ['list', 'sweep'],
    shared: false,
    open: async () => ({ makeStore: () => memoryStore(), close: async () => {} }),
  },
  SQLite: {
    methods: ['list', 'sweep', 'close'],
    shared: true,
    async open() {
      const folder = await mkdtemp(join(tmpdir(), 'sojourn-decorated-'))
      return {
        makeStore: ({ name }) => sqliteStore(join(folder, name)),
        close: () => rm(folder, { recursive: true }),
      }
    },
  },
  Redis: {
    methods: ['list', 'watch', 'close'],
    shared: true,
    async open() {
      const server = await startRedis()
      const connection = await connectRedis('redis', { url: server.url })
      return {
        makeStore: ({ name }) => redisStore({ client: connection.client, prefix: `${name}:` }),
        async close() {
          await connection.close()
          await server.stop()
        },
      }
    },
  },
  PostgreSQL: {
    methods: ['list', 'sweep', 'watch', 'close'],
    shared: true,
    async open() {
      const server = await startPostgres()
      const pool = new pg.Pool({ connectionString: server.url })
      pool.on('error', () => {})
      return {
        async makeStore({ name: table, after }) {
          const store = postgresStore({ pool, table, listen: pool })
          await store.migrate()
          after(() => pool.query(`DROP TABLE IF EXISTS ${table}`))
          return store
        },
        async close() {
          await pool.end()
          await server.stop()
        },
      }
    },
  },
}

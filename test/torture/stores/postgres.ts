import pg from 'pg'
import postgresjs from 'postgres'
import { type PostgresClient, postgresStore } from '../../../src/stores/postgres.js'
import { startPgBouncer } from '../../harness/pgbouncer.js'
import { startPostgres } from '../../harness/postgres.js'
import { startProxy } from '../../harness/proxy.js'
import type { Server } from '../../harness/server.js'
import type { Contestant, Fault, Seat } from '../contestant.js'
import { networkFaults, restarts } from '../faults.js'

const libraries = ['pg', 'postgres', 'pg', 'postgres']

export const postgres: Contestant = {
  arenas: {
    async 'one server'() {
      const server = await startWithTable()
      const proxy = await startProxy(server)
      return {
        seats: libraries.map((library): Seat => ({ library, url: proxy.url, prepare: true })),
        faults: [restarts(server), ...networkFaults(proxy), terminations(server)],
        async stop() {
          await proxy.stop()
          await server.stop()
        },
      }
    },
    async PgBouncer() {
      const server = await startWithTable()
      const bouncer = await startPgBouncer(server, 10)
      const bouncerRestarts = { ...restarts(bouncer), name: 'PgBouncer is killed and started again', short: false }
      return {
        seats: libraries.map((library): Seat => ({ library, url: bouncer.url, prepare: false })),
        faults: [restarts(server), bouncerRestarts, terminations(server)],
        async stop() {
          await bouncer.stop()
          await server.stop()
        },
      }
    },
  },

  async open({ library, url, prepare }) {
    const { client, close } = library === 'pg' ? pgAt(String(url)) : postgresAt(String(url), prepare === true)
    return { store: postgresStore({ pool: client }), close }
  },
}

/** With the settings that the documents advise. */
function pgAt(connectionString: string): { client: PostgresClient; close(): unknown } {
  const pool = new pg.Pool({ connectionString, max: 5, connectionTimeoutMillis: 2000, query_timeout: 2000 })
  pool.on('error', () => {})
  return { client: pool, close: () => pool.end() }
}

function postgresAt(url: string, prepare: boolean): { client: PostgresClient; close(): unknown } {
  const options = { max: 5, prepare, fetch_types: false, connect_timeout: 2, backoff: () => 0.2 }
  const sql = postgresjs(url, options)
  return { client: sql, close: () => sql.end({ timeout: 1 }) }
}

async function startWithTable(): Promise<Server> {
  const server = await startPostgres({ own: true })
  await withPool(server, (pool) => postgresStore({ pool }).migrate())
  return server
}

/** An administrator, or a server that shuts down, ends connections that are in use. */
function terminations(server: Server): Fault {
  return {
    name: 'the server ends all connections',
    strike: () =>
      withPool(server, async (pool) => {
        await pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()')
      }),
  }
}

async function withPool(server: Server, use: (pool: pg.Pool) => Promise<void>): Promise<void> {
  const pool = new pg.Pool({ connectionString: server.url, max: 1 })
  pool.on('error', () => {})
  try {
    await use(pool)
  } finally {
    await pool.end()
  }
}

/** Sessions on Express 5, on a database server. */
import type { Server } from 'node:http'
import connectPgSimple from 'connect-pg-simple'
import { RedisStore } from 'connect-redis'
import expressSession from 'express-session'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { session } from 'sojourn/express'
import { postgresStore } from 'sojourn/stores/postgres'
import { redisStore } from 'sojourn/stores/redis'
import type { Surroundings } from '../serve.ts'
import { byHandRemotely } from './by-hand.ts'
import { inSession, recommended, serve } from './express.ts'

function redis(url: string) {
  return createClient({ url }).connect()
}

export async function byHandOnRedis({ url }: Surroundings): Promise<Server> {
  const client = await redis(url)
  return serve(
    byHandRemotely({
      get: (key) => client.get(`by-hand:${key}`),
      set: (key, text) => client.set(`by-hand:${key}`, text, { expiration: { type: 'EX', value: 86_400 } }),
    }),
  )
}
export async function connectRedis({ url }: Surroundings): Promise<Server> {
  const store = new RedisStore({ client: await redis(url), prefix: 'bench:' })
  return serve({ ...inSession, middleware: expressSession({ ...recommended, store }) })
}
export async function sojournOnRedis({ url }: Surroundings): Promise<Server> {
  return serve({ ...inSession, middleware: session({ store: redisStore({ client: await redis(url) }) }) })
}

export async function byHandOnPostgres({ url }: Surroundings): Promise<Server> {
  const pool = new Pool({ connectionString: url })
  await pool.query('CREATE TABLE IF NOT EXISTS by_hand (id text PRIMARY KEY, data text NOT NULL)')
  const upsert = 'INSERT INTO by_hand VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET data = excluded.data'
  return serve(
    byHandRemotely({
      get: async (key) => (await pool.query('SELECT data FROM by_hand WHERE id = $1', [key])).rows[0]?.data ?? null,
      set: (key, text) => pool.query(upsert, [key, text]),
    }),
  )
}
export function connectPostgres({ url }: Surroundings): Server {
  const PostgresStore = connectPgSimple(expressSession)
  const pool = new Pool({ connectionString: url })
  const store = new PostgresStore({ pool, createTableIfMissing: true })
  const cookie = { maxAge: 30 * 86_400_000 }
  return serve({ ...inSession, middleware: expressSession({ ...recommended, cookie, store }) })
}
export async function sojournOnPostgres({ url }: Surroundings): Promise<Server> {
  const store = postgresStore({ pool: new Pool({ connectionString: url }) })
  await store.migrate()
  return serve({ ...inSession, middleware: session({ store }) })
}

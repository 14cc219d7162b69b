/**
 * A user with ten thousand sessions, listed in pages of a hundred: what a page costs, at the beginning and at the end.
 *
 *     npm run bench:scale -- pages
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'pg'
import { createClient } from 'redis'
import { createSessions, type SessionStore } from 'sojourn'
import { memoryStore } from 'sojourn/stores/memory'
import { postgresStore } from 'sojourn/stores/postgres'
import { redisStore } from 'sojourn/stores/redis'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { startPostgres } from '../../test/harness/postgres.ts'
import { startRedis } from '../../test/harness/redis.ts'
import { newId, recordValues } from './fill.ts'
import { quantile } from './numbers.ts'

const day = 86_400_000
const total = 10_000
const limit = 100

export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-scale-'))
  const [redis, postgres] = await Promise.all([startRedis({ own: true }), startPostgres({ own: true })])
  const client = await createClient({ url: redis.url }).connect()
  const pool = new Pool({ connectionString: postgres.url })
  pool.on('error', () => {})
  try {
    const inPostgres = postgresStore({ pool })
    await inPostgres.migrate()
    await measure('memory', memoryStore())
    await measure('SQLite', sqliteStore(join(folder, 'sessions.db')))
    await measure('Redis', redisStore({ client }))
    await measure('Postgres', inPostgres)
    await pool.query('TRUNCATE sojourn_sessions')
    // As autovacuum does within a minute or so, that the server knows how the rows lie.
    await measure('Postgres, analyzed', inPostgres, () => pool.query('ANALYZE sojourn_sessions'))
  } finally {
    client.destroy()
    await pool.end()
    await Promise.all([redis.stop(), postgres.stop()])
    rmSync(folder, { recursive: true })
  }
}

async function measure(name: string, store: SessionStore, filled?: () => Promise<unknown>): Promise<void> {
  const now = Date.now()
  // As many of other users lie between.
  for (let done = 0; done < 2 * total; done += limit) {
    const userId = (index: number) => (index % 2 === 0 ? 'ada' : `user-${done + index}`)
    const record = (index: number) => ({
      values: recordValues(),
      userId: userId(index),
      createdAt: now,
      expiresAt: now + day,
    })
    await Promise.all(Array.from({ length: limit }, (_, index) => store.create(newId(), record(index))))
  }
  await filled?.()
  const sessions = createSessions({ store })
  await listAll(sessions)
  const rounds = [await listAll(sessions), await listAll(sessions), await listAll(sessions)]
  const part = (key: keyof Page, from: number, to: number) =>
    quantile(
      rounds.map((pages) => mean(pages.slice(from, to).map((page) => page[key]))),
      0.5,
    ).toFixed(2)
  const told = (from: number, to: number) => `${part('milliseconds', from, to)} ms, CPU ${part('cpu', from, to)} ms`
  console.log(`${name.padEnd(18)} a page of the first ten: ${told(0, 10)}; of the last ten: ${told(-10, total)}`)
  await sessions.close()
}

interface Page {
  readonly milliseconds: number
  readonly cpu: number
}

async function listAll(sessions: ReturnType<typeof createSessions>): Promise<Page[]> {
  const pages: Page[] = []
  let found = 0
  for (let after: string | null | undefined; after !== null; ) {
    const [began, before] = [performance.now(), process.cpuUsage()]
    const page = await sessions.list({ userId: 'ada', limit, ...(after ? { after } : {}) })
    const { user, system } = process.cpuUsage(before)
    pages.push({ milliseconds: performance.now() - began, cpu: (user + system) / 1000 })
    found += page.sessions.length
    after = page.next
  }
  if (found !== total) throw new Error(`Listed ${found} of ${total} sessions`)
  return pages
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/**
 * How Postgres keeps up with many sessions: reads at random, a sweep of the expired beside requests that read, and the table.
 *
 *     npm run bench:scale -- postgres --sessions 10000000
 */
import { Pool } from 'pg'
import { createSessions } from 'sojourn'
import { type PostgresStore, postgresStore } from 'sojourn/stores/postgres'
import { startPostgres } from '../../test/harness/postgres.ts'
import { recordValues } from './fill.ts'
import { quantile } from './numbers.ts'
import { requestsTo } from './requests.ts'
import { stallsWithout, watchStalls } from './stalls.ts'

const few = 10_000
const settings = ['shared_buffers=1GB', 'maintenance_work_mem=1GB', 'max_wal_size=8GB', 'max_parallel_workers=1']

export async function run({ sessions: count }: { sessions: number }): Promise<void> {
  const server = await startPostgres({ own: true, args: settings.flatMap((setting) => ['-c', setting]) })
  const pool = new Pool({ connectionString: server.url, max: 10 })
  pool.on('error', () => {})
  try {
    const small = await measure(pool, 'few', few)
    const large = await measure(pool, 'many', count)
    for (const [name, value] of Object.entries(small)) {
      const other = large[name as keyof typeof large]
      console.log(`${name.padEnd(48)} ${String(value).padStart(10)} ${String(other).padStart(10)}`)
    }
    const [among, least] = [large['read, median ms'], small['read, median ms']]
    console.log(`A read of one among many takes ${(among / least).toFixed(2)} times one among few.`)
  } finally {
    await pool.end()
    await server.stop()
  }
}

async function measure(pool: Pool, table: string, count: number) {
  const store = postgresStore({ pool, table })
  const living = await fill(pool, store, table, count)
  const tell = (text: string) => process.stderr.write(`${text}\n`)
  const megabytes = async () => {
    const { rows } = await pool.query(`SELECT pg_total_relation_size('${table}') AS bytes`)
    return Math.round(Number(rows[0].bytes) / 1e6)
  }
  const before = await megabytes()
  const pick = () => living[Math.floor(Math.random() * living.length)] as string
  for (let warm = 0; warm < 2000; warm++) await store.read(pick())
  const times: number[] = []
  for (let index = 0; index < 20_000; index++) {
    const began = performance.now()
    await store.read(pick())
    times.push(performance.now() - began)
  }
  tell(`a read takes ${quantile(times, 0.5).toFixed(3)} ms`)
  let swept = 0
  const timed: PostgresStore = {
    ...store,
    async sweep(before, limit) {
      const removed = (await store.sweep?.(before, limit)) ?? 0
      if (Math.floor((swept + removed) / 50_000) > Math.floor(swept / 50_000))
        tell(`${swept + removed} swept, in batches of ${limit}`)
      swept += removed
      return removed
    },
  }
  const sessions = createSessions({ store: timed })
  const requests = await requestsTo(sessions, () => {})
  const amount = count > few ? 5000 : 500
  await requests.p99(amount)
  const alone = quantile([await requests.p99(amount), await requests.p99(amount), await requests.p99(amount)], 0.5)
  tell(`p99 of requests: ${alone} ms`)
  const watch = await watchStalls()
  const began = performance.now()
  let seconds = 0
  const sweep = sessions.sweep().finally(() => {
    seconds = (performance.now() - began) / 1000
  })
  const sweeping: number[] = []
  while (seconds === 0) sweeping.push(await requests.p99(amount))
  await sweep
  const stalls = await watch.take()
  tell(`the longest stall beside the sweep: ${stalls.here.longest} ms, of an idle process ${stalls.idle.longest} ms`)
  const unswept = await stallsWithout(watch, seconds, () => requests.p99(amount))
  await watch.end()
  await requests.end()
  await sessions.close()
  return {
    'read, median ms': Number(quantile(times, 0.5).toFixed(3)),
    'read, p99 ms': Number(quantile(times, 0.99).toFixed(3)),
    swept,
    'in, s': Number(seconds.toFixed(1)),
    'stalls while sweeping, ms: 99.9%': stalls.here.nearly,
    'longest stall while sweeping, ms': stalls.here.longest,
    'the same of an idle process': stalls.idle.longest,
    'stalls without, ms: 99.9%': unswept.here.nearly,
    'longest stall without, ms': unswept.here.longest,
    'the same of an idle process, without': unswept.idle.longest,
    'p99 of requests without a sweep, ms': Number(alone.toFixed(1)),
    'p99 of requests while sweeping, ms, median': Number(quantile(sweeping, 0.5).toFixed(1)),
    'table with its indexes, MB': before,
    'after the sweep, MB': await megabytes(),
  }
}

/** A table with that many sessions, of which a tenth expired an hour or two ago. Resolves to ids of some that live. */
async function fill(pool: Pool, store: PostgresStore, table: string, count: number): Promise<string[]> {
  await store.migrate()
  // The indexes are made when all rows are there, which is many times faster.
  await pool.query(
    `ALTER TABLE ${table} DROP CONSTRAINT ${table}_pkey; DROP INDEX ${table}_by_user, ${table}_by_expiry`,
  )
  const now = Date.now()
  const data = JSON.stringify(recordValues())
  for (let first = 0; first < count; first += 500_000) {
    const end = Math.min(count, first + 500_000) - 1
    await pool.query(
      `INSERT INTO ${table} (id, user_id, created_at, expires_at, data)
      SELECT substr(md5(random()::text || n), 1, 24), CASE WHEN n % 4 = 0 THEN 'user-' || n % 100000 END, $1::bigint,
        CASE WHEN n % 10 = 0 THEN $1::bigint - 3600000 * (1 + random()) ELSE $1::bigint + 3600000 * (1 + 24 * random()) END,
        $2::text::jsonb
      FROM generate_series($3::bigint, $4::bigint) AS n`,
      [now, data, first, end],
    )
    process.stderr.write(`${end + 1} of ${count} sessions\n`)
  }
  await pool.query(`ALTER TABLE ${table} ADD PRIMARY KEY (id)`)
  await store.migrate()
  await pool.query(`VACUUM ANALYZE ${table}`)
  process.stderr.write('indexes\n')
  const share = Math.min(100, 10_000_000 / count)
  const sample = `SELECT id FROM ${table} TABLESAMPLE BERNOULLI (${share}) WHERE expires_at > $1 LIMIT 100000`
  const { rows } = await pool.query(sample, [now])
  return rows.map(({ id }) => id)
}

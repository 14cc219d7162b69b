/**
 * How SQLite keeps up with many sessions: reads and changes at random, a sweep of the expired beside requests that read,
 * and the file afterwards.
 *
 *     npm run bench:scale -- sqlite --sessions 10000000
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createSessions, type SessionStore } from 'sojourn'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { numberOf } from '../../src/stores/sqlite/number.ts'
import { sqliteShelf } from '../apps/by-hand.ts'
import { fillByHand, fillSqlite } from './fill.ts'
import { type CostAmong, cpuAmong, quantile } from './numbers.ts'
import { requestsTo } from './requests.ts'
import { stallsWithout, watchStalls } from './stalls.ts'

const few = 10_000

export async function run({ sessions: count }: { sessions: number }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-scale-'))
  try {
    const [fewPath, manyPath] = [join(folder, 'few.db'), join(folder, 'many.db')]
    const fewLiving = fillSqlite(fewPath, few, 10)
    const manyLiving = fillSqlite(manyPath, count, 10)
    const reads = readsOf(fewPath, fewLiving, manyPath, manyLiving)
    const readsBare = readsOfQuery(fewPath, fewLiving, manyPath, manyLiving)
    const small = await measure(fewPath, fewLiving, few)
    const large = await measure(manyPath, manyLiving, count)
    // Last, for what it leaves the disk to do would stop the others.
    const readsByHand = readsOfByHand(join(folder, 'few-by-hand.db'), join(folder, 'many-by-hand.db'), count)
    tell('read, µs', reads.few.toFixed(2), reads.many.toFixed(2))
    tell('the query alone, µs', readsBare.few.toFixed(2), readsBare.many.toFixed(2))
    tell('read by hand, µs', readsByHand.few.toFixed(2), readsByHand.many.toFixed(2))
    for (const [name, value] of Object.entries(small)) tell(name, value, large[name as keyof typeof large])
    console.log(
      `A read of one among many costs ${reads.ratio.toFixed(2)} of one among few; ` +
        `the query alone ${readsBare.ratio.toFixed(2)}, by hand ${readsByHand.ratio.toFixed(2)}.`,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function tell(name: string, small: string | number, large: string | number): void {
  console.log(`${name.padEnd(48)} ${String(small).padStart(10)} ${String(large).padStart(10)}`)
}

function readsOf(fewPath: string, fewLiving: string[], manyPath: string, manyLiving: string[]): CostAmong {
  const [small, large] = [sqliteStore(fewPath), sqliteStore(manyPath)]
  const reads = cpuAmong(
    () => void small.read(pickFrom(fewLiving)),
    () => void large.read(pickFrom(manyLiving)),
  )
  void small.close?.()
  void large.close?.()
  return reads
}

/** What SQLite itself takes: the same row by its number, within one transaction, and nothing made of it. */
function readsOfQuery(fewPath: string, fewLiving: string[], manyPath: string, manyLiving: string[]): CostAmong {
  const [small, large] = [fewPath, manyPath].map((path) => new DatabaseSync(path)) as [DatabaseSync, DatabaseSync]
  const query = (database: DatabaseSync) => {
    database.exec('BEGIN')
    return database.prepare('SELECT data FROM sessions WHERE number = ?')
  }
  const [ofSmall, ofLarge] = [query(small), query(large)]
  const reads = cpuAmong(
    () => void ofSmall.get(numberOf(pickFrom(fewLiving))),
    () => void ofLarge.get(numberOf(pickFrom(manyLiving))),
  )
  small.close()
  large.close()
  return reads
}

/** The floor: a table of text by key, and a program that does no more than to find and parse it. */
function readsOfByHand(fewPath: string, manyPath: string, count: number): CostAmong {
  const [fewKeys, manyKeys] = [fillByHand(fewPath, few), fillByHand(manyPath, count)]
  const [small, large] = [sqliteShelf(fewPath), sqliteShelf(manyPath)]
  return cpuAmong(
    () => JSON.parse(small.get(pickFrom(fewKeys)) as string),
    () => JSON.parse(large.get(pickFrom(manyKeys)) as string),
  )
}

function pickFrom(all: string[]): string {
  return all[Math.floor(Math.random() * all.length)] as string
}

async function measure(path: string, living: string[], count: number) {
  const megabytes = () => Math.round(statSync(path).size / 1e6)
  const before = megabytes()
  const store = sqliteStore(path)
  const batches: number[] = []
  const timed: SessionStore = {
    ...store,
    async sweep(before, limit) {
      const began = performance.now()
      const removed = await store.sweep?.(before, limit)
      batches.push(performance.now() - began)
      return removed ?? 0
    },
  }
  const sessions = createSessions({ store: timed })
  const pick = () => pickFrom(living)
  const change = await cpuOfChange(store, pick)
  const requests = await requestsTo(sessions, () => void store.read(pick()))
  await requests.p99(10_000)
  const watch = await watchStalls()
  const alone = quantile([await requests.p99(20_000), await requests.p99(20_000), await requests.p99(20_000)], 0.5)
  await watch.take()
  const began = performance.now()
  let seconds = 0
  const sweep = sessions.sweep().finally(() => {
    seconds = (performance.now() - began) / 1000
  })
  const sweeping: number[] = []
  const some = count > few ? 20_000 : 100
  while (seconds === 0) sweeping.push(await requests.p99(some))
  const swept = await sweep
  const stalls = await watch.take()
  const unswept = await stallsWithout(watch, seconds, () => requests.p99(some))
  await watch.end()
  await requests.end()
  await sessions.close()
  return {
    'change, µs': Number(change.toFixed(2)),
    swept,
    'in, s': Number(seconds.toFixed(1)),
    'batch of the sweep, ms': Number(quantile(batches, 0.5).toFixed(2)),
    'p99 of batches, ms': Number(quantile(batches, 0.99).toFixed(2)),
    'longest batch, ms': Number(quantile(batches, 1).toFixed(1)),
    'stalls while sweeping, ms: 99.9%': stalls.here.nearly,
    'the same of an idle process': stalls.idle.nearly,
    'longest stall while sweeping, ms': stalls.here.longest,
    'the same of an idle process, longest': stalls.idle.longest,
    'stalls without, ms: 99.9%': unswept.here.nearly,
    'longest stall without, ms': unswept.here.longest,
    'the same of an idle process, without': unswept.idle.longest,
    'p99 of requests without a sweep, ms': Number(alone.toFixed(1)),
    'p99 of requests while sweeping, ms, median': Number(quantile(sweeping, 0.5).toFixed(1)),
    'the same, worst of 20,000': Number(Math.max(...sweeping).toFixed(1)),
    'file, MB': before,
    'after the sweep, MB': megabytes(),
  }
}

/** CPU microseconds of one change, where 32 are awaited together, as requests make them that arrive together. */
async function cpuOfChange(store: ReturnType<typeof sqliteStore>, pick: () => string): Promise<number> {
  const [groups, together] = [600, 32]
  const before = process.cpuUsage()
  for (let group = 0; group < groups; group++) {
    const change = { now: Date.now(), set: { views: String(group) } }
    await Promise.all(Array.from({ length: together }, () => store.patch(pick(), change)))
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / (groups * together)
}

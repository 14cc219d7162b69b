/**
 * How SQLite keeps up with many sessions: reads and changes at random, a sweep of the expired beside requests that read,
 * and the file afterwards.
 *
 *     npm run bench:scale -- sqlite --sessions 10000000
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createSessions } from 'sojourn'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { fillSqlite } from './fill.ts'
import { cpuOf, quantile } from './numbers.ts'

const few = 10_000

export async function run({ sessions: count }: { sessions: number }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-scale-'))
  try {
    const small = await measure(join(folder, 'few.db'), few)
    const large = await measure(join(folder, 'many.db'), count)
    console.table({ [`${few} sessions`]: small, [`${count} sessions`]: large })
    console.log(
      `A read of one among many costs ${(large['read, µs'] / small['read, µs']).toFixed(2)} of one among few.`,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function measure(path: string, count: number) {
  const living = fillSqlite(path, count, 10)
  const megabytes = () => Math.round(statSync(path).size / 1e6)
  const before = megabytes()
  const store = sqliteStore(path)
  const sessions = createSessions({ store })
  const pick = () => living[Math.floor(Math.random() * living.length)] as string
  const read = cpuOf(50_000, () => void store.read(pick()))
  const change = cpuOf(20_000, (index) => void store.patch(pick(), { now: Date.now(), set: { views: String(index) } }))
  const alone = await readsBeside(Promise.resolve(), store, pick)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const began = performance.now()
  const sweep = sessions.sweep()
  const sweeping = await readsBeside(sweep, store, pick)
  const seconds = (performance.now() - began) / 1000
  delay.disable()
  const swept = await sweep
  await sessions.close()
  return {
    'read, µs': Number(read.toFixed(2)),
    'change, µs': Number(change.toFixed(2)),
    swept: swept,
    'in, s': Number(seconds.toFixed(1)),
    'longest stall, ms': Number((delay.max / 1e6).toFixed(1)),
    'p99 of a turn while sweeping, ms': Number(sweeping.toFixed(2)),
    'p99 of a turn without, ms': Number(alone.toFixed(2)),
    'file, MB': before,
    'after the sweep, MB': megabytes(),
  }
}

/** The 99th percentile of how long a turn of the event loop takes that reads one session, until `work` is done. */
async function readsBeside(
  work: Promise<unknown>,
  store: ReturnType<typeof sqliteStore>,
  pick: () => string,
): Promise<number> {
  let isDone = false
  work.finally(() => {
    isDone = true
  })
  const samples: number[] = []
  for (let turn = 0; turn < 2000 || !isDone; turn++) {
    const began = performance.now()
    await nextTurn()
    void store.read(pick())
    samples.push(performance.now() - began)
  }
  return quantile(samples, 0.99)
}

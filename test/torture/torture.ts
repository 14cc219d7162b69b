import { setTimeout as delay } from 'node:timers/promises'
import { type Findings, sum } from './audit.js'
import { type Exceptions, type Fault, type Promised, promised } from './contestant.js'
import { startWorker, type Worker } from './crew.js'
import { contestants } from './stores.js'
import { type Report, requestLimit } from './traffic.js'

export interface TortureOptions {
  readonly store: string
  /** How long requests are sent, for each thing that goes wrong, in milliseconds. */
  readonly duration: number
  /** Only what goes wrong most often. */
  readonly short?: boolean
  /** Only arenas whose name contains this. */
  readonly arena?: string
}

/** What came of one thing that went wrong. */
export interface Outcome {
  readonly arena: string
  readonly fault: string
  readonly faults: number
  readonly operations: number
  /** Requests that got an error, by code. */
  readonly errors: Readonly<Record<string, number>>
  /** The longest request, in milliseconds. */
  readonly slowest: number
  readonly broken: Readonly<Record<Promised, number>>
  /** Which of the promises may be broken here, and why. */
  readonly exceptions: Exceptions
}

const doomed = 60

/** How long the last fault may be felt: clients wait longer and longer before they connect again. */
const recoveryLimit = 10_000

/** The errors that a client may get while a store fails. */
const fairErrors = new Set(['store_unavailable', 'contention'])

const calm: Fault = { name: 'nothing goes wrong', strike: () => delay(500) }
const renewals: Fault = { name: 'tokens are renewed all the time', short: true, strike: () => delay(500) }

/** Tortures a store in each of its arenas, and hands over what came of each fault. */
export async function* torture({
  store,
  duration,
  short = false,
  arena: wanted = '',
}: TortureOptions): AsyncGenerator<Outcome> {
  const contestant = contestants[store]
  if (!contestant) throw new Error(`There is no store ${store}: choose one of ${Object.keys(contestants).join(', ')}`)
  const arenas = Object.entries(contestant.arenas).filter(([name]) => name.includes(wanted))
  if (arenas.length === 0) {
    throw new Error(`There is no arena ${wanted}: choose one of ${Object.keys(contestant.arenas).join(', ')}`)
  }
  for (const [name, start] of arenas) {
    const arena = await start()
    const workers = arena.seats.map(startWorker)
    try {
      await Promise.all(
        workers.map((worker, index) => worker.tell({ do: 'open', store, seat: arena.seats[index] ?? {} })),
      )
      for (const fault of [calm, renewals, ...arena.faults]) {
        if (short && !fault.short) continue
        const exceptions = { ...arena.exceptions, ...fault.exceptions }
        yield { arena: name, fault: fault.name, ...(await round(workers, fault, duration)), exceptions }
      }
    } finally {
      for (const worker of workers) worker.end()
      await arena.stop()
    }
  }
}

/** Sends requests, lets a fault strike again and again, and sees what is left. */
async function round(
  workers: Worker[],
  fault: Fault,
  duration: number,
): Promise<Omit<Outcome, 'arena' | 'fault' | 'exceptions'>> {
  const [first] = workers
  if (!first) throw new Error('an arena needs a seat at least')
  const shared = await first.tell({ do: 'prepare', doomed })
  const under = workers.map((worker, index) =>
    worker.tell({
      do: 'drive',
      orders: { worker: index, workers: workers.length, ...shared, duration, renew: fault === renewals },
    }),
  )
  // Where the round itself fails, its own error is the one to be told.
  for (const report of under) report.catch(() => {})
  const sessionIds = [shared.lasting, ...shared.doomed].map(({ id }) => id)
  let faults = 0
  let wellAgainAt = Date.now()
  try {
    for (const end = Date.now() + duration; Date.now() < end; faults++) {
      await delay(400)
      await Promise.race([fault.strike({ sessionIds }), tooLong()])
      wellAgainAt = Date.now()
    }
  } finally {
    // Long enough for every process to have answered a request since.
    await delay(Math.min(duration, recoveryLimit))
    for (const worker of workers) await worker.tell({ do: 'stop' })
  }
  const reports = await Promise.all(under)
  const findings = await first.tell({ do: 'audit', lasting: shared.lasting, reports })
  const quiet = fault === calm || fault === renewals
  return { faults: quiet ? 0 : faults, ...figures(reports, findings, wellAgainAt) }
}

async function tooLong(): Promise<never> {
  await delay(60_000, undefined, { ref: false })
  throw new Error('after a minute, what went wrong was not well again')
}

function figures(reports: Report[], findings: Findings, wellAgainAt: number) {
  const errors: Record<string, number> = {}
  for (const [code, count] of reports.flatMap((report) => Object.entries(report.errors)))
    errors[code] = (errors[code] ?? 0) + count
  const slowest = Math.max(...reports.map((report) => report.slowest))
  const broken: Record<Promised, number> = {
    ...findings,
    strangers: sum(reports, ({ strangers }) => strangers),
    hung: reports.filter((report) => report.slowest > requestLimit).length,
    'wrong errors': sum(Object.entries(errors), ([code, count]) => (fairErrors.has(code) ? 0 : count)),
    stuck: reports.filter(({ succeededAt }) => succeededAt < wellAgainAt).length,
  }
  return { operations: sum(reports, ({ operations }) => operations), errors, slowest, broken }
}

/** The promises that were broken without an exception. */
export function brokenPromises({ broken, exceptions }: Outcome): Promised[] {
  return promised.filter((figure) => broken[figure] > 0 && exceptions[figure] === undefined)
}

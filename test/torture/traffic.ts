/** What one process does during a torture: requests to sessions that all processes share, as fast as they are answered. */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { createSessions, isSojournError, type SessionStore, type Sessions } from '../../src/index.js'

type Values = { [name: string]: unknown }

/** A session that several processes know. */
export interface Shared {
  readonly id: string
  readonly cookie: string
}

export interface Orders {
  /** Which of the processes this is, from 0. */
  readonly worker: number
  readonly workers: number
  /** Never ends; every writer has a value of its own in it, and all count in it. */
  readonly lasting: Shared
  /** Sessions to be ended while others write to them; each by the process whose turn it is. */
  readonly doomed: readonly Shared[]
  /** Within how many milliseconds the doomed are to be ended. */
  readonly duration: number
  /** Give the lasting session a new token again and again. */
  readonly renew: boolean
}

/** What the clients of a process were told. */
export interface Report {
  operations: number
  /** Requests that got an error, by its code. */
  errors: Record<string, number>
  /** Requests to a living session that found none, or whose write was dropped. */
  strangers: number
  /** Of the longest request, in milliseconds. */
  slowest: number
  /** When a request last succeeded. */
  succeededAt: number
  /** By writer: the last number that was answered, and the last that was tried. */
  values: Record<string, { answered: number; tried: number }>
  /** By counter: what its last answer said, and how many increments since got an error and may have been made. */
  counts: Record<string, { answered: number; unknown: number }>
  /** Increments that a later answer showed to be gone, and those that it showed to have been made twice. */
  lost: number
  repeated: number
  /** Ids of the sessions whose end was answered. */
  ended: string[]
  /** Ids of sessions that were found again after their end was answered. */
  revived: string[]
  /** Ids of new sessions, whose creation was answered. */
  created: string[]
}

/** How long a store call may take, in milliseconds. */
export const storeTimeout = 1000

/** And a request: it makes a few of them in a row, and a counter is tried again where others were faster. */
export const requestLimit = 8 * storeTimeout

const writers = 5
const counters = 2
const meddlers = 3

export function userOf(worker: number): string {
  return `user ${worker}`
}

/** Sends requests until `over` resolves, and waits for the last answers, but not for ever. */
export async function drive(store: SessionStore, orders: Orders, over: Promise<void>): Promise<Report> {
  const { worker, workers, lasting, doomed, duration, renew } = orders
  // Every other process shows its visitors an empty session during an outage, rather than an error.
  const isAnonymous = worker % 2 === 1
  const sessions: Sessions<Values> = createSessions<Values>({
    store,
    storeTimeout,
    onStoreError: isAnonymous ? 'anonymous' : 'fail',
    // As long as a request may take: a token is good for the requests that began with it.
    ...(renew && { lifetime: { renewal: { every: '1s', overlap: requestLimit } } }),
  })
  const report = emptyReport()
  let stopping = false
  const isOver = () => stopping
  /** When the requests that are under way began. */
  const underWay = new Set<number>()
  const ended = new Set<string>()
  /** What a browser would hold: of all its answers, the last. */
  let cookie = lasting.cookie

  /** One request. Resolves to what `handle` did, or to nothing where the client got an error. */
  async function request<T>(handle: () => Promise<T>): Promise<T | undefined> {
    const start = performance.now()
    underWay.add(start)
    report.operations++
    try {
      const result = await handle()
      report.succeededAt = Date.now()
      return result
    } catch (error) {
      const code = isSojournError(error) ? error.code : String(error)
      report.errors[code] = (report.errors[code] ?? 0) + 1
      await delay(10)
      return undefined
    } finally {
      underWay.delete(start)
      report.slowest = Math.max(report.slowest, performance.now() - start)
      // A store that answers at once would never let the order to stop through.
      await nextTurn()
    }
  }

  /** A request to the session that lasts. */
  function visit(handle: (session: Awaited<ReturnType<typeof sessions.load>>) => Promise<boolean>) {
    return request(async () => {
      const session = await sessions.load({ cookie })
      // During an outage an anonymous visitor has an empty session too, but to change that one throws.
      const isStranger = session.isNew
      const kept = await handle(session)
      if (isStranger || !kept) report.strangers++
      const [header] = await sessions.commit(session)
      if (header) cookie = header.slice(0, header.indexOf(';'))
      return kept
    })
  }

  async function write(name: string): Promise<void> {
    const value = { answered: 0, tried: 0 }
    report.values[name] = value
    while (!isOver()) {
      const next = ++value.tried
      const kept = await visit((session) => {
        session[name] = next
        return session.save()
      })
      if (kept) value.answered = next
    }
  }

  /** Increments a number of its own in one value that all count in, and sees to it that each answer is one more. */
  async function count(name: string): Promise<void> {
    const known = { answered: 0, unknown: 0 }
    report.counts[name] = known
    while (!isOver()) {
      let found = 0
      const kept = await visit(async (session) => {
        const counts = await session.update('counts', (before) => {
          const numbers = (before ?? {}) as Record<string, number>
          return { ...numbers, [name]: (numbers[name] ?? 0) + 1 }
        })
        found = (counts as Record<string, number>)[name] ?? 0
        return true
      })
      if (!kept) {
        known.unknown++
        continue
      }
      report.lost += Math.max(0, known.answered + 1 - found)
      report.repeated += Math.max(0, found - known.answered - 1 - known.unknown)
      known.answered = found
      known.unknown = 0
    }
  }

  async function meddle(): Promise<void> {
    for (let step = 0; !isOver(); step++) {
      const target = doomed[Math.floor(Math.random() * doomed.length)]
      if (!target) return
      const wasEnded = ended.has(target.id)
      await request(async () => {
        const session = await sessions.load({ cookie: target.cookie })
        if (session.isNew) return
        if (wasEnded) report.revived.push(target.id)
        session[`by ${worker}`] = step
        await session.save()
      })
    }
  }

  async function end(): Promise<void> {
    const mine = doomed.filter((_, index) => index % workers === worker)
    for (const target of mine) {
      await delay((duration / mine.length) * Math.random() * 1.5)
      for (let done: boolean | undefined; !done && !isOver(); ) {
        done = await request(async () => {
          const session = await sessions.load({ cookie: target.cookie })
          session.destroy()
          await sessions.commit(session)
          return true
        })
        if (done) ended.add(target.id)
      }
    }
  }

  async function arrive(): Promise<void> {
    while (!isOver()) {
      const created = await request(() => sessions.create({ userId: userOf(worker), values: { arrived: true } }))
      if (created) report.created.push(created.session.id)
      await delay(50)
    }
  }

  const work = Promise.all([
    ...Array.from({ length: writers }, (_, index) => write(`writer ${worker}.${index}`)),
    ...Array.from({ length: counters }, (_, index) => count(`${worker}.${index}`)),
    ...Array.from({ length: meddlers }, meddle),
    end(),
    arrive(),
  ])
  await over
  stopping = true
  await Promise.race([work, delay(2 * requestLimit)])
  for (const start of underWay) report.slowest = Math.max(report.slowest, performance.now() - start)
  report.ended = [...ended]
  return report
}

function emptyReport(): Report {
  return {
    operations: 0,
    errors: {},
    strangers: 0,
    slowest: 0,
    succeededAt: 0,
    values: {},
    counts: {},
    lost: 0,
    repeated: 0,
    ended: [],
    revived: [],
    created: [],
  }
}

/** Compares what clients were told with what a store holds when all is over. */
import type { SessionStore } from '../../src/index.js'
import { type Report, type Shared, userOf } from './traffic.js'

export interface Findings {
  /** Answered writes, increments and new sessions that are not there. */
  lost: number
  /** Increments that were made more often than they were asked for. */
  repeated: number
  /** Sessions that were found after their end was answered. */
  revived: number
  /** Sessions of a user that a listing misses. */
  unlisted: number
}

export async function audit(store: SessionStore, lasting: Shared, reports: readonly Report[]): Promise<Findings> {
  const findings: Findings = {
    lost: sum(reports, ({ lost }) => lost),
    repeated: sum(reports, ({ repeated }) => repeated),
    revived: 0,
    unlisted: 0,
  }
  const values = (await store.read(lasting.id))?.values ?? {}
  const jsonOf = (name: string) => (Object.hasOwn(values, name) ? JSON.parse(values[name] as string) : undefined)
  for (const [name, { answered, tried }] of reports.flatMap((report) => Object.entries(report.values))) {
    const kept = jsonOf(name) ?? 0
    if (kept > tried) throw new Error(`${name} was never told to write ${kept}`)
    findings.lost += Math.max(0, answered - kept)
  }
  const counts = jsonOf('counts') ?? {}
  for (const [name, { answered, unknown }] of reports.flatMap((report) => Object.entries(report.counts))) {
    const count = counts[name] ?? 0
    findings.lost += Math.max(0, answered - count)
    findings.repeated += Math.max(0, count - answered - unknown)
  }

  const revived = new Set(reports.flatMap((report) => report.revived))
  for (const id of reports.flatMap(({ ended }) => ended)) if (await store.read(id)) revived.add(id)
  findings.revived = revived.size

  for (const [worker, { created }] of reports.entries()) {
    const listed = await idsOf(store, userOf(worker))
    for (const id of created) {
      if (!(await store.read(id))) findings.lost++
      else if (listed?.has(id) === false) findings.unlisted++
    }
  }
  return findings
}

/** Nothing where the store cannot list. */
async function idsOf(store: SessionStore, userId: string): Promise<Set<string> | undefined> {
  if (!store.list) return undefined
  const ids = new Set<string>()
  const limit = 100
  for (let after = ''; ; ) {
    const page = await store.list({ userId, limit, ...(after && { after }) })
    for (const [id] of page) ids.add(id)
    after = page.at(-1)?.[0] ?? ''
    if (page.length < limit) return ids
  }
}

export function sum<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0)
}

import assert from 'node:assert/strict'
import { SojournError } from '../core/errors.js'
import { refuseOption } from '../core/option-checks.js'

/** One check, ready to hand to a test runner. */
export interface Check {
  /** What is checked, and for a deviation why it is expected to fail. */
  name: string
  /** Rejects, with what was expected and what was found, where what is checked falls short. */
  run(): Promise<void>
}

/** A check that is known to fail, and why. */
export interface Deviation<Name extends string> {
  /** The `name` of the check. */
  check: Name
  /** Why the backend or the framework cannot do it. Stands in the name of the check. */
  reason: string
}

interface Kit<Bench> {
  /** Its name, for errors. */
  name: string
  /** What it checks, for errors. */
  subject: string
  checks: ReadonlyMap<string, (bench: Bench) => Promise<void>>
  deviations: readonly Deviation<string>[]
  /** Runs a check on a bench of its own. */
  onBench(check: (bench: Bench) => Promise<void>): Promise<void>
}

/**
 * The checks of a kit. Those that are declared as deviations run all the same, and are expected to fail. Throws
 * `invalid_option` for a deviation without a reason, or from a check that is not among them.
 */
export function checksOf<Bench>({ name: kit, subject, checks, deviations, onBench }: Kit<Bench>): Check[] {
  const reasons = new Map(deviations.map(({ check, reason }) => [check, reason]))
  for (const [name, reason] of reasons) {
    if (!checks.has(name)) {
      refuse(kit, `"deviations" names ${JSON.stringify(name)}, which is not a check of this ${subject}`)
    }
    if (!reason?.trim()) refuse(kit, `the deviation from ${JSON.stringify(name)} has no reason`)
  }
  return Array.from(checks, ([name, check]) => {
    const reason = reasons.get(name)
    if (reason === undefined) return { name, run: () => onBench(check) }
    const deviates = async (bench: Bench) => assert.ok(await fails(check, bench), stillPasses(subject, name))
    return { name: `${name} [deviates: ${reason}]`, run: () => onBench(deviates) }
  })
}

async function fails<Bench>(check: (bench: Bench) => Promise<void>, bench: Bench): Promise<boolean> {
  try {
    await check(bench)
    return false
  } catch {
    return true
  }
}

function stillPasses(subject: string, name: string): string {
  return `the ${subject} passes "${name}": remove the deviation`
}

/** Throws `invalid_option`. */
export function refuse(kit: string, what: string): never {
  throw new SojournError('invalid_option', `${kit}: ${what}`)
}

/** Throws `invalid_option` for what is given as a list, and is none. */
export function refuseOtherThanList(option: string, given: unknown): void {
  if (given !== undefined && !Array.isArray(given)) refuseOption(option, 'a list', given)
}

/** Takes steps one after the other, each whatever came of those before. Then throws the first failure, if any. */
export async function takeSteps(steps: Iterable<() => unknown>): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (failure) {
      failures.push(failure)
    }
  }
  if (failures.length > 0) throw failures[0]
}

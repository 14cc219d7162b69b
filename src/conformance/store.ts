/**
 * The checks that every store passes, for any test runner. With `node:test`:
 *
 * ```ts
 * import { test } from 'node:test'
 * import { storeChecks } from 'sojourn/conformance/store'
 * import { myStore } from './my-store.js'
 *
 * const checks = storeChecks({
 *   makeStore: ({ name }) => myStore({ client, table: name }),
 *   methods: ['list', 'sweep'],
 * })
 * for (const { name, run } of checks) test(name, run)
 * ```
 *
 * Runners with a time limit of their own need a longer one: `test(name, run, 60_000)` in Vitest, Jest and Bun.
 *
 * They hold a store to every sentence of `SessionStore`, but for what no outsider can provoke or see: that a store throws when
 * its backend fails; that `watch` says `null` after a lost connection; that a patch is one step on the server, and not under a
 * lock of this process; that moving the expiry does not rewrite the values.
 *
 * @module
 */
import assert from 'node:assert/strict'
import {
  oneOf,
  refuseOption,
  refuseOtherThanFunction,
  refuseUnknownOptions,
  wholeNumber,
} from '../core/option-checks.js'
import type { Awaitable, SessionStore } from '../core/store.js'
import { type Check, checksOf, type Deviation, refuse, refuseOtherThanList, takeSteps } from './check.js'
import type { StoreBench, StoreCheck } from './store-checks/bench.js'
import { listChecks } from './store-checks/list-checks.js'
import { patchChecks } from './store-checks/patch-checks.js'
import { raceChecks } from './store-checks/race-checks.js'
import { recordChecks } from './store-checks/record-checks.js'
import { sweepChecks } from './store-checks/sweep-checks.js'
import { textChecks } from './store-checks/text-checks.js'
import { closeChecks, watchChecks } from './store-checks/watch-checks.js'

export type { Check, Deviation } from './check.js'

const requiredChecks = { ...recordChecks, ...patchChecks, ...textChecks, ...raceChecks }
const methodChecks = { list: listChecks, sweep: sweepChecks, watch: watchChecks, close: closeChecks }

/** A method that a store may have. */
export type OptionalMethod = keyof typeof methodChecks

/** The name of a check, as a deviation refers to it. */
export type StoreCheckName = keyof (typeof requiredChecks &
  typeof listChecks &
  typeof sweepChecks &
  typeof watchChecks &
  typeof closeChecks)

/** Where one check keeps its records. */
export interface StorePlace {
  /**
   * A name that no other check, run or process uses: for a table, a file, a key prefix. Lower-case letters, digits and
   * `_`, at most 40 characters.
   */
  name: string
  /** Registers what to do when the check is over, such as dropping a table. Runs after the stores were closed. */
  after(cleanUp: () => unknown): void
}

export interface StoreChecksOptions {
  /**
   * Makes a store over the records of `place.name`. Called a second time with one name, it makes another store over the
   * same records, as a second process would have it.
   */
  makeStore(place: StorePlace): Awaitable<SessionStore>
  /** The optional methods that the store has; it is an error to have others. None unless said. */
  methods?: readonly OptionalMethod[]
  /** `false` where records live in one store object, as in memory, and no second one can reach them. */
  shared?: boolean
  /** How large a value the backend allows, in bytes. 1,000,000 unless said. */
  maxValueBytes?: number
  /**
   * Checks that this store fails, each with the reason. They run all the same, and are expected to fail: a deviation that
   * is no longer one is an error.
   */
  deviations?: readonly Deviation<StoreCheckName>[]
}

/**
 * The checks for a store, in the order in which they make most sense to read. Throws `invalid_option` for an option that is
 * unknown or wrong, for an unknown method, and for a deviation from a check that is not among them.
 */
export function storeChecks(options: StoreChecksOptions): Check[] {
  refuseWrong(options)
  const { methods = [], deviations = [] } = options
  const checks = new Map<string, StoreCheck>(Object.entries(requiredChecks))
  checks.set('has the optional methods that it says, and no others', hasMethods(methods))
  for (const method of methods) {
    if (!Object.hasOwn(methodChecks, method)) {
      refuse('storeChecks', `"methods" names ${JSON.stringify(method)}, which is not an optional method`)
    }
    for (const [name, check] of Object.entries(methodChecks[method])) checks.set(name, check)
  }
  return checksOf({
    name: 'storeChecks',
    subject: 'store',
    checks,
    deviations,
    onBench: (check) => onBench(options, check),
  })
}

function refuseWrong(options: StoreChecksOptions | undefined): void {
  refuseUnknownOptions('storeChecks', options, ['makeStore', 'methods', 'shared', 'maxValueBytes', 'deviations'])
  refuseOtherThanFunction('makeStore of storeChecks', options?.makeStore)
  refuseOtherThanList('methods of storeChecks', options?.methods)
  refuseOtherThanList('deviations of storeChecks', options?.deviations)
  oneOf(options?.shared, [true, false], 'shared of storeChecks')
  if (options?.maxValueBytes !== undefined) wholeNumber(options.maxValueBytes, 'maxValueBytes of storeChecks')
}

function hasMethods(declared: readonly OptionalMethod[]): StoreCheck {
  return async ({ store }) => {
    const present = Object.keys(methodChecks).filter((method) => store[method as OptionalMethod] !== undefined)
    assert.deepEqual(present.sort(), [...declared].sort(), 'the optional methods of the store, and those in "methods"')
  }
}

let places = 0

/** Runs a check over stores of its own, closes them and cleans up, whatever came of it. */
async function onBench(options: StoreChecksOptions, check: StoreCheck): Promise<void> {
  const { shared = true, maxValueBytes = 1_000_000 } = options
  const cleanUps: (() => unknown)[] = []
  const open = new Set<SessionStore>()
  const place: StorePlace = { name: uniqueName(), after: (cleanUp) => void cleanUps.push(cleanUp) }
  const reopen = async () => {
    const store = await options.makeStore(place)
    if (typeof store?.patch !== 'function') refuseOption('What makeStore of storeChecks returns', 'a store', store)
    open.add(store)
    return store
  }
  const close = async (store: SessionStore) => {
    if (open.delete(store)) await store.close?.()
  }
  const bench = async (): Promise<StoreBench> => {
    const store = await reopen()
    return { store, peer: shared ? await reopen() : store, shared, reopen, close, maxValueBytes }
  }
  await takeSteps([
    async () => check(await bench()),
    () => takeSteps([...open].map((store) => () => close(store))),
    () => takeSteps(cleanUps.reverse()),
  ])
}

function uniqueName(): string {
  const random = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(36).padStart(2, '0'))
  return `sojourn_check_${random.join('')}_${++places}`
}

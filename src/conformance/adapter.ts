/**
 * The checks that every adapter passes, over real HTTP, for any test runner. With `node:test`:
 *
 * ```ts
 * import { test } from 'node:test'
 * import { adapterChecks } from 'sojourn/conformance/adapter'
 * import { serveRoutes } from './routes.js'
 *
 * for (const { name, run } of adapterChecks({ start: (sessions) => serveRoutes(sessions) })) test(name, run)
 * ```
 *
 * Runners with a time limit of their own need a longer one: `test(name, run, 60_000)` in Vitest, Jest and Bun.
 *
 * The app serves a few routes, each in the manner of the framework: `docs/writing-an-adapter.md` lists what their
 * handlers do.
 *
 * @module
 */
import type { CookieStore } from '../core/cookie-store.js'
import { refuseOtherThanFunction, refuseUnknownOptions, wholeNumber } from '../core/option-checks.js'
import { createSessions, type Sessions } from '../core/sessions.js'
import type { Awaitable, SessionStore } from '../core/store.js'
import { createBackend, type Pace } from './adapter-checks/backend.js'
import { type AdapterBench, type AdapterCheck, createApp } from './adapter-checks/bench.js'
import { orderChecks } from './adapter-checks/order-checks.js'
import { sessionChecks } from './adapter-checks/session-checks.js'
import { transportChecks } from './adapter-checks/transport-checks.js'
import { optionalWireChecks, wireChecks } from './adapter-checks/wire-checks.js'
import { type Check, checksOf, type Deviation, refuse, refuseOtherThanList, takeSteps } from './check.js'

export type { Check, Deviation } from './check.js'

const requiredChecks = { ...sessionChecks, ...orderChecks, ...wireChecks, ...transportChecks }

/** A route that not every framework can serve. */
export type OptionalRoute = keyof typeof optionalWireChecks

/** The name of a check, as a deviation refers to it. */
export type AdapterCheckName = keyof (typeof requiredChecks &
  typeof optionalWireChecks.hints &
  typeof optionalWireChecks.trailers)

/** An app that listens. */
export interface ServedApp {
  /** The port of 127.0.0.1 on which it serves plain HTTP. */
  readonly port: number
  /** Stops it, also where connections are open. */
  close(): Awaitable<unknown>
}

export interface AdapterChecksOptions {
  /** Serves the routes with these sessions. Called anew for each check, and more than once by some. */
  start(sessions: Sessions): Awaitable<ServedApp>
  /** The optional routes that it serves. None unless said. */
  routes?: readonly OptionalRoute[]
  /**
   * What keeps the sessions, given the store of the kit, which tells what is asked of it and can be made to fail: a
   * decorator over it, or a `cookieStore` with it for `revocation`. The store of the kit itself unless said.
   */
  store?(kept: SessionStore): SessionStore | CookieStore
  /**
   * Checks that this adapter fails, or that any would over this `store`, each with the reason. They run all the same,
   * and are expected to fail: a deviation that is no longer one is an error.
   */
  deviations?: readonly Deviation<AdapterCheckName>[]
}

/**
 * The checks for an adapter. Each runs twice: with a store that answers at once, and with one that answers later. Throws
 * `invalid_option` for an option that is unknown or wrong, for an unknown route, and for a deviation from a check that is not
 * among them.
 */
export function adapterChecks(options: AdapterChecksOptions): Check[] {
  refuseWrong(options)
  const { routes = [], deviations = [] } = options
  const checks = new Map<string, AdapterCheck>(Object.entries(requiredChecks))
  for (const route of routes) {
    if (!Object.hasOwn(optionalWireChecks, route)) {
      refuse('adapterChecks', `"routes" names ${JSON.stringify(route)}, which is not an optional route`)
    }
    for (const [name, check] of Object.entries(optionalWireChecks[route])) checks.set(name, check)
  }
  return checksOf<BenchOf>({
    name: 'adapterChecks',
    subject: 'adapter',
    checks: new Map(Array.from(checks, ([name, check]) => [name, atEitherPace(check)])),
    deviations,
    onBench: (check) => onBench(options, check),
  })
}

function refuseWrong(options: AdapterChecksOptions | undefined): void {
  refuseUnknownOptions('adapterChecks', options, ['start', 'routes', 'store', 'deviations'])
  refuseOtherThanFunction('start of adapterChecks', options?.start)
  if (options?.store !== undefined) refuseOtherThanFunction('store of adapterChecks', options.store)
  refuseOtherThanList('routes of adapterChecks', options?.routes)
  refuseOtherThanList('deviations of adapterChecks', options?.deviations)
}

type BenchOf = (pace: Pace) => AdapterBench

function atEitherPace(check: AdapterCheck): (benchOf: BenchOf) => Promise<void> {
  return async (benchOf) => {
    for (const pace of ['at once', 'later'] as const) {
      try {
        await check(benchOf(pace))
      } catch (failure) {
        if (failure instanceof Error) failure.message += `\n(with a store that answers ${pace})`
        throw failure
      }
    }
  }
}

/** Runs a check with apps of its own, and stops them, whatever came of it. */
async function onBench(options: AdapterChecksOptions, check: (benchOf: BenchOf) => Promise<void>): Promise<void> {
  const running: (() => unknown)[] = []
  const benchOf: BenchOf = (pace) => ({
    async start(given = {}) {
      const backend = createBackend(pace)
      const store = options.store?.(backend.store) ?? backend.store
      const sessions = createSessions({ ...given, store })
      running.push(() => sessions.close())
      const served = await options.start(sessions)
      running.push(() => served?.close())
      const port = wholeNumber(served?.port, '"port" of what start of adapterChecks returns')
      return createApp(port, sessions, backend)
    },
  })
  await takeSteps([() => check(benchOf), () => takeSteps(running.reverse())])
}

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionsOptions } from '../../core/options.js'
import type { Sessions } from '../../core/sessions.js'
import type { Backend } from './backend.js'
import { Visitor } from './browser.js'

/** An app that serves the routes of the kit. */
export interface App {
  readonly port: number
  readonly sessions: Sessions
  readonly backend: Backend
  /** A visitor who was never here. */
  visitor(): Visitor
  /** A visitor who has a session, with `views` at 1. The calls that it took are forgotten. */
  regular(): Promise<Visitor>
}

/** What a check has to work with. */
export interface AdapterBench {
  /** Starts an app, with session options where they matter. */
  start(options?: Omit<SessionsOptions, 'store'>): Promise<App>
}

export type AdapterCheck = (bench: AdapterBench) => Promise<void>

export function createApp(port: number, sessions: Sessions, backend: Backend): App {
  const visitor = () => new Visitor(port)
  return {
    port,
    sessions,
    backend,
    visitor,
    async regular() {
      const known = visitor()
      const { status, body } = await known.ask('/views')
      assert.deepEqual([status, body], [200, '1'], 'the first GET /views of a visitor')
      assert.ok(known.cookie, 'GET /views set no session cookie')
      backend.calls.length = 0
      return known
    },
  }
}

/** Waits until something holds, for as long as a slow machine may need. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `${what}: not within five seconds`)
    await sleep(5)
  }
}

/** Asserts that an app still serves, and that a session still works in it. */
export async function assertServes(app: App): Promise<void> {
  const visitor = await app.regular()
  assert.equal((await visitor.ask('/views')).body, '2', 'the app serves on')
}

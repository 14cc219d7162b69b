/**
 * `express-session` and the drop-in, side by side: the same generated apps, stores and requests. What a user, an operator or
 * a store's author can see must be the same, but for the differences that docs/express-session.md lists with their reasons.
 *
 * SESSION_RUNS: how many sequences; SEED: which. A failure prints both, and the shortest scenario that fails.
 */
import original from 'express-session'
import fc from 'fast-check'
import session from 'sojourn/express-session'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { scenario } from './scenario.js'
import { type Side, startSide } from './side.js'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const numRuns = Number(process.env.SESSION_RUNS ?? 2000)
const start = Date.UTC(2026, 0, 1, 12)

let theirs: Side
let ours: Side

beforeAll(async () => {
  process.on('deprecation', () => {})
  vi.useFakeTimers({ toFake: ['Date'], now: start })
  theirs = await startSide(original, original)
  ours = await startSide(session, original)
})

afterAll(async () => {
  await theirs?.close()
  await ours?.close()
  vi.useRealTimers()
})

test(`${numRuns} sequences of requests, seed ${seed}`, { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (plan) => {
      vi.setSystemTime(start)
      const expected = await theirs.run(plan)
      vi.setSystemTime(start)
      const actual = await ours.run(plan)
      expect(actual).toEqual(expected)
    }),
    { seed, numRuns, endOnFailure: Boolean(process.env.NO_SHRINK) },
  )
})

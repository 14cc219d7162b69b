import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { memoryStore } from '../../src/core/memory-store.js'
import { createSessions } from '../../src/core/sessions.js'
import { charactersLookedAt } from './looked-at.js'
import { fuzzTargets } from './targets.js'

// A short form here; `npm run fuzz` meets the engine with a million inputs. FUZZ_SEED repeats a run.

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)
const targets = await fuzzTargets()
const inputs = Math.ceil(Number(process.env.FUZZ_INPUTS ?? 20_000) / targets.length)
const batch = 10_000

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

for (const { name, property } of targets) {
  test(`${inputs} ${name}, seed ${seed}`, { timeout: 3_600_000 }, async () => {
    let early: number | undefined
    for (let done = 0; done < inputs; done += batch) {
      const numRuns = Math.min(batch, inputs - done)
      await fc.assert(property as fc.IAsyncPropertyWithHooks<[unknown]>, { numRuns, seed: seed + done })
      collectGarbage()
      early ??= process.memoryUsage().heapUsed
    }
    const growth = process.memoryUsage().heapUsed - (early ?? 0)
    expect(growth, 'bytes by which memory grew').toBeLessThan(30e6)
  })
}

test.each(['n=v', '__Host-session', '__Host-session=', ';', ' ', '=', '__Host-sessionx=1'])(
  'a Cookie header of 16 KB with thousands of %j costs linear time',
  (pair) => {
    const whole = charactersLookedAt(pair, 16_384)
    expect(whole).toBeGreaterThan(16_000)
    // Eight times the text costs eight times as much; quadratic cost would be sixty-four times.
    expect(whole / charactersLookedAt(pair, 2048)).toBeLessThan(9)
  },
)

test('a Cookie header full of tokens costs two calls of the store', async () => {
  const memory = memoryStore()
  const read = vi.fn(memory.read)
  const sessions = createSessions({ store: { ...memory, read } })
  const tokens = Array.from({ length: 200 }, (_, index) => `__Host-session=${String(index).padStart(64, 'x')}`)
  const { userId } = await sessions.load({ cookie: tokens.join('; ') })
  expect([userId, read.mock.calls.length]).toEqual([null, 2])
  await sessions.close()
})

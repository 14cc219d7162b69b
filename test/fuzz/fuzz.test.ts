import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fuzzTargets, parseTime } from './targets.js'

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

test('a Cookie header of 16 KB with thousands of pairs costs linear time', () => {
  // Eight times the pairs may cost at most twice eight times; quadratic cost would be sixty-four times.
  expect(parseTime(2048) / parseTime(256)).toBeLessThan(24)
})

import { describe } from 'vitest'
import { type Tool, whyMissing } from './tool.ts'

/**
 * A `describe` of tests that need some tools. Where one is missing and may not be installed they are skipped, and the
 * title says why and which command helps; with SOJOURN_NO_SKIP=1 that is a failure. To be awaited:
 *
 * `alsoMissing` says the same of what is no program.
 *
 *     await describeWith(['redis'], 'the Redis store', () => { … })
 */
export async function describeWith(
  needs: readonly Tool[],
  title: string,
  tests: () => void,
  alsoMissing?: string,
): Promise<void> {
  const missing = alsoMissing === undefined ? [] : [alsoMissing]
  for (const tool of needs) {
    const why = await whyMissing(tool)
    if (why !== undefined) missing.push(why)
  }
  if (missing.length === 0) describe(title, tests)
  else describe.skip(`${title} (skipped: ${missing.join('; ')})`, tests)
}

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'

// A script, a job and a test that use sessions end when they are done, though nothing was closed.

const run = promisify(execFile)
const program = join(import.meta.dirname, 'ends-by-itself.mjs')
const folder = mkdtempSync(join(tmpdir(), 'sojourn-sweep-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.each([
  ['memory', () => 'memory'],
  ['SQLite', () => join(mkdtempSync(join(folder, 'file-')), 'sessions.db')],
])('a process with sessions in %s ends by itself', (_, place) => {
  test('before the first sweep', async () => {
    expect(await outputOf(place(), 'before it sweeps')).toBe('alice: 3000 of 3000 left')
  })

  test('in the middle of one', async () => {
    const [, left] = /^alice: (\d+) of 3000 left$/.exec(await outputOf(place(), 'while it sweeps')) ?? []
    expect(Number(left)).toBeGreaterThan(0)
    expect(Number(left)).toBeLessThan(3000)
  })
})

/** Fails where the process has to be ended. */
async function outputOf(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [program, ...args], { timeout: 30_000 })
  return stdout.trim()
}

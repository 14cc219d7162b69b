import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** How a bench ends that has not begun to measure, and what it says. */
function ending(program: string, ...args: string[]): Promise<{ failed: boolean; said: string }> {
  const path = join(import.meta.dirname, program)
  return new Promise((resolve) => {
    execFile(process.execPath, [path, ...args], { timeout: 30_000 }, (error, _output, said) => {
      resolve({ failed: error !== null && !error.killed, said })
    })
  })
}

test.each(['x', '0', '', '1.5', 'Infinity'])('refuses to measure %j rounds, and shows the help', async (rounds) => {
  const { failed, said } = await ending('run.ts', '--rounds', rounds)
  expect(failed).toBe(true)
  expect(said).toContain(`--rounds must be a whole number, at least 1; got "${rounds}"`)
  expect(said).toContain('npm run bench -- [options]')
})

test.each([
  ['--sessions', 'ten'],
  ['--requests', '0'],
  ['--minutes', 'x'],
  ['--minutes', '0'],
])('refuses at scale %s %s', async (option, given) => {
  const { failed, said } = await ending('scale/run.ts', 'one-session', option, given)
  expect(failed).toBe(true)
  expect(said).toContain(`${option} must be a`)
  expect(said).toContain(`got "${given}"`)
})

test('refuses to start a process no times', async () => {
  const { failed, said } = await ending('startup.ts', 'x')
  expect(failed).toBe(true)
  expect(said).toContain('got "x"')
})

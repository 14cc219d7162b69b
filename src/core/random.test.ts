import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { randomText } from './random.js'

test('texts are as long as asked for, and never the same twice', () => {
  const seen = new Set<string>()
  for (let count = 0; count < 5000; count++) {
    const bytes = 9 + (count % 22)
    const text = randomText(bytes)
    expect(Buffer.from(text, 'base64url')).toHaveLength(bytes)
    expect(text).toMatch(/^[\w-]+$/)
    seen.add(text)
  }
  expect(seen.size).toBe(5000)
})

test('each bit is as often one as zero, wherever in what was drawn it stands', () => {
  const ones = new Array<number>(72).fill(0)
  for (let count = 0; count < 5000; count++) {
    const bytes = Buffer.from(randomText(9), 'base64url')
    for (let bit = 0; bit < 72; bit++)
      ones[bit] = (ones[bit] as number) + (((bytes[bit >> 3] as number) >> (bit & 7)) & 1)
  }
  // Eight standard deviations.
  for (const count of ones) expect(Math.abs(count - 2500)).toBeLessThan(283)
})

test('processes that start from one snapshot give out different ones', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-random-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const contents = `
    import { startupSnapshot } from 'node:v8'
    import { randomText } from './random.ts'
    randomText(9)
    startupSnapshot.setDeserializeMainFunction(() => process.stdout.write(randomText(9)))`
  const stdin = { contents, resolveDir: import.meta.dirname }
  const { outputFiles } = buildSync({ stdin, bundle: true, platform: 'node', format: 'cjs', write: false })
  const [program, snapshot] = [join(folder, 'program.cjs'), join(folder, 'snapshot')]
  writeFileSync(program, outputFiles[0]?.contents ?? '')
  execFileSync(process.execPath, ['--snapshot-blob', snapshot, '--build-snapshot', program])
  const start = () => execFileSync(process.execPath, ['--snapshot-blob', snapshot]).toString()
  const first = start()
  expect(first).toHaveLength(12)
  expect(start()).not.toBe(first)
})

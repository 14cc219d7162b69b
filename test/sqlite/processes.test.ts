import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import type { SessionRecord } from '../../src/core/store.js'
import { sqliteStore } from '../../src/stores/sqlite.js'
import { installRuntimes } from '../package/installed.js'

const run = promisify(execFile)
await installRuntimes()
const drivers = ['node:sqlite', 'better-sqlite3', 'libsql']
const program = (name: string) => join(import.meta.dirname, name)
const folder = mkdtempSync(join(tmpdir(), 'sojourn-sqlite-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.each(drivers)('%s: a process that is killed', (driver) => {
  test.each([1, 20, 150, 400, 1000])('loses nothing of the %i or more writes that it was told of', async (enough) => {
    const path = join(folder, `${driver.replace(':', '-')}-${enough}.db`)
    const told = await Promise.all([writeAndKill(driver, path, 'a', enough), writeAndKill(driver, path, 'b', enough)])
    const store = sqliteStore(path)
    for (const lines of told) {
      expect(lines.length).toBeGreaterThanOrEqual(enough)
      const last = new Map(lines.map(([what, id, number]) => [id as string, { what, number: Number(number) }]))
      const latest = Math.max(...[...last.values()].map(({ number }) => number))
      for (const [id, { what, number }] of last) {
        const record = store.read(id) as SessionRecord | null
        const found = record && Number(record.values.one)
        // Four writes are under way at a time, so those after the last one told of may have happened.
        const next = number + 7
        const possible = [what === 'has' ? number : null, ...(next <= latest + 4 ? [next, null] : [])]
        expect(possible).toContain(found)
        if (record) expect(record.values.two).toBe(record.values.one)
      }
    }
    store.close?.()
  })
})

/** Runs a writer until it was told of so many writes, kills it, and gives what it said. */
async function writeAndKill(driver: string, path: string, prefix: string, enough: number): Promise<string[][]> {
  const writer = spawn(process.execPath, [program('write-until-killed.mjs'), driver, path, prefix])
  const failures: string[] = []
  writer.stderr.setEncoding('utf8').on('data', (text) => failures.push(text))
  const ended = once(writer, 'close')
  const lines: string[][] = []
  for await (const line of createInterface(writer.stdout)) {
    lines.push(line.split(' '))
    if (lines.length === enough) writer.kill('SIGKILL')
  }
  expect([await ended, failures.join('')]).toEqual([[null, 'SIGKILL'], ''])
  return lines
}

describe('several processes on one file', () => {
  test.each([
    ['node:sqlite', Array(4).fill('node:sqlite')],
    ['drivers of three kinds', [...drivers, 'node:sqlite']],
  ])('start at once, count exactly, lose nothing and never find it busy: %s', async (title, mixed: string[]) => {
    const path = join(folder, `${title.replace(':', '-')}.db`)
    const steps = 150
    await Promise.all(
      mixed.map((driver, index) =>
        run(process.execPath, [program('count.mjs'), driver, path, `p${index}`, `${steps}`]),
      ),
    )
    const store = sqliteStore(path)
    const own = Object.fromEntries(mixed.map((_, index) => [`p${index}`, String(steps)]))
    expect(store.read('shared')).toMatchObject({ values: { count: String(steps * mixed.length), ...own } })
    store.sweep?.(Date.now() + 1000, 1_000_000)
    expect(store.list?.({ limit: 10 })).toHaveLength(1)
    store.close?.()
  })

  test('start on a new file at the same moment', async () => {
    for (const round of [1, 2, 3]) {
      const path = join(folder, `start-${round}.db`)
      const starts = Array.from({ length: 6 }, () =>
        run(process.execPath, [program('count.mjs'), 'node:sqlite', path, 'p', '0']),
      )
      await Promise.all(starts)
    }
  })
})

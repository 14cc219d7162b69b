import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeOf } from './code-blocks.js'

// The recipe of docs/doctor.md, as a CI run meets it.

const root = join(import.meta.dirname, '../..')
let folder: string
let recipe: string
beforeAll(async () => {
  // Inside the package, so that its own name leads to it.
  folder = await mkdtemp(join(root, '.build-doctor-'))
  const { blocks } = codeOf(await readFile(join(root, 'docs/doctor.md'), 'utf8'))
  recipe = blocks.find(({ code }) => code.includes('node:test'))?.code ?? ''
})
afterAll(() => rm(folder, { recursive: true }))

async function inCi(options: string): Promise<{ code: unknown; output: string }> {
  const file = join(folder, 'health.test.mjs')
  const given = `
    import express from 'express'
    import { createSessions } from 'sojourn'
    import { session } from 'sojourn/express'
    import { sqliteStore } from 'sojourn/stores/sqlite'
    const sessions = createSessions(${options})
    const app = express().use(session(sessions))
  `
  await writeFile(file, given + recipe)
  return new Promise((resolve) => {
    execFile(process.execPath, ['--test', file], { cwd: folder }, (error, stdout) =>
      resolve({ code: error?.code ?? 0, output: stdout }),
    )
  })
}

test('it fails the run on a finding, and says which', async () => {
  const { code, output } = await inCi("{ store: sqliteStore(':memory:'), cookie: { secure: false } }")
  expect(code).toBe(1)
  expect(output).toContain('cookie-not-secure')
})

test('it lets pass what is good, and what was accepted', async () => {
  expect((await inCi("{ store: sqliteStore(':memory:') }")).code).toBe(0)
  expect((await inCi("{ store: sqliteStore(':memory:'), cookie: { domain: 'example.com' } }")).code).toBe(0)
})

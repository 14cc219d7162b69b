import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { runtimes } from '../package/installed.js'

const run = promisify(execFile)
const { programs, missing } = await runtimes()
const conformance = join(import.meta.dirname, 'conformance.mjs')

test.each(Object.entries(programs))(
  'on %s every check passes, whatever SQLite it has',
  async (name, node) => {
    const isOld = name.startsWith('Node 20.')
    // better-sqlite3 13 is for Node 22.14 and newer, and crashes Node 20.
    const drivers = isOld ? 'libsql' : 'node:sqlite better-sqlite3 libsql'
    const env = { ...process.env, DRIVERS: drivers, NODE_OPTIONS: '' }
    const { stdout } = await run(node, ['--test', '--test-reporter=tap', conformance], { env }).catch((error) => error)
    expect(stdout).toContain('\n# fail 0\n')
    expect(Number(/\n# pass (\d+)\n/.exec(stdout)?.[1])).toBeGreaterThan(55 * drivers.split(' ').length)
  },
  180_000,
)

test.each(Object.entries(programs).filter(([name]) => name.startsWith('Node 20.')))(
  'on %s a path is answered with what to install and write',
  async (_, node) => {
    const program = "const { sqliteStore } = await import('sojourn/stores/sqlite'); sqliteStore('sessions.db')"
    const { stderr } = await run(node, ['--input-type=module', '--eval', program], { cwd: import.meta.dirname }).catch(
      (error) => error,
    )
    expect(stderr).toContain('npm install libsql')
    expect(stderr).toContain("code: 'client_missing'")
  },
)

if (missing) test.skip(`other versions of Node (skipped: ${missing})`)

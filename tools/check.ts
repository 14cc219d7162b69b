/**
 * Runs every check that needs no server and no browser, all of them even when one fails, and says which did.
 *
 *     npm run check
 */
import { spawnSync } from 'node:child_process'

// publint and attw look at what would be published, so the build comes before them.
const checks = [
  'check:types',
  'check:lint',
  'check:layers',
  'check:unused',
  'build',
  'check:publint',
  'check:attw',
  'check:size',
]

const failed: string[] = []
for (const check of checks) {
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', check], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${status === 0 ? '✓' : '✗'} ${check} (${seconds} s)`)
  if (status !== 0) failed.push(check)
  if (status !== 0 || check === 'check:size') console.log(`${stdout}${stderr}`)
}
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}. Run one alone with npm run ${failed[0]}.`)
  process.exitCode = 1
}

/**
 * Ends a run of everything with one line, `N passed, N failed`, from the report of the test runner. The checks count as
 * one test, and so do the short benches; so does a run that failed in a way that no test tells, such as a file that could
 * not be loaded.
 *
 *     node tools/summary.ts <report.json> <exit code of the checks> <of the tests> <of the short benches>
 */
import { readFileSync } from 'node:fs'

interface Report {
  numPassedTests: number
  numFailedTests: number
  testResults: { name: string; status: string; message: string; assertionResults: { status: string }[] }[]
}

export interface ExitCodes {
  readonly checks: number
  readonly tests: number
  readonly benches: number
}

/** How many passed and failed, and what to say of failures that no test tells. */
export function summary(report: Report | undefined, exitCodes: ExitCodes) {
  const notes: string[] = []
  for (const { name, status, message, assertionResults } of report?.testResults ?? []) {
    const told = assertionResults.some((test) => test.status === 'failed')
    if (status === 'failed' && !told) notes.push(`${name}: ${message.split('\n')[0]}`)
  }
  let failed = (report?.numFailedTests ?? 0) + notes.length
  let passed = report?.numPassedTests ?? 0
  if (exitCodes.tests !== 0 && failed === 0) {
    failed++
    notes.push(`The test run ended with code ${exitCodes.tests}, see above.`)
  }
  for (const [name, code] of [
    ['npm run check', exitCodes.checks],
    ['npm run bench:short', exitCodes.benches],
  ] as const) {
    if (code === 0) passed++
    else {
      failed++
      notes.push(`${name} failed, see above.`)
    }
  }
  return { passed, failed, notes }
}

function readReport(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  const [path = '', ...codes] = process.argv.slice(2)
  const [checks = 1, tests = 1, benches = 1] = codes.map(Number)
  const { passed, failed, notes } = summary(readReport(path), { checks, tests, benches })
  for (const note of notes) console.log(note)
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

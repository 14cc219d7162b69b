import { expect, test } from 'vitest'
import { summary } from './summary.js'

const passed = { name: 'a.test.ts', status: 'passed', message: '', assertionResults: [{ status: 'passed' }] }
const broken = { name: 'b.test.ts', status: 'failed', message: 'SyntaxError: …\n  at', assertionResults: [] }
const report = (numFailedTests: number, ...testResults: (typeof passed)[]) => ({
  numPassedTests: 3,
  numFailedTests,
  testResults,
})

test('the checks count as one test', () => {
  expect(summary(report(0, passed), { checks: 0, tests: 0 })).toEqual({ passed: 4, failed: 0, notes: [] })
  expect(summary(report(0, passed), { checks: 1, tests: 0 })).toMatchObject({ passed: 3, failed: 1 })
})

test('failed tests are counted once', () => {
  expect(summary(report(2, passed), { checks: 0, tests: 1 })).toEqual({ passed: 4, failed: 2, notes: [] })
})

test('a file that could not be loaded is a failure', () => {
  expect(summary(report(0, passed, broken), { checks: 0, tests: 1 })).toEqual({
    passed: 4,
    failed: 1,
    notes: ['b.test.ts: SyntaxError: …'],
  })
})

test('a run that ended badly without telling is a failure', () => {
  expect(summary(undefined, { checks: 0, tests: 124 })).toMatchObject({ passed: 1, failed: 1 })
})

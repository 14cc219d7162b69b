import { expect, test } from 'vitest'
import { summary } from './summary.js'

const passed = { name: 'a.test.ts', status: 'passed', message: '', assertionResults: [{ status: 'passed' }] }
const broken = { name: 'b.test.ts', status: 'failed', message: 'SyntaxError: …\n  at', assertionResults: [] }
const report = (numFailedTests: number, ...testResults: (typeof passed)[]) => ({
  numPassedTests: 3,
  numFailedTests,
  testResults,
})

const allWell = { checks: 0, tests: 0, benches: 0 }

test('the checks count as one test, and so do the short benches', () => {
  expect(summary(report(0, passed), allWell)).toEqual({ passed: 5, failed: 0, notes: [] })
  expect(summary(report(0, passed), { ...allWell, checks: 1 })).toMatchObject({ passed: 4, failed: 1 })
  expect(summary(report(0, passed), { ...allWell, benches: 1 })).toMatchObject({ passed: 4, failed: 1 })
})

test('failed tests are counted once', () => {
  expect(summary(report(2, passed), { ...allWell, tests: 1 })).toEqual({ passed: 5, failed: 2, notes: [] })
})

test('a file that could not be loaded is a failure', () => {
  expect(summary(report(0, passed, broken), { ...allWell, tests: 1 })).toEqual({
    passed: 5,
    failed: 1,
    notes: ['b.test.ts: SyntaxError: …'],
  })
})

test('a run that ended badly without telling is a failure', () => {
  expect(summary(undefined, { ...allWell, tests: 124 })).toMatchObject({ passed: 2, failed: 1 })
})

import { expect, onTestFinished, test, vi } from 'vitest'
import { StoreCalls } from '../../src/express-session/store-calls.js'

test('calls that never come back are waited for once, and not again at the end of the response', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const calls = new StoreCalls()
  calls.begin(
    () => {},
    () => {},
  )
  const waited = calls.whenOver()
  await vi.advanceTimersByTimeAsync(5000)
  await waited
  expect(calls.whenOver()).toBe(undefined)
})

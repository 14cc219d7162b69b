import { expect, onTestFinished, test, vi } from 'vitest'
import { keepAnswering, patience } from './patience.js'

test('a client that was closed is not connected anew, though an answer was still awaited', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const reconnect = vi.fn()
  const silence = () => new Promise<never>(() => {})
  const stop = keepAnswering(silence, reconnect)
  await vi.advanceTimersByTimeAsync(2 * patience)
  expect(reconnect).toHaveBeenCalledOnce()
  stop()
  await vi.advanceTimersByTimeAsync(3 * patience)
  expect(reconnect).toHaveBeenCalledOnce()
})

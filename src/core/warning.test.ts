import { afterEach, expect, test, vi } from 'vitest'
import { warn } from './warning.js'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

test('a warning goes to the log on Workers, where process.emitWarning prints nothing', () => {
  const emitted = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const logged = vi.spyOn(console, 'warn').mockImplementation(() => {})
  vi.stubGlobal('navigator', { userAgent: 'Cloudflare-Workers' })
  warn('hear this')
  expect(emitted).not.toHaveBeenCalled()
  expect(logged).toHaveBeenCalledWith('SojournWarning: hear this')
})

test('and to process.emitWarning everywhere else', () => {
  const emitted = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  warn('hear this')
  expect(emitted).toHaveBeenCalledWith('hear this', { type: 'SojournWarning' })
})

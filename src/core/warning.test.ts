import { afterEach, expect, test, vi } from 'vitest'
import { createSessions } from './sessions.js'
import { callListener, warn } from './warning.js'

afterEach(() => {
  vi.unstubAllEnvs()
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

test('whatever a listener throws or rejects with, a warning tells, and nobody is harmed', async () => {
  const emitted = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const thrown = Object.create(null)
  callListener('The listener', () => {
    throw thrown
  })
  callListener('The listener', () => Promise.reject(thrown))
  await vi.waitFor(() => expect(emitted).toHaveBeenCalledTimes(2))
  expect(emitted).toHaveBeenLastCalledWith('The listener threw: an object', { type: 'SojournWarning' })
  const sessions = createSessions()
  sessions.on('created', () => {
    throw thrown
  })
  await expect(sessions.create({ userId: 'ann' })).resolves.toBeDefined()
})

test.each([
  ['production', /^NO STORE IS SET IN PRODUCTION: sessions are kept in memory/],
  ['development', /^Sessions are kept in memory/],
])('that there is no store is told once, in %s', async (environment, message) => {
  vi.resetModules()
  vi.stubEnv('NODE_ENV', environment)
  const emitted = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  const fresh = await import('./sessions.js')
  fresh.createSessions()
  fresh.createSessions()
  expect(emitted.mock.calls).toEqual([[expect.stringMatching(message), { type: 'SojournWarning' }]])
})

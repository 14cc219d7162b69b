import { expect, test } from 'vitest'
import { memoryStore } from '../stores/memory.js'
import { createSessions } from './sessions.js'

test.each<[unknown, RegExp]>([
  [{ sttore: 1 }, /^createSessions: "sttore" is not an option; there are "store", "lifetime", "cookie"/],
  [{ lifetime: { idel: '1h' } }, /^lifetime: "idel" is not an option; there are "idle"/],
  [{ lifetime: { remember: { max: 1 } } }, /^lifetime\.remember: "max" is not/],
  [{ lifetime: { renewal: { each: 1 } } }, /^lifetime\.renewal: "each" is not/],
  [{ lifetime: null }, /^The options of lifetime must be an object of idle, absolute, remember, renewal; got null/],
  [{ lifetime: 3600 }, /^The options of lifetime must be an object of idle, absolute, remember, renewal; got 3600/],
  [{ cookie: { maxAge: 5 } }, /^cookie: "maxAge" is not an option; set lifetime\.idle and lifetime\.absolute/],
  [{ cookie: 'sid' }, /^The options of cookie must be an object of name, secure, .*; got "sid"/],
  [{ secret: 'keyboard cat' }, /^createSessions: "secret" is not an option; .* nothing to sign: leave it out$/],
  [{ resave: false, saveUninitialized: false }, /^createSessions: "resave" is not an option; .* leave it out$/],
  [{ store: {} }, /^store has no read\(\), no create\(\), no patch\(\), no delete\(\)/],
  [{ store: { get() {}, set() {} } }, /looks like a store for express-session: wrap it in fromConnectStore\(\)/],
  [{ store: null }, /^store has no read/],
  [{ store: Promise.resolve(memoryStore()) }, /^store has no read.* await openStore\(\)$/],
  [{ onStoreError: 'ignore' }, /^onStoreError must be "fail" or "anonymous"; got "ignore"/],
  [{ storeTimeout: '5 seconds' }, /^storeTimeout must be a positive number of milliseconds/],
  [{ storeTimeout: '30d' }, /^storeTimeout must be 24 days at most; got "30d"/],
  [{ crossOrigin: null }, /^The options of crossOrigin must be an object of trusted; got null/],
  [
    { crossOrigin: { trusted: 'https://a.test' } },
    /^crossOrigin\.trusted must be a list of origins; got "https:\/\/a\.test"/,
  ],
  [{ crossOrigin: { trusted: true } }, /^crossOrigin\.trusted must be a list of origins; got true/],
  [
    { accept: {} },
    /^accept must be what expressSessionCookie\(\) or cookieSessionCookie\(\) of 'sojourn\/express-session' makes/,
  ],
  [
    { onBindingChange: 'reauthenticate', device: false, address: false },
    /^onBindingChange 'reauthenticate' needs device or address$/,
  ],
  [{ lifetime: 'toString' }, /^lifetime must be 'aal1', 'aal2', 'aal3' or an object; got "toString"$/],
  [{ cookie: { domain: 'https://a.test' } }, /^cookie\.domain must be .* without scheme and port.*; got "https:/],
  [{ cookie: { domain: 'localhost:80' } }, /^cookie\.domain must be/],
  [{ cookie: { path: '/ä' } }, /^cookie\.path must be an encoded path that begins with '\/'; got "\/ä"$/],
  [{ clock: 5 }, /^clock must be a function/],
  [{ clock: () => new Date() }, /whole milliseconds since the epoch; got a function$/],
  [{ clock: () => 1.5 }, /whole milliseconds since the epoch; got a function$/],
  [[], /^The options of createSessions must be an object of store, /],
  [
    { method: 'GET', url: '/' },
    /^A request was given in place of the options: call what you mount, as in app\.use\(session\(sessions\)\)$/,
  ],
  [memoryStore(), /^A store was given in place of the options: write \{ store \} around it$/],
])('createSessions(%j) names what is wrong, and what would be right', (options, message) => {
  expect(() => createSessions(options as object)).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  expect(() => createSessions(options as object)).toThrow(message)
})

test('a secret given by mistake is not repeated in the message', () => {
  expect(() => createSessions({ secret: 'hunter2' } as object)).toThrow(expect.not.stringContaining('hunter2'))
})

test('options are read once', async () => {
  const lifetime = { idle: 1000 as const }
  const sessions = createSessions({ store: memoryStore(), lifetime, clock: () => 0 })
  Object.assign(lifetime, { idle: 5 })
  const { session } = await sessions.create()
  expect(session.expiresAt).toBe(1000)
  expect(() => Object.assign(sessions, { list: null })).toThrow(TypeError)
})

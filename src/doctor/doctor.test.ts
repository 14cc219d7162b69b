import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import cors from 'cors'
import express from 'express'
import originalSession from 'express-session'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { session } from '../adapters/express.js'
import type { Duration } from '../core/lifetime.js'
import { memoryStore } from '../core/memory-store.js'
import type { SessionsOptions } from '../core/options.js'
import { createSessions } from '../core/sessions.js'
import dropIn, { cookieSessionCookie, expressSessionCookie, MemoryStore } from '../express-session/index.js'
import { cookieStore } from '../stores/cookie.js'
import { sqliteStore } from '../stores/sqlite.js'
import { type ExpressApp, expressFindings } from './express-app.js'
import { doctor, type Finding } from './index.js'

const express4: typeof express = createRequire(import.meta.url)('express4')
type DropInSecret = NonNullable<NonNullable<Parameters<typeof dropIn>[0]>['secret']>
const day = 86_400_000
const secret = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'
const good = (): SessionsOptions => ({ store: sqliteStore(':memory:') })
const { list: _, ...blindStore } = memoryStore()
const ofCookieSession = (keys: string | string[]) =>
  cookieSessionCookie({ keys, store: memoryStore(), userId: (old) => old.user as string })

beforeAll(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
})
afterAll(() => {
  vi.restoreAllMocks()
})

const codes = (findings: readonly Finding[]) => findings.map(({ code }) => code)

describe('a configuration', () => {
  test.each<[string, SessionsOptions]>([
    ['no-store', {}],
    ['cookie-without-revocation', { store: cookieStore({ secrets: secret }) }],
    ['cannot-list', { store: blindStore }],
    ['cannot-list', { store: cookieStore({ secrets: secret, revocation: blindStore }) }],
    ['cookie-not-secure', { ...good(), cookie: { secure: false } }],
    ['cookie-not-secure', { ...good(), transport: { header: 'authorization', secure: false } }],
    ['cookie-shared-with-subdomains', { ...good(), cookie: { domain: 'example.com' } }],
    ['cookie-path', { ...good(), cookie: { path: '/app' } }],
    ['partitioned-needlessly', { ...good(), cookie: { partitioned: true } }],
    ['cross-site-without-guard', { ...good(), cookie: { sameSite: 'none' } }],
    ['absolute-too-long', { ...good(), lifetime: { absolute: '90d' } }],
    ['idle-too-long', { ...good(), lifetime: { idle: '14d' } }],
    ['idle-too-long', { ...good(), lifetime: { idle: '2d', absolute: '2d' } }],
    ['remembered-too-long', { ...good(), lifetime: { remember: { absolute: '91d' } } }],
    ['remembered-beyond-browsers', { ...good(), lifetime: { remember: { absolute: '500d' } } }],
    ['overlap-too-long', { ...good(), lifetime: { renewal: { every: '5m', overlap: '6m' } } }],
    ['overlap-too-long', { ...good(), lifetime: { renewal: { every: '1d', overlap: '61m' } } }],
    ['outage-hidden', { ...good(), onStoreError: 'anonymous' }],
    ['timeout-too-long', { ...good(), storeTimeout: '2m' }],
    ['weak-secret', { ...good(), accept: ofCookieSession('keyboard cat') }],
    ['weak-secret', { ...good(), accept: expressSessionCookie({ secret: 'keyboard cat', store: new MemoryStore() }) }],
  ])('%s is found', async (code, options) => {
    expect(codes(await doctor(createSessions(options)))).toEqual([code])
  })

  test.each<[string, SessionsOptions]>([
    ['the defaults, with a store', good()],
    ['tokens in a header', { ...good(), transport: { header: 'authorization' } }],
    ['NIST’s second level', { ...good(), lifetime: 'aal2' }],
    ['less than a day, whose one limit is both', { ...good(), lifetime: { absolute: '8h' } }],
    ['a cookie store that can revoke', { store: cookieStore({ secrets: secret, revocation: memoryStore() }) }],
    [
      'another site, guarded',
      { ...good(), cookie: { sameSite: 'none', partitioned: true }, crossOrigin: { trusted: ['https://a.example'] } },
    ],
    [
      'what the page on lifetime shows',
      { ...good(), lifetime: { remember: { idle: '30d', absolute: '90d' }, renewal: { every: '1h', overlap: '2m' } } },
    ],
    ['cookies of old with a good key', { ...good(), accept: ofCookieSession(secret) }],
    ['memory, which was chosen', { store: memoryStore() }],
  ])('nothing is found in a good one: %s', async (_what, options) => {
    expect(await doctor(createSessions(options))).toEqual([])
  })

  test.each<[string, SessionsOptions]>([
    ['by default', {}],
    ['by choice', { store: memoryStore() }],
    ['of sealed cookies', { store: cookieStore({ secrets: secret, revocation: memoryStore() }) }],
  ])('sessions in memory are an error in production: %s', async (_what, options) => {
    vi.stubEnv('NODE_ENV', 'production')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(codes(await doctor(createSessions(options)))).toEqual(['no-store'])
    expect(await doctor(createSessions(good()))).toEqual([])
  })

  test('each weak secret of cookies that are taken over is told apart, and is worse where the cookie is the session', async () => {
    const told = async (accept: NonNullable<SessionsOptions['accept']>) =>
      (await doctor(createSessions({ ...good(), accept }))).map(({ level, what }) => `${level}: ${what}`)
    expect(await told(ofCookieSession(['keyboard cat', secret, 'Wm9vPq3v']))).toEqual([
      'error: Secret 1 of cookie-session is one that everybody knows',
      'error: Secret 3 of cookie-session needs at least 32 characters',
    ])
    expect(await told(expressSessionCookie({ secret: 'keyboard cat', store: new MemoryStore() }))).toEqual([
      'warning: The secret of express-session is one that everybody knows',
    ])
    const inBytes = [Buffer.from('keyboard cat'), randomBytes(32), createSecretKey(Buffer.from('Wm9vPq3v'))]
    expect(await told(expressSessionCookie({ secret: inBytes, store: new MemoryStore() }))).toEqual([
      'warning: Secret 1 of express-session is one that everybody knows',
      'warning: Secret 3 of express-session needs at least 32 bytes',
    ])
  })
})

describe('the secret of the drop-in', () => {
  const told = async (given: DropInSecret) => {
    const app = express()
    app.use(dropIn({ secret: given, resave: false, saveUninitialized: false }))
    const findings = await doctor(null, app as unknown as ExpressApp)
    return findings.find(({ code }) => code === 'weak-secret')?.what.replace('The secret of the drop-in ', '')
  }
  const known = 'complex_password_at_least_32_characters_long'

  test.each<[string, DropInSecret, string]>([
    ['a known text', Buffer.from('keyboard cat'), 'is one that everybody knows'],
    ['a long known text', Buffer.from(known), 'is one that everybody knows'],
    ['a known text, as a key', createSecretKey(Buffer.from('keyboard cat')), 'is one that everybody knows'],
    ['a known text, as an ArrayBuffer', new TextEncoder().encode(known).buffer, 'is one that everybody knows'],
    ['a known text behind a good one', [secret, Buffer.from('keyboard cat')], 'is one that everybody knows'],
    ['one byte', Buffer.from([7]), 'needs at least 32 bytes'],
    ['three bytes', new Uint8Array(3), 'needs at least 32 bytes'],
    ['31 random bytes of a larger buffer', randomBytes(64).subarray(33), 'needs at least 32 bytes'],
    ['15 numbers of two bytes', new Uint16Array(15), 'needs at least 32 bytes'],
    ['a short key', createSecretKey(randomBytes(16)), 'needs at least 32 bytes'],
    ['zeros', Buffer.alloc(64), 'repeats too few bytes'],
  ])('in bytes is weak: %s', async (_what, given, weakness) => {
    expect(await told(given)).toBe(weakness)
  })

  test.each<[string, DropInSecret]>([
    ['32 random bytes', randomBytes(32)],
    ['of which none is text', Buffer.from(randomBytes(32).map((byte) => byte | 128))],
    ['as a key', createSecretKey(randomBytes(32))],
    ['as an ArrayBuffer', new Uint8Array(randomBytes(32)).buffer],
    ['numbers of two bytes', new Uint16Array(new Uint8Array(randomBytes(32)).buffer)],
    ['a good text, in bytes', Buffer.from(secret)],
    ['what signs nothing', generateKeyPairSync('ed25519').publicKey],
  ])('in bytes is good: %s', async (_what, given) => {
    expect(await told(given)).toBeUndefined()
  })
})

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('%s', (_name, framework) => {
  const sessions = createSessions(good())
  const app = (...setUp: ((app: express.Express) => void)[]) => {
    const made = framework()
    for (const step of setUp) step(made)
    return made as unknown as ExpressApp
  }
  const mounted = (it: express.Express) => void it.use(session(sessions))
  const route = (it: express.Express) => void it.get('/', (_req, res) => void res.end())
  const legacy = (options: Parameters<typeof dropIn>[0]) => (it: express.Express) =>
    void it.use(dropIn({ secret, resave: false, saveUninitialized: false, store: new FakeStore(), ...options }))
  class FakeStore extends originalSession.Store {
    override get() {}
    override set() {}
    override destroy() {}
  }

  test.each<[string, ((app: express.Express) => void)[]]>([
    ['trusts-every-proxy', [(it) => void it.set('trust proxy', true), mounted]],
    ['not-mounted', [route]],
    ['not-mounted', [(it) => void it.use(originalSession({ secret, resave: false, saveUninitialized: false }))]],
    ['mounted-after-routes', [route, mounted]],
    [
      'two-sessions',
      [mounted, (it) => void it.use(originalSession({ secret, resave: false, saveUninitialized: false }))],
    ],
    ['static-after-session', [mounted, (it) => void it.use(framework.static('.'))]],
    ['weak-secret', [legacy({ secret: 'keyboard cat', cookie: { secure: 'auto', sameSite: 'lax' } })]],
    ['no-store', [legacy({ store: undefined, cookie: { secure: 'auto', sameSite: 'lax' } })]],
    ['writes-needlessly', [legacy({ saveUninitialized: true, cookie: { secure: 'auto', sameSite: 'lax' } })]],
    ['cookie-not-secure', [legacy({ cookie: { sameSite: 'lax' } })]],
    ['cookie-readable', [legacy({ cookie: { secure: true, httpOnly: false, sameSite: 'lax' } })]],
    ['cookie-readable', [legacy({ cookie: { secure: true, httpOnly: 0 as never, sameSite: 'lax' } })]],
    ['cookie-readable', [legacy({ cookie: { secure: true, httpOnly: undefined, sameSite: 'lax' } })]],
    ['cookie-without-same-site', [legacy({ cookie: { secure: true } })]],
    ['cookie-shared-with-subdomains', [legacy({ cookie: { secure: true, sameSite: 'lax', domain: 'example.com' } })]],
    ['cookie-path', [legacy({ cookie: { secure: true, sameSite: 'lax', path: '/app' } })]],
    ['cross-site-without-guard', [legacy({ cookie: { secure: true, sameSite: 'none' } })]],
    ['cross-site-without-guard', [legacy({ cookie: { secure: 'auto', sameSite: 'auto', partitioned: true } })]],
    ['partitioned-needlessly', [legacy({ cookie: { secure: true, sameSite: 'lax', partitioned: true } })]],
    ['remembered-too-long', [legacy({ cookie: { secure: true, sameSite: 'lax', maxAge: 91 * day } })]],
    ['remembered-beyond-browsers', [legacy({ cookie: { secure: true, sameSite: 'lax', maxAge: 3650 * day } })]],
    [
      'remembered-beyond-browsers',
      [legacy({ cookie: { secure: true, sameSite: 'lax', expires: new Date(Date.now() + 401 * day) } })],
    ],
  ])('%s is found', async (code, steps) => {
    expect(codes(await doctor(null, app(...steps)))).toEqual([code])
  })

  const on = (path: string) => (it: express.Express) => void it.use(path, session(createSessions(good())))
  test.each<[string, ((app: express.Express) => void)[], string[]]>([
    ['each on its own paths', [on('/api'), on('/site')], []],
    ['on the same paths', [on('/api'), on('/api')], ['two-sessions']],
    ['of which one is everywhere', [on('/api'), mounted], ['two-sessions']],
    ['and files on none of theirs', [on('/api'), (it) => void it.use(framework.static('.'))], []],
  ])('session middlewares %s', async (_what, steps, expected) => {
    expect(codes(await doctor(null, app(...steps)))).toEqual(expected)
  })

  const under = (path: string | RegExp | string[]) => (it: express.Express) =>
    void it.use(path, session(createSessions(good())))
  const files = (it: express.Express) => void it.use(framework.static('.'))
  test.each<[string, ((app: express.Express) => void)[], string[]]>([
    ['by lists without a path in common', [under(['/a', '/b']), under(['/c', '/d']), files], []],
    ['by lists, one with a path twice', [under(['/a', '/a']), under(['/b'])], []],
    ['by expressions', [under(/^\/a/), under(/^\/b/), files], []],
    ['by the same list', [under(['/a', '/b']), under(['/a', '/b'])], ['two-sessions']],
    ['by the same expression', [under(/^\/a/), under(/^\/a/)], ['two-sessions']],
    ['by an expression, and one everywhere', [under(/^\/a/), mounted, files], ['two-sessions', 'static-after-session']],
  ])('session middlewares that are mounted %s', async (_what, steps, expected) => {
    expect(codes(await doctor(null, app(...steps)))).toEqual(expected)
  })

  const account = (...before: express.RequestHandler[]) => {
    const router = framework.Router()
    for (const handler of before) router.use(handler)
    return router.get('/orders', (_req, res) => void res.end())
  }
  const outer = framework.Router().use('/account', account())
  test.each<[string, (app: express.Express) => void, string[]]>([
    ['a router', (it) => void it.use('/account', account()), ['warning']],
    ['a router inside a router', (it) => void it.use(outer), ['warning']],
    [
      'a router with sessions of its own',
      (it) => void it.use('/account', account(session(createSessions(good())))),
      [],
    ],
    ['a router without routes', (it) => void it.use('/account', framework.Router()), []],
    ['a route', route, ['error']],
  ])('%s above the session middleware', async (_what, early, levels) => {
    const findings = await doctor(null, app(early, mounted))
    expect(findings.map(({ code, level }) => [code, level])).toEqual(
      levels.map((level) => ['mounted-after-routes', level]),
    )
  })

  const inRouter = (path: string) => (it: express.Express) => void it.use(path, account(session(sessions)))
  const around = (path: string) => (it: express.Express) =>
    void it.use(path, framework.Router().use('/inner', account(session(sessions))))
  const onItself = (router: express.Router) => router.use('/inner', router)
  const inRoute = (it: express.Express) => void it.get('/x', session(sessions), (_req, res) => void res.end())
  test.each<[string, ((app: express.Express) => void)[], string[]]>([
    ['a router', [inRouter('/account'), route], []],
    ['a router at the root', [inRouter('/'), route], []],
    ['a router in a router', [around('/outer'), route], []],
    [
      'a router that is mounted on itself too',
      [(it) => void it.use('/outer', onItself(account(session(sessions))))],
      [],
    ],
    ['a route', [inRoute, route], []],
    ['a route of a router', [(it) => void it.use(framework.Router().get('/x', session(sessions), () => {}))], []],
    ['a route above the one for all', [inRoute, mounted], []],
    [
      'nothing, though a handler is called so',
      [(it) => void it.get('/', function session(_req, _res) {})],
      ['not-mounted'],
    ],
    [
      'a router, as a drop-in without a store',
      [
        (it) =>
          void it.use(
            '/old',
            account(
              dropIn({ secret, resave: false, saveUninitialized: false, cookie: { secure: true, sameSite: 'lax' } }),
            ),
          ),
      ],
      ['no-store'],
    ],
  ])('sessions are found on %s', async (_what, steps, expected) => {
    expect(codes(await doctor(null, app(...steps)))).toEqual(expected)
  })

  test('what is mounted is judged by its options, each once, with what is handed over', async () => {
    const bad = createSessions({ ...good(), cookie: { secure: false }, onStoreError: 'anonymous' })
    const on = (path: string, ...given: Parameters<typeof session>) => app((it) => void it.use(path, session(...given)))
    expect(codes(await doctor(null, on('/')))).toEqual(['no-store'])
    expect(codes(await doctor(null, on('/', { ...good(), cookie: { secure: false } })))).toEqual(['cookie-not-secure'])
    for (const handedOver of [null, bad, sessions])
      expect(codes(await doctor(handedOver, on('/', bad)))).toEqual(['cookie-not-secure', 'outage-hidden'])
    const twice = app(
      (it) => void it.use('/a', session(bad)),
      (it) => void it.use('/b', account(session(bad))),
    )
    expect(codes(await doctor(bad, twice))).toEqual(['cookie-not-secure', 'outage-hidden'])
  })

  test('routes above a session middleware that is for some paths only are outside of it by design', async () => {
    expect(await doctor(null, app(route, on('/api')))).toEqual([])
  })

  test('routes that come too early are named, and a health check that is no route is none', async () => {
    const health = (it: express.Express) => void it.use('/health', (_req, res) => void res.end())
    const [finding, ...more] = await doctor(
      null,
      app(health, route, (it) => void it.get(/^.orders/, () => {}), mounted),
    )
    expect(finding?.what).toBe('Routes stand before the session middleware: /, /^.orders/')
    expect(more).toEqual([])
    expect(await doctor(null, app(health, mounted, route))).toEqual([])
  })

  test('nothing is found in a good app', async () => {
    const behindProxy = (it: express.Express) => void it.set('trust proxy', 1)
    expect(await doctor(sessions, app(behindProxy, files, mounted, route))).toEqual([])
    expect(await doctor(null, app(legacy({ cookie: { secure: 'auto', sameSite: 'lax' } }), route))).toEqual([])
    const complete = { secure: true, sameSite: true, httpOnly: true, path: '/', maxAge: 90 * day, partitioned: false }
    expect(await doctor(null, app(legacy({ cookie: complete }), route))).toEqual([])
    expect(await doctor(null, app(legacy({ cookie: () => ({ domain: 'example.com' }) }), route))).toEqual([])
  })
})

describe('a running server', () => {
  async function served(handle: express.Express): Promise<{ url: string; close(): void }> {
    const server = createServer(handle).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}/`, close: () => server.close() }
  }

  test.each<[string[], (app: express.Express) => void]>([
    [['cors-for-everybody'], (app) => void app.use(cors({ origin: true, credentials: true }))],
    [[], (app) => void app.use(cors({ origin: ['https://app.example.com'], credentials: true }))],
    [
      ['cookie-readable', 'cookie-without-same-site'],
      (app) =>
        void app.use((_req, res, next) => {
          res.setHeader('Set-Cookie', 'sid=1; Path=/')
          next()
        }),
    ],
    [
      [],
      (app) =>
        void app.use((_req, res, next) => {
          res.setHeader('Set-Cookie', 'sidebar_state=open; Path=/')
          next()
        }),
    ],
    [
      ['cookie-cached'],
      (app) =>
        void app.use((_req, res, next) => {
          res.setHeader('Set-Cookie', 'sid=1; HttpOnly; SameSite=Lax')
          res.setHeader('Cache-Control', 'public, max-age=60')
          next()
        }),
    ],
    [
      [],
      (app) =>
        void app.use(session(good()), (req, _res, next) => {
          Object.assign(req.session, { a: 1 })
          next()
        }),
    ],
  ])('%j is found', async (expected, setUp) => {
    const app = express()
    setUp(app)
    app.get('/', (_req, res) => void res.send('hello'))
    const { url, close } = await served(app)
    expect(codes(await doctor(null, url))).toEqual(expected)
    close()
  })

  test('HSTS is asked for over TLS', async () => {
    const found = async (headers: Record<string, string>, address = 'https://app.example.com/') => {
      vi.stubGlobal('fetch', async () => new Response('', { headers }))
      return codes(await doctor(null, address))
    }
    expect(await found({})).toEqual(['no-hsts'])
    expect(await found({}, 'HTTPS://app.example.com/')).toEqual(['no-hsts'])
    expect(await found({}, 'http://app.example.com/')).toEqual([])
    const none = ['max-age=0', 'max-age="0"; includeSubDomains', 'includeSubDomains', 'max-age=0, max-age=31536000']
    for (const hsts of none) expect(await found({ 'strict-transport-security': hsts }), hsts).toEqual(['no-hsts'])
    for (const hsts of ['max-age=1', 'max-age=031535999', 'preload;max-age = 86400'])
      expect(await found({ 'strict-transport-security': hsts }), hsts).toEqual(['hsts-too-short'])
    for (const hsts of ['includeSubDomains; Max-Age="31536000"', 'max-age=031536000', 'preload;max-age = 63072000'])
      expect(await found({ 'strict-transport-security': hsts }), hsts).toEqual([])
    vi.unstubAllGlobals()
  })

  test.each<[string, string, string[]]>([
    ['https://app.example.com/', 'sid=1; HttpOnly; SameSite=Lax; Secure', []],
    ['https://app.example.com/', 'sid=1; HttpOnly;secure;samesite=none', []],
    ['https://app.example.com/', 'sid=1; HttpOnly; SameSite=Lax', ['cookie-not-secure']],
    ['https://app.example.com/', 'sid=1; HttpOnly; SameSite=Lax; Insecure', ['cookie-not-secure']],
    ['https://app.example.com/', 'theme=dark', []],
    ['https://app.example.com/', '__Host-session=1; HttpOnly; Secure', ['cookie-without-same-site']],
    ['https://app.example.com/', 'sid=1; HttpOnly; SameSite=never; Secure', ['cookie-without-same-site']],
    ['https://app.example.com/', 'sid=1; HttpOnlyX; SameSite=Lax; Secure', ['cookie-readable']],
    ['https://app.example.com/', 'sid=1; HttpOnly; SameSite=Laxative; Secure', ['cookie-without-same-site']],
    ['https://app.example.com/', 'sid=1; HttpOnly; SameSite; Secure', ['cookie-without-same-site']],
    ['https://app.example.com/', 'sid=1; SECURE=1 ;HttpOnly = ;samesite = strict ', []],
    ['http://app.example.com/', 'sid=1; HttpOnly; SameSite=Lax; Secure', ['cookie-not-secure']],
    ['http://localhost:3000/', 'sid=1; HttpOnly; SameSite=Lax', []],
    ['http://[::1]:3000/', 'sid=1; HttpOnly; SameSite=Lax', []],
  ])('%s with Set-Cookie: %s', async (address, cookie, expected) => {
    const headers = { 'set-cookie': cookie, 'strict-transport-security': 'max-age=31536000' }
    vi.stubGlobal('fetch', async () => new Response('', { headers }))
    expect(codes(await doctor(null, address))).toEqual(expected)
    vi.unstubAllGlobals()
  })

  test.each<[string, string[]]>([
    ['public', ['cookie-cached']],
    ['max-age=60,Public', ['cookie-cached']],
    ['s-maxage=600', ['cookie-cached']],
    ['max-age=0, S-MaxAge="600"', ['cookie-cached']],
    ['private="x-visitor", s-maxage=600', ['cookie-cached']],
    ['s-maxage=0', []],
    ['private, s-maxage=600', []],
    ['public, no-store', []],
    ['no-cache, not-public', []],
  ])('a cookie with Cache-Control: %s', async (control, expected) => {
    const headers = { 'set-cookie': 'sid=1; HttpOnly; SameSite=Lax', 'cache-control': control }
    vi.stubGlobal('fetch', async () => new Response('', { headers }))
    expect(codes(await doctor(null, 'http://localhost:3000/'))).toEqual(expected)
    vi.unstubAllGlobals()
  })
})

test('each finding says why, what to change, and by which standard; errors come first', async () => {
  const findings = await doctor(
    createSessions({ cookie: { secure: false, path: '/x' }, lifetime: { absolute: '90d' } }),
  )
  expect(findings.map(({ level }) => level)).toEqual([...findings.map(({ level }) => level)].sort())
  for (const { what, why, fix, standard } of findings) {
    for (const text of [what, why, fix, standard]) expect(text.length).toBeGreaterThan(5)
  }
  expect(expressFindings(express() as unknown as ExpressApp).map(({ code }) => code)).toEqual(['not-mounted'])
})

test('secrets are not repeated', async () => {
  const app = express()
  app.use(dropIn({ secret: 'hunter2', resave: false, saveUninitialized: false }))
  expect(JSON.stringify(await doctor(null, app as unknown as ExpressApp))).not.toContain('hunter2')
})

test('an app of either version is one by its types', async () => {
  const five: Parameters<typeof doctor>[1] = express()
  const four = express4() as unknown as { get(setting: string): unknown; router: string; _router?: object }
  for (const app of [five, four]) expect(codes(await doctor(null, app))).toEqual(['not-mounted'])
})

test.each<[string, unknown]>([
  ['an object', {}],
  ['one of Fastify', Fastify()],
  ['one of Hono', new Hono()],
  ['one of Koa', new Koa()],
])('another app than these is refused: %s', async (_what, other) => {
  await expect(doctor(null, other as never)).rejects.toMatchObject({ code: 'invalid_option' })
})

test.each<[unknown, unknown]>([
  ['http://localhost:3000', undefined],
  [express(), undefined],
  [null, 'localhost:3000'],
  [null, 'app.example.com'],
])('doctor(%s, %s) is told what to give instead', async (sessions, app) => {
  await expect(doctor(sessions as never, app as never)).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringMatching(/what createSessions\(\) made, or null|such as 'https:\/\/app.example.com\/'$/),
  })
})

test('what the drop-in writes needlessly is told in good English', async () => {
  const told = async (options: object) => {
    const app = express()
    app.use(dropIn({ secret: 'x', resave: false, saveUninitialized: false, ...options }))
    const findings = await doctor(null, app as unknown as ExpressApp)
    return findings.find(({ code }) => code === 'writes-needlessly')?.what
  }
  expect(await told({ resave: true })).toBe('resave of the drop-in is on')
  expect(await told({ resave: true, saveUninitialized: true })).toBe(
    'resave and saveUninitialized of the drop-in are on',
  )
})

test.each([null, undefined])('%s is not found to be in good health', async (nothing) => {
  await expect(doctor(nothing as null)).rejects.toMatchObject({ code: 'invalid_option' })
})

test.each<[Duration, string]>([
  ['10m', 'A replaced token stays good for 10 minutes'],
  ['30s', 'A replaced token stays good for 30 seconds'],
  ['1h', 'A replaced token stays good for 1 hour'],
  ['3d', 'A replaced token stays good for 3 days'],
])('a length of %s is told as such', async (overlap, what) => {
  const findings = await doctor(createSessions({ ...good(), lifetime: { renewal: { every: '1s', overlap } } }))
  expect(findings.map((finding) => finding.what)).toEqual([what])
})

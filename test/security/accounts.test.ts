import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ServedApp } from '../../src/conformance/adapter.js'
import type { SessionsOptions } from '../../src/core/options.js'
import { createSessions, type Sessions } from '../../src/core/sessions.js'
import { memoryStore } from '../../src/stores/memory.js'
import { apps } from './apps.js'
import { type Browser, browser } from './browser.js'

describe.each(Object.entries(apps))('%s', (name, serve) => {
  let now: number
  let sessions: Sessions
  let app: ServedApp | undefined

  beforeEach(() => {
    now = Date.now()
    vi.spyOn(console, 'error').mockImplementation(() => {})
  })
  afterEach(async () => {
    await app?.close()
    await sessions?.close()
    vi.restoreAllMocks()
  })

  async function visitor(options: SessionsOptions = {}): Promise<Browser> {
    sessions = createSessions({ store: memoryStore(), clock: () => now, ...options })
    app = await serve(sessions, { saw: () => {}, failed: () => {} })
    return browser(app.port)
  }

  test('requireFresh asks for the password again, and a new sign-in gives a new token', async () => {
    const alice = await visitor()
    expect((await alice.send('POST', '/change')).status).toBe(401)
    await alice.send('POST', '/login')
    expect(await alice.send('POST', '/change')).toMatchObject({ status: 200, body: 'changed' })
    now += 10 * 60_000
    const before = alice.cookie
    expect((await alice.send('POST', '/change')).status).toBe(401)
    expect(await alice.send('GET', '/me')).toMatchObject({ status: 200, body: '7' })
    await alice.send('POST', '/login')
    expect(alice.cookie).not.toBe(before)
    expect((await alice.send('POST', '/change')).status).toBe(200)
    expect((await alice.send('GET', '/me', { cookie: before })).body).toBe('nobody')
  })

  test('with a bearer token, a 401 says which scheme is wanted, and whether the sign-in is too old', async () => {
    const alice = await visitor({ transport: { header: 'authorization' } })
    const unknown = await alice.send('POST', '/change')
    expect([unknown.status, unknown.headers['www-authenticate']]).toEqual([401, 'Bearer'])
    const login = await alice.send('POST', '/login')
    const authorization = `Bearer ${login.headers['session-token']}`
    const fresh = await alice.send('POST', '/change', { authorization })
    expect([fresh.status, fresh.headers['www-authenticate']]).toEqual([200, undefined])
    now += 10 * 60_000
    const stale = await alice.send('POST', '/change', { authorization })
    expect([stale.status, stale.headers['www-authenticate']]).toEqual([
      401,
      'Bearer error="insufficient_user_authentication"',
    ])
  })

  test.each([{}, { transport: { header: 'x-session' } }])('a 401 asks for no scheme with %j', async (options) => {
    const { status, headers } = await (await visitor(options)).send('POST', '/change')
    expect([status, headers['www-authenticate']]).toEqual([401, undefined])
  })

  test('an integer is kept as text, and both name the same user', async () => {
    const alice = await visitor()
    await alice.send('POST', '/login')
    await alice.send('POST', '/remember')
    expect((await sessions.list({ userId: 7 })).sessions).toMatchObject([{ userId: '7', method: 'passkey' }])
    expect(await sessions.endAll('7')).toBe(1)
  })

  test('signOut ends the session, clears the cookie and asks the browser to clear the site', async () => {
    const alice = await visitor()
    await alice.send('POST', '/login')
    const { cookie } = alice
    const { headers } = await alice.send('POST', '/logout')
    expect(headers['clear-site-data']).toBe('"cache", "storage"')
    expect(headers['set-cookie']).toEqual([expect.stringMatching(/^session=; Max-Age=0;/)])
    expect((await alice.send('GET', '/me', { cookie })).body).toBe('nobody')
    expect((await sessions.list({ userId: 7 })).sessions).toEqual([])
  })

  test('caches are told where the session was used, and not to keep a user’s pages where that is asked', async () => {
    const alice = await visitor({ noStore: true })
    const stranger = await alice.send('GET', '/me')
    expect([stranger.headers.vary, stranger.headers['cache-control']]).toEqual(['Cookie', undefined])
    const first = await alice.send('POST', '/login')
    expect(first.headers['cache-control']).toBe('no-store')
    const page = await alice.send('GET', '/me')
    expect([page.headers.vary, page.headers['cache-control']]).toEqual(['Cookie', 'no-store'])
    const unused = await alice.send('GET', '/static')
    expect([unused.headers.vary, unused.headers['cache-control']]).toEqual([undefined, undefined])
    const goodbye = await alice.send('POST', '/logout')
    expect([goodbye.headers.vary, goodbye.headers['cache-control']]).toEqual(['Cookie', 'no-store'])
  })

  test('no-store is not said unless asked, and the response with the cookie is private', async () => {
    const alice = await visitor()
    expect((await alice.send('POST', '/login')).headers['cache-control']).toBe('private')
    expect((await alice.send('GET', '/me')).headers['cache-control']).toBe(undefined)
  })

  test('crossOrigin refuses what other sites would change, with one line', async () => {
    const alice = await visitor({ crossOrigin: { trusted: ['https://www.shop.test'] } })
    const fromElsewhere = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' }
    await alice.send('POST', '/login', { 'sec-fetch-site': 'same-origin' })
    expect((await alice.send('POST', '/visit', fromElsewhere)).status).toBe(403)
    expect((await alice.send('POST', '/visit', { origin: 'https://evil.test' })).status).toBe(403)
    expect(await alice.send('GET', '/me', fromElsewhere)).toMatchObject({ status: 200, body: '7' })
    const trusted = { 'sec-fetch-site': 'same-site', origin: 'https://www.shop.test' }
    expect(await alice.send('POST', '/visit', trusted)).toMatchObject({ status: 200, body: '1' })
  })

  test('a user who has enough sessions is answered with 409', async () => {
    const first = await visitor({ maxPerUser: { limit: 1, whenFull: 'refuse' } })
    await first.send('POST', '/login')
    const second = browser(app?.port ?? 0)
    expect((await second.send('POST', '/login')).status).toBe(409)
    expect((await second.send('GET', '/me')).body).toBe('nobody')
    expect((await first.send('GET', '/me')).body).toBe('7')
  })

  test('a client that misses the response of a renewal stays signed in, under one successor', async () => {
    const alice = await visitor({ lifetime: { renewal: { every: '1h', overlap: '30s' } } })
    const reports: string[] = []
    sessions.on('refused', ({ reason }) => reports.push(reason))
    await alice.send('POST', '/login')
    const { cookie } = alice
    now += 3_600_000
    const missed = browser(app?.port ?? 0)
    expect((await missed.send('GET', '/me', { cookie })).body).toBe('7')
    now += 3_600_000
    const again = await Promise.all([1, 2, 3].map(() => alice.send('GET', '/me', { cookie })))
    expect(again.map(({ body }) => body)).toEqual(['7', '7', '7'])
    expect(alice.cookie).toBe(missed.cookie)
    expect(alice.cookie).not.toBe(cookie)
    await alice.send('GET', '/me')
    now += 30_000
    expect((await alice.send('GET', '/me', { cookie })).body).toBe('nobody')
    expect((await alice.send('GET', '/me')).body).toBe('7')
    expect(reports).toEqual(['stale_token'])
  })

  test('a token in the address, in a form or in another header is no token', async () => {
    const alice = await visitor()
    await alice.send('POST', '/login')
    const token = alice.jar.get('session') ?? ''
    const stranger = browser(app?.port ?? 0)
    const headers = { authorization: `Bearer ${token}`, 'x-session': token, session: token }
    expect((await stranger.send('GET', `/me?session=${token}&sid=${token}`, headers)).body).toBe('nobody')
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await stranger.send('POST', '/visit', form, `session=${token}`)).body).toBe('1')
    expect((await alice.send('POST', '/visit')).body).toBe('1')
  })

  test('an administrator ends the sessions of everybody', async () => {
    const alice = await visitor()
    await alice.send('POST', '/login')
    const guest = browser(app?.port ?? 0)
    await guest.send('POST', '/visit')
    const everybody = await sessions.list()
    expect(everybody.sessions.map(({ userId }) => userId).sort()).toEqual(['7', null])
    for (const { id } of everybody.sessions) expect(await sessions.end(id)).toBe(true)
    expect((await alice.send('GET', '/me')).body).toBe('nobody')
    expect((await guest.send('POST', '/visit')).body).toBe('1')
  })

  test('what is taken from an account is gone on every device with its next request', async () => {
    const alice = await visitor()
    await alice.send('POST', '/login')
    const phone = browser(app?.port ?? 0)
    await phone.send('POST', '/remember')
    expect((await phone.send('GET', '/me')).body).toBe('7')
    expect(await sessions.endAll(7)).toBe(2)
    for (const device of [alice, phone]) {
      expect((await device.send('GET', '/me')).body).toBe('nobody')
      expect((await device.send('POST', '/change')).status).toBe(401)
    }
  })

  test('guesses are told with the address that they come from', async () => {
    const mallory = await visitor()
    const refused: unknown[] = []
    sessions.on('refused', ({ reason, address }) => refused.push([reason, address]))
    for (const guess of ['a', 'b']) await mallory.send('GET', '/me', { cookie: `session=${guess.repeat(64)}` })
    const address = expect.stringMatching(/127\.0\.0\.1$/)
    // What knows no address by itself is told one by the app.
    const from = ['fetch', 'Hono'].includes(name) ? null : address
    expect(refused).toEqual([
      ['unknown_id', from],
      ['unknown_id', from],
    ])
  })
})

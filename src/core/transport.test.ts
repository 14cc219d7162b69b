import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { withSession } from '../adapters/fetch.js'
import { cookieStore } from '../stores/cookie.js'
import { memoryStore } from './memory-store.js'
import type { SessionsOptions } from './options.js'
import { createSessions, type Sessions } from './sessions.js'

interface Data {
  n: number
}

const hour = 3_600_000
const ours = /^[\w-]{64}$/
let now: number
let store: ReturnType<typeof memoryStore>
let sessions: Sessions<Data>

beforeEach(() => {
  now = Date.now()
  store = memoryStore()
  sessions = make()
})

const make = (options: SessionsOptions = {}) =>
  createSessions<Data>({ store, clock: () => now, transport: { header: 'authorization' }, ...options })

const bearer = (token: string | null) => ({ authorization: `Bearer ${token}` })

describe('options', () => {
  const header = 'authorization'
  test.each<[string, SessionsOptions, RegExp]>([
    ['no header', { transport: {} as { header: string } }, /transport\.header .*'authorization'/],
    ['no name of a header', { transport: { header: 'two words' } }, /transport\.header .*"?two words/],
    ['the header of cookies', { transport: { header: 'Cookie' } }, /transport\.header/],
    ['another of cookies', { transport: { header, responseHeader: 'Set-Cookie' } }, /transport\.responseHeader/],
    ['a word for secure', { transport: { header, secure: 'yes' as 'auto' } }, /transport\.secure/],
    [
      'an unknown one',
      { transport: { header, name: 'x' } as { header: string } },
      /^transport: "name" is not an option; there are "header"/,
    ],
    [
      'attributes of a cookie',
      { transport: { header }, cookie: { secure: true } },
      /^cookie does not go with transport: leave it out/,
    ],
    ['visitors with cookies', { transport: { header }, accept: { find: () => null } as never }, /accept/],
    [
      'sessions in cookies',
      { transport: { header }, store: cookieStore({ secrets: randomBytes(32).toString('base64url') }) },
      /store/,
    ],
  ])('%s is refused', (_what, options, message) => {
    const making = () => createSessions({ ...options })
    expect(making).toThrow(expect.objectContaining({ code: 'invalid_option', message: expect.stringMatching(message) }))
  })
})

describe('a session', () => {
  test('made for a test or a job is presented by its headers', async () => {
    const { cookie, headers } = await sessions.create({ userId: 'ann', values: { n: 1 } })
    expect(cookie).toBe('')
    expect(headers).toEqual({ authorization: expect.stringMatching(/^Bearer [\w-]{64}$/) })
    const loaded = await sessions.load({ headers })
    expect([loaded.userId, loaded.n]).toEqual(['ann', 1])
    const own = make({ transport: { header: 'X-Session' } })
    const made = await own.create({ userId: 'ben' })
    expect(made.headers).toEqual({ 'x-session': expect.stringMatching(ours) })
    expect((await own.load({ headers: made.headers })).userId).toBe('ben')
  })

  test('with cookies, headers present it as well', async () => {
    const { cookie, headers } = await createSessions({ store }).create({ userId: 'ann' })
    expect(headers).toEqual({ cookie })
  })

  test.each<[string, (token: string) => string, boolean]>([
    ['the scheme in any case', (token) => `bEARER ${token}`, true],
    ['more than one space', (token) => `Bearer   ${token}`, true],
    ['another scheme', (token) => `Basic ${token}`, false],
    ['no scheme', (token) => token, false],
    ['two tokens', (token) => `Bearer ${token}, Bearer ${token}`, false],
    ['a part of a token', (token) => `Bearer ${token.slice(1)}`, false],
  ])('is found by %s: %#', async (_what, value, isFound) => {
    const { headers } = await sessions.create({ userId: 'ann' })
    const token = headers.authorization?.slice('Bearer '.length) ?? ''
    const found = await sessions.load({ headers: { authorization: value(token) } })
    expect(found.userId).toBe(isFound ? 'ann' : null)
  })

  test('tells its token by the headers of a response: new, changed, ended', async () => {
    const first = await sessions.load({})
    first.n = 1
    const answer = new Headers()
    expect(await sessions.commit(first, answer)).toEqual([])
    expect([...answer.keys()].sort()).toEqual(['cache-control', 'session-token', 'vary'])
    expect(answer.get('session-token')).toMatch(ours)
    expect(answer.get('cache-control')).toBe('no-store')
    expect(answer.get('vary')).toBe('authorization')

    const again = await sessions.load({ headers: bearer(answer.get('session-token')) })
    again.regenerate()
    again.n = 2
    const regenerated = new Headers()
    await sessions.commit(again, regenerated)
    expect(regenerated.get('session-token')).toMatch(ours)
    expect(regenerated.get('session-token')?.slice(0, 24)).not.toBe(first.id)

    const last = await sessions.load({ headers: bearer(regenerated.get('session-token')) })
    expect(last.n).toBe(2)
    last.destroy()
    const ended = new Headers({ vary: 'Accept' })
    await sessions.commit(last, ended)
    expect(ended.get('session-token')).toBe('')
    expect(ended.get('set-cookie')).toBeNull()
    expect(ended.get('vary')).toBe('Accept, authorization')
  })

  test('is given the same new token by every request of a scheduled renewal', async () => {
    const renewing = make({ lifetime: { renewal: { every: '1h', overlap: '1m' } } })
    const { headers } = await renewing.create({ userId: 'ann' })
    now += 2 * hour
    const tokens = []
    for (const _ of [1, 2]) {
      const session = await renewing.load({ headers })
      expect(session.userId).toBe('ann')
      const answer = new Headers()
      await renewing.commit(session, answer)
      tokens.push(answer.get('session-token'))
    }
    expect(tokens[0]).toMatch(ours)
    expect(tokens[1]).toBe(tokens[0])
    expect((await renewing.load({ headers: bearer(tokens[0] ?? null) })).userId).toBe('ann')
  })
})

describe('a connection', () => {
  const handlerOf = (given: Sessions<Data>) =>
    withSession(given, (_request, session) => {
      session.n = (session.n ?? 0) + 1
      return new Response(String(session.n))
    })

  test('a token goes over plain HTTP to this machine alone, unless the app says otherwise', async () => {
    const ask = async (url: string, given: Sessions<Data>) =>
      (await handlerOf(given)(new Request(url))).headers.get('session-token')
    const plain = 'http://shop.example/'
    expect(await ask('https://shop.example/', sessions)).toMatch(ours)
    expect(await ask('http://localhost/', sessions)).toMatch(ours)
    expect(await ask(plain, sessions)).toBeNull()
    for (const secure of [true, false]) {
      expect(await ask(plain, make({ transport: { header: 'authorization', secure } }))).toMatch(ours)
    }
  })

  test('brings no session by a URL, whatever it holds', async () => {
    const { headers } = await sessions.create({ values: { n: 4 } })
    const token = headers.authorization?.slice('Bearer '.length)
    for (const url of [
      `https://a.example/?authorization=Bearer%20${token}`,
      `https://a.example/?session-token=${token}`,
    ])
      expect(await (await handlerOf(sessions)(new Request(url))).text()).toBe('1')
  })
})

test('browsers and apps share a store, by two sessions', async () => {
  const browsers = createSessions<Data>({ store, clock: () => now })
  const { session } = await browsers.create({ userId: 'ann' })
  const { cookie } = await browsers.create({ userId: 'ann' })
  const { headers, session: inApp } = await sessions.create({ userId: 'ann' })
  expect((await sessions.list({ userId: 'ann' })).sessions).toHaveLength(3)
  const closed: string[] = []
  sessions.follow(await sessions.load({ headers }), () => closed.push('app'))
  browsers.follow(await browsers.load({ cookie }), () => closed.push('browser'))
  await browsers.end(inApp.id)
  expect(closed, 'told at once, by the other').toEqual(['app'])
  await sessions.endAll('ann', { except: session.id })
  expect(closed).toEqual(['app', 'browser'])
  await sessions.close()
  await browsers.close()
})

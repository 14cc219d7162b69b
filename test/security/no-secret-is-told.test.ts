import express from 'express'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isCookieStore } from '../../src/core/cookie-store.js'
import type { SessionsOptions } from '../../src/core/options.js'
import { createSessions } from '../../src/core/sessions.js'
import { mintSecret } from '../../src/core/token.js'
import { doctor } from '../../src/doctor/index.js'
import dropIn, { cookieSessionCookie, expressSessionCookie, MemoryStore } from '../../src/express-session/index.js'
import { apps } from './apps.js'
import { type Browser, browser } from './browser.js'
import { eventNames, Listener } from './listener.js'
import { type BreakableStore, secrets, stores } from './stores.js'

let listener: Listener
beforeEach(() => {
  listener = new Listener()
  listener.attendProcess()
})
afterEach(() => listener.stop())

const hour = 3_600_000
const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1'

/** The secret parts of what a client was given in a cookie, or tried to pass as one. */
function secretParts({ store }: BreakableStore, cookie: string): string[] {
  if (/^[\w-]{64}$/.test(cookie)) return [cookie, cookie.slice(24)]
  const sealed = cookie.replace(/^\d\./, '')
  const plain = { name: 'session', secure: false, attributes: '' }
  const opened = isCookieStore(store) ? store.session(plain).open(`session=${cookie}`, 0) : []
  return [sealed, ...(opened ?? []).flatMap(({ id, secret }) => [id + secret, secret])]
}

async function scenario(serve: (typeof apps)[string], kept: BreakableStore) {
  let now = Date.now()
  const options: SessionsOptions = {
    store: kept.store,
    clock: () => now,
    lifetime: { renewal: { every: '1h', overlap: '30s' } },
    ...(kept.server ? { maxPerUser: { limit: 3, whenFull: 'refuse' } } : {}),
    onBindingChange: 'reauthenticate',
    ...(kept.header ? { transport: { header: kept.header } } : {}),
  }
  const sessions = createSessions(options)
  listener.attend(sessions)
  const app = await serve(sessions, {
    failed: (error) => listener.hear(error),
    async saw(session) {
      listener.hear(session)
      listener.hear({ ...session })
      await listener.outcome(() => session.save())
      await listener.outcome(() => Object.assign(session, { userId: 'mallory' }))
      await listener.outcome(() => Object.assign(session, { map: new Map() }))
      await listener.outcome(() => session.update('views', (views = 0) => views + 1))
      await listener.outcome(() => session.reload())
      listener.hear([session])
    },
  })
  const browsers: Browser[] = []
  const tried = new Set<string>()
  const open = () => {
    const made = browser(app.port, kept.header)
    browsers.push(made)
    return made
  }
  const send = async (from: Browser, method: string, path: string, headers: Record<string, string> = {}) => {
    const { headers: received, ...answer } = await from.send(method, path, { 'user-agent': firefox, ...headers })
    const { 'set-cookie': _, 'x-session': __, ...others } = received
    listener.hear(answer)
    listener.hear(others)
    return answer
  }
  const loadAs = (from: Browser) => {
    const token = kept.header ? { headers: { [kept.header]: tokenOf(from) } } : { cookie: from.cookie }
    return sessions.load({ ...token, secure: false, host: 'localhost' })
  }
  const tokenOf = ({ jar }: Browser) => jar.get('session') ?? ''
  const withCookie = (value: string) => {
    tried.add(value)
    return { cookie: `session=${value}` }
  }

  // A life: a guest who signs in, looks, renews, misses a renewal, and comes back with what was replaced.
  const alice = open()
  await send(alice, 'POST', '/visit')
  await send(alice, 'POST', '/login')
  await send(alice, 'GET', '/show')
  await send(alice, 'POST', '/renew')
  const { cookie: beforeRenewal } = alice
  now += hour
  await send(open(), 'GET', '/me', { cookie: beforeRenewal })
  await send(alice, 'GET', '/show')
  await send(alice, 'GET', '/me')
  now += hour / 2
  await send(open(), 'GET', '/me', { cookie: beforeRenewal })
  await send(alice, 'GET', '/show', { 'user-agent': iphone })
  await send(alice, 'GET', '/throw')

  // Strangers, who guess and steal.
  const id = tokenOf(alice).slice(0, 24)
  for (const value of [id + mintSecret(), mintSecret() + mintSecret().slice(0, 24), `${tokenOf(alice)}x`, '%', '1.x'])
    await send(open(), 'GET', '/show', withCookie(value))
  const bob = open()
  await send(bob, 'POST', '/remember')
  await send(open(), 'GET', '/me', { cookie: `${alice.cookie}; ${bob.cookie}` })
  for (const one of [open(), open(), open()]) await send(one, 'POST', '/login')

  // A write that comes too late, and a record that was damaged.
  const late = await loadAs(alice)
  listener.hear(late)
  if (kept.server) {
    for (const { id: own } of (await sessions.list({ userId: 7 })).sessions.slice(1)) await sessions.end(own)
    await sessions.end(late.id)
  }
  await listener.outcome(() => {
    late.views = 5
    return late.save()
  })
  const carol = open()
  await send(carol, 'POST', '/visit')
  const damaged = await loadAs(carol)
  await kept.server?.patch(damaged.id, { now, set: { views: '{broken' } })
  await send(carol, 'GET', '/show')
  await send(carol, 'POST', '/visit')

  // An outage, met at every step.
  const dave = open()
  await send(dave, 'POST', '/remember')
  kept.isBroken = true
  for (const [method, path] of [
    ['GET', '/me'],
    ['GET', '/show'],
    ['POST', '/visit'],
    ['POST', '/logout'],
  ] as const) {
    await send(dave, method, path)
    await send(open(), method, path)
  }
  kept.isBroken = false
  const failing = await loadAs(dave)
  failing.views = 1
  kept.isBroken = true
  await listener.outcome(() => failing.save())
  listener.hear(failing)
  kept.isBroken = false

  await listener.outcome(() => doctor(sessions))
  await listener.outcome(() => doctor(sessions, `http://127.0.0.1:${app.port}/me`))
  await listener.outcome(() => sessions.list({ userId: 7 }))
  await listener.outcome(() => sessions.endAll(7))
  await send(dave, 'POST', '/logout')
  for (const thing of [sessions, options, kept.store]) listener.hear(thing)
  await sessions.close()
  await listener.outcome(() => loadAs(dave))
  await app.close()
  return [...browsers.flatMap(({ given }) => [...given]), ...tried]
}

describe.each(Object.entries(stores))('sessions in %s', (kind, makeStore) => {
  test.each(Object.entries(apps))('tell no token and no secret, on %s', async (_name, serve) => {
    const kept = makeStore()
    const cookies = await scenario(serve, kept)
    const parts = cookies.flatMap((cookie) => secretParts(kept, cookie)).filter((part) => part.length > 10)
    expect(new Set(parts).size).toBeGreaterThan(10)
    expect(listener.whereHeard([...parts, ...secrets])).toEqual([])

    // Else there was little to hear.
    const expected = kept.server ? eventNames : ['created', 'signedIn', 'renewed', 'bindingChanged']
    // One sealed cookie is read, and values of one are not compared on the server; a header comes once.
    const unknown = kind.startsWith('a cookie') ? ['sameNameCookies', 'writeDropped'] : []
    if (kept.header) unknown.push('sameNameCookies')
    expect([...listener.events]).toEqual(expect.arrayContaining(expected.filter((name) => !unknown.includes(name))))
    const codes = ['reserved_name', 'invalid_value', 'closed']
    expect([...listener.codes]).toEqual(
      expect.arrayContaining(kept.server ? [...codes, 'store_unavailable', 'session_limit'] : codes),
    )
  })
})

test('the secrets of the drop-in, of taken over cookies and of a refused option are not told', async () => {
  const secret = 'hunter2-hunter2'
  const app = express()
  const middleware = dropIn({ secret, resave: false, saveUninitialized: false, store: new MemoryStore() })
  app.use(middleware)
  listener.hear(app)
  listener.hear(middleware)
  await listener.outcome(() => doctor(null, app))
  const accept = expressSessionCookie({ secret, store: new MemoryStore() })
  const store = stores.memory?.().store as never
  const sessions = createSessions({ store, accept })
  listener.attend(sessions)
  const ofCookieSession = cookieSessionCookie({ keys: [secret], store })
  for (const thing of [accept, ofCookieSession, sessions]) listener.hear(thing)
  for (const taken of [sessions, createSessions({ store, accept: ofCookieSession })])
    await listener.outcome(() => doctor(taken))
  await listener.outcome(() => sessions.load({ cookie: `connect.sid=s%3Asid.${secret}` }))
  for (const wrong of [{ secret }, { cookie: { secret } }, { lifetime: { secret } }])
    await listener.outcome(() => createSessions(wrong as never))
  const { cookieStore } = await import('../../src/stores/cookie.js')
  await listener.outcome(() => cookieStore({ secrets: secret }))
  await listener.outcome(() => cookieStore({ secrets: ['keyboard cat keyboard cat keyboard cat', secret] }))
  expect(listener.whereHeard([secret, 'keyboard cat'])).toEqual([])
})

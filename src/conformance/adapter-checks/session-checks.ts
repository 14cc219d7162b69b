import assert from 'node:assert/strict'
import type { AdapterCheck } from './bench.js'
import { ask, dial, requestText, sessionCookies } from './browser.js'

/** A token, or a session that was sealed. */
const token = '([A-Za-z0-9_-]{64}|[1-3]\\.[A-Za-z0-9_-]+)'

/** What a visitor sees of a session, and what it costs. */
export const sessionChecks = {
  async 'a visitor who stores nothing costs no store call and gets no cookie'({ start }) {
    const app = await start()
    for (const path of ['/plain', '/look', '/me', '/values']) {
      const answer = await app.visitor().ask(path)
      assert.equal(answer.status, 200, path)
      assert.deepEqual(sessionCookies(answer), [], path)
    }
    assert.deepEqual(app.backend.calls, [])
  },

  async 'the first value makes a session, and a cookie with safe attributes'({ start }) {
    const app = await start()
    const answer = await app.visitor().ask('/views')
    assert.equal(answer.body, '1')
    const [cookie = 'none', ...others] = sessionCookies(answer)
    assert.match(cookie, new RegExp(`^session=${token}; Path=/; HttpOnly; SameSite=Lax$`))
    assert.deepEqual(others, [])
    assert.deepEqual(app.backend.calls, ['create'])
  },

  async 'over TLS the cookie is Secure and bound to its host'({ start }) {
    const app = await start({ cookie: { secure: true } })
    const visitor = app.visitor()
    const [cookie = 'none'] = sessionCookies(await visitor.ask('/views'))
    assert.match(cookie, new RegExp(`^__Host-session=${token}; Path=/; HttpOnly; Secure; SameSite=Lax$`))
    assert.equal((await visitor.ask('/views')).body, '2')
  },

  async 'over what looks like plain HTTP from elsewhere nothing is sent'({ start }) {
    const app = await start()
    const wires = [
      requestText('/views', { host: 'shop.example' }),
      requestText('/views', { headers: ['X-Forwarded-Proto: https', 'X-Forwarded-For: 203.0.113.9'] }),
    ]
    for (const text of wires) {
      const answer = await dial(app.port, text).closed
      assert.match(answer, /^HTTP\/1\.1 200 /)
      assert.doesNotMatch(answer, /set-cookie/i)
    }
    assert.deepEqual(app.backend.calls, [])
  },

  async 'the cookie brings the session back, and is not sent again'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    const answer = await visitor.ask('/views')
    assert.equal(answer.body, '2')
    assert.deepEqual(sessionCookies(answer), [])
    assert.deepEqual(app.backend.calls, ['read', 'patch'])
  },

  async 'reading is free'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    const answer = await visitor.ask('/look')
    assert.equal(answer.body, '1')
    assert.deepEqual(sessionCookies(answer), [])
    assert.deepEqual(app.backend.calls, ['read'])
  },

  async 'a token that is not known gives an empty session, and its cookie is left alone'({ start }) {
    const app = await start()
    const visitor = app.visitor()
    visitor.cookie = `session=${'a'.repeat(64)}`
    const answer = await visitor.ask('/look')
    assert.equal(answer.body, '0')
    assert.deepEqual(sessionCookies(answer), [])
    assert.deepEqual(app.backend.calls, ['read'])
  },

  async 'a token of another shape costs no store call'({ start }) {
    const app = await start()
    for (const cookie of ['session=', 'session=short', `session=${'a'.repeat(64)}b`, 'session="; session', ';;=;']) {
      const answer = await ask(app.port, '/look', { headers: { cookie } })
      assert.deepEqual([answer.status, answer.body], [200, '0'], cookie)
    }
    assert.deepEqual(app.backend.calls, [])
  },

  async 'an answer with the cookie is kept from shared caches'({ start }) {
    const app = await start()
    const answer = await app.visitor().ask('/page')
    assert.equal(sessionCookies(answer).length, 1)
    const directives = answer.header('Cache-Control').join(', ')
    assert.match(directives, /\bprivate\b/)
    assert.doesNotMatch(directives, /\bpublic\b/)
    assert.match(directives, /\bmax-age=60\b/)
  },

  async 'an answer that depends on the session says so'({ start }) {
    const app = await start()
    const used = await app.visitor().ask('/look')
    assert.match(used.header('Vary').join(', '), /\bcookie\b/i)
  },

  async 'an answer that never looked at the session can be cached for all'({ start }) {
    const app = await start()
    const answer = await (await app.regular()).ask('/plain')
    assert.doesNotMatch(answer.header('Vary').join(', '), /\bcookie\b/i)
    assert.doesNotMatch(answer.header('Cache-Control').join(', '), /private|no-store/)
  },

  async 'cookies of the app keep their order, and ours joins them'({ start }) {
    const app = await start()
    // Twice: an array that the app uses for all responses must not collect the cookies of its visitors.
    for (const _ of [1, 2]) {
      const cookies = (await app.visitor().ask('/cookies')).header('Set-Cookie')
      assert.deepEqual(
        cookies.filter((cookie) => !cookie.startsWith('session=')),
        ['first=1', 'second=2'],
      )
      assert.equal(cookies.length, 3, `three cookies, not ${cookies.length}`)
    }
  },

  async 'parallel writers of different values all keep their change'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    const names = Array.from({ length: 10 }, (_, index) => `value${index}`)
    await Promise.all(names.map((name) => visitor.ask(`/set/${name}`)))
    const values = JSON.parse((await visitor.ask('/values')).body)
    assert.deepEqual(values, { views: 1, ...Object.fromEntries(names.map((name) => [name, name])) })
  },

  async 'signing in keeps the values and gives a new token; the old one is dead'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    const before = visitor.cookie ?? ''
    const answer = await visitor.post('/login')
    assert.equal(answer.status, 200)
    assert.equal(sessionCookies(answer).length, 1)
    assert.notEqual(visitor.cookie, before)
    assert.equal((await visitor.ask('/me')).body, 'ann')
    assert.equal((await visitor.ask('/look')).body, '1')
    const thief = app.visitor()
    thief.cookie = before
    const stolen = await thief.ask('/me')
    assert.equal(stolen.body, 'nobody')
    assert.deepEqual(sessionCookies(stolen), [])
  },

  async 'signing out ends the session, clears the cookie, and kills the token'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    await visitor.post('/login')
    const token = visitor.cookie
    const answer = await visitor.post('/logout')
    const [cookie = 'none', ...others] = sessionCookies(answer)
    assert.match(cookie, /^session=; Max-Age=0; (Expires=[^;]+; )?Path=\/; HttpOnly; SameSite=Lax$/)
    assert.deepEqual(others, [])
    const late = app.visitor()
    late.cookie = token
    assert.equal((await late.ask('/me')).body, 'nobody')
    assert.equal((await late.ask('/look')).body, '0')
  },

  async 'a change that a page of another origin asks for is refused, where that is asked'({ start }) {
    const app = await start({ crossOrigin: true })
    const [elsewhere, own] = [{ origin: 'https://another.example' }, { origin: `http://127.0.0.1:${app.port}` }]
    const [across, within] = [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-origin' }]
    // Browsers send both. Each has to count by itself, for the engine goes by the one where the other is missing.
    for (const { theirs, ours } of [
      { theirs: { ...elsewhere, ...across }, ours: { ...own, ...within } },
      { theirs: elsewhere, ours: own },
      { theirs: across, ours: within },
    ]) {
      const visitor = await app.regular()
      const refused = await visitor.ask('/login', { method: 'POST', headers: theirs })
      assert.equal(refused.status, 403, `a POST with ${JSON.stringify(theirs)}`)
      assert.equal((await visitor.ask('/look', { headers: theirs })).body, '1', 'a link from there')
      assert.equal((await visitor.ask('/me')).body, 'nobody')
      const allowed = await visitor.ask('/login', { method: 'POST', headers: ours })
      assert.equal(allowed.body, 'welcome', `a POST with ${JSON.stringify(ours)}`)
    }
  },

  async 'a session that was ended elsewhere is gone, and a new one can begin'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    const { id } = await app.sessions.load({ cookie: visitor.cookie, secure: false, host: 'localhost' })
    assert.equal(await app.sessions.end(id), true)
    assert.equal((await visitor.ask('/look')).body, '0')
    const answer = await visitor.ask('/views')
    assert.equal(answer.body, '1')
    assert.equal(sessionCookies(answer).length, 1)
  },
} satisfies Record<string, AdapterCheck>

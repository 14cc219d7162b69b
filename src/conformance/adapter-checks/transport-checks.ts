import assert from 'node:assert/strict'
import type { AdapterCheck, App } from './bench.js'
import { type Answer, ask, dial, requestText } from './browser.js'

const aToken = /^[A-Za-z0-9_-]{64}$/

/** Sends a request of a client that keeps its token by itself. */
function asClient(app: App, path: string, token: string, method = 'GET'): Promise<Answer> {
  return ask(app.port, path, { method, headers: token ? { authorization: `Bearer ${token}` } : {} })
}

/** The one value of a response header. */
function only(answer: Answer, name: string): string {
  const [value = 'none', ...others] = answer.header(name)
  assert.deepEqual(others, [], `one ${name}`)
  return value
}

/** The token in a header instead of the cookie. */
export const transportChecks = {
  async 'with a header for the token, it comes back in one, and no cookie is set'({ start }) {
    const app = await start({ transport: { header: 'authorization' } })
    const first = await asClient(app, '/page', '')
    const token = only(first, 'Session-Token')
    assert.match(token, aToken)
    assert.equal(only(first, 'Cache-Control'), 'no-store')
    const second = await asClient(app, '/views', token)
    assert.equal(second.body, '2')
    assert.deepEqual(second.header('Session-Token'), [], 'a token that did not change is not sent again')
    assert.deepEqual([...first.header('Set-Cookie'), ...second.header('Set-Cookie')], [])
    assert.deepEqual(app.backend.calls, ['create', 'read', 'patch'])
  },

  async 'with a header for the token, answers vary by it, and a cookie counts for nothing'({ start }) {
    const app = await start({ transport: { header: 'X-Session' } })
    const token = only(await asClient(app, '/views', ''), 'X-Session')
    const known = await ask(app.port, '/look', { headers: { 'x-session': token } })
    assert.equal(known.body, '1')
    const vary = known.header('Vary').join(', ')
    assert.match(vary, /\bx-session\b/i)
    assert.doesNotMatch(vary, /\bcookie\b/i)
    const misled = await ask(app.port, '/look', { headers: { cookie: `session=${token}; __Host-session=${token}` } })
    assert.equal(misled.body, '0')
  },

  async 'with a header for the token, signing in replaces it, and signing out empties it'({ start }) {
    const app = await start({ transport: { header: 'authorization' } })
    const before = only(await asClient(app, '/views', ''), 'Session-Token')
    const token = only(await asClient(app, '/login', before, 'POST'), 'Session-Token')
    assert.match(token, aToken)
    assert.equal((await asClient(app, '/me', token)).body, 'ann')
    assert.equal((await asClient(app, '/me', before)).body, 'nobody', 'the token before the sign-in')
    const farewell = await asClient(app, '/logout', token, 'POST')
    assert.equal(only(farewell, 'Session-Token'), '')
    assert.deepEqual(farewell.header('Set-Cookie'), [])
    assert.equal((await asClient(app, '/me', token)).body, 'nobody')
  },

  async 'with a header for the token, none is sent over what looks like plain HTTP from elsewhere'({ start }) {
    const app = await start({ transport: { header: 'authorization' } })
    const answer = await dial(app.port, requestText('/views', { host: 'shop.example' })).closed
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.doesNotMatch(answer, /session-token/i)
    assert.deepEqual(app.backend.calls, [])
  },
} satisfies Record<string, AdapterCheck>

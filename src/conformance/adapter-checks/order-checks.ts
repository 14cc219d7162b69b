import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AdapterBench, type AdapterCheck, type App, assertServes, eventually } from './bench.js'
import { type Answer, dial, requestText, sessionCookies } from './browser.js'

/** Long enough that what was going to be sent would have been. */
const moment = 30

function savedBeforeSeen(path: string, method = 'GET'): AdapterCheck {
  return async ({ start }: AdapterBench) => {
    const app = await start()
    if (app.backend.pace === 'at once') return
    for (const visitor of [app.visitor(), await app.regular()]) {
      app.backend.calls.length = 0
      const release = app.backend.holdWrites()
      const wire = dial(app.port, requestText(path, { method, cookie: visitor.cookie }))
      const isAnswered = () => withoutHints(wire.received()) !== ''
      const isWritten = () => app.backend.calls.some((call) => call !== 'read')
      await eventually(`a write for ${path}`, () => isWritten() || isAnswered())
      await sleep(moment)
      const early = withoutHints(wire.received())
      release()
      const answer = await wire.closed
      assert.equal(early, '', 'what was sent before the session was saved')
      assert.match(withoutHints(answer), /^HTTP\/1\.1 [23]\d\d /)
    }
  }
}

/** Informational responses (RFC 9110, section 15.2) say nothing of what is to come, and need not wait. */
function withoutHints(text: string): string {
  return text.replace(/^(HTTP\/1\.1 1\d\d [\s\S]*?\r\n\r\n)+/, '')
}

/** The session is saved before its response is seen, and a failure leaves nothing of the response. */
export const orderChecks = {
  'a text is saved before it is seen': savedBeforeSeen('/views'),
  'a page with cookies is saved before it is seen': savedBeforeSeen('/cookies'),
  'a redirect is saved before it is seen': savedBeforeSeen('/redirect'),
  'an empty answer is saved before it is seen': savedBeforeSeen('/empty'),
  'a stream is saved before it is seen': savedBeforeSeen('/stream'),
  'a sign-in is saved before it is seen': savedBeforeSeen('/login', 'POST'),

  async 'a sign-out is carried out before it is seen'({ start }) {
    const app = await start()
    if (app.backend.pace === 'at once') return
    const visitor = await app.regular()
    const release = app.backend.holdWrites()
    const wire = dial(app.port, requestText('/logout', { method: 'POST', cookie: visitor.cookie }))
    await eventually('a delete', () => app.backend.calls.includes('delete') || wire.received() !== '')
    await sleep(moment)
    const early = wire.received()
    release()
    assert.match(await wire.closed, /^HTTP\/1\.1 302 /)
    assert.equal(early, '', 'what was sent before the session was ended')
  },

  async 'a redirect finds what was set before it'({ start }) {
    const app = await start()
    const visitor = app.visitor()
    const answer = await visitor.ask('/redirect')
    assert.deepEqual([answer.status, answer.header('Location')], [302, ['/values']])
    assert.deepEqual(JSON.parse((await visitor.ask('/values')).body), { redirected: 'yes' })
  },

  async 'what is set while the answer is on its way is saved'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    const answer = await visitor.ask('/late')
    assert.equal(answer.body, 'first second')
    await eventually('the late value is saved', async () => {
      return JSON.parse((await visitor.ask('/values')).body).late === 'yes'
    })
  },

  async 'a store that cannot create gives 503 and nothing of the answer'({ start }) {
    const app = await start()
    app.backend.broken.add('create')
    for (const path of ['/page', '/redirect', '/cookies', '/stream', '/empty']) {
      assertFailure(await app.visitor().ask(path), path)
    }
    await assertRecovers(app)
  },

  async 'a store that cannot write gives 503 and nothing of the answer'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    app.backend.broken.add('patch')
    for (const path of ['/page', '/redirect', '/stream']) assertFailure(await visitor.ask(path), path)
    assertFailure(await visitor.post('/login'), '/login')
    app.backend.broken.clear()
    assert.deepEqual((await visitor.ask('/values')).body, '{"views":1}', 'nothing of the failed requests was kept')
    assert.equal((await visitor.ask('/me')).body, 'nobody')
    await assertRecovers(app)
  },

  async 'a store that cannot delete gives 503, and the cookie stays'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    app.backend.broken.add('delete')
    assertFailure(await visitor.post('/logout'), '/logout')
    app.backend.broken.clear()
    assert.equal((await visitor.ask('/look')).body, '1')
  },

  async 'a store that cannot read gives 503'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    app.backend.broken.add('read')
    for (const path of ['/look', '/views', '/page']) assertFailure(await visitor.ask(path), path)
    app.backend.broken.clear()
    assert.equal((await visitor.ask('/look')).body, '1')
  },

  async 'an outage that is declared harmless shows an empty session'({ start }) {
    const app = await start({ onStoreError: 'anonymous' })
    const visitor = await app.regular()
    app.backend.broken.add('read')
    const answer = await visitor.ask('/look')
    assert.deepEqual([answer.status, answer.body], [200, '0'])
    assert.deepEqual(sessionCookies(answer), [])
    assert.equal((await visitor.ask('/views')).status, 503, 'a change during the outage')
    app.backend.broken.clear()
    assert.equal((await visitor.ask('/look')).body, '1')
  },
} satisfies Record<string, AdapterCheck>

function assertFailure(answer: Answer, path: string): void {
  assert.equal(answer.status, 503, `the status of ${path}`)
  for (const name of ['Set-Cookie', 'Location']) assert.deepEqual(answer.header(name), [], `${name} of ${path}`)
  assert.notDeepEqual(answer.header('ETag'), ['"page"'], `the ETag of ${path}`)
  assert.doesNotMatch(answer.header('Cache-Control').join(), /public|max-age=60/, `Cache-Control of ${path}`)
  assert.doesNotMatch(answer.body, /session=|xxx|^page/, `the body of ${path}`)
}

async function assertRecovers(app: App): Promise<void> {
  app.backend.broken.clear()
  await assertServes(app)
}

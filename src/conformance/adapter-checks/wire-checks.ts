import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AdapterCheck, assertServes, eventually } from './bench.js'
import { dial, requestText, sessionCookies, type Visitor } from './browser.js'

/** The parts of HTTP that a response passes on its way, and clients and handlers that do not keep to theirs. */
export const wireChecks = {
  async 'HEAD is answered as GET, without a body'({ start }) {
    const app = await start()
    const answer = await dial(app.port, requestText('/page', { method: 'HEAD' })).closed
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.match(answer, /\r\nset-cookie: session=/i)
    assert.ok(answer.endsWith('\r\n\r\n'), `no body after the head: ${answer}`)
  },

  async '204 and 304 have a cookie and no body'({ start }) {
    const app = await start()
    for (const [path, status] of [
      ['/empty', 204],
      ['/unmodified', 304],
    ] as const) {
      const answer = await dial(app.port, requestText(path, { followed: true }), requestText('/plain')).closed
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} (.+\r\n)+\r\nHTTP/1\\.1 200 `), path)
      assert.match(answer, /\r\nset-cookie: session=/i, path)
    }
  },

  async 'HTTP/1.0 gets a whole answer without chunks'({ start }) {
    const app = await start()
    const text = await dial(app.port, requestText('/views', { version: '1.0' })).closed
    assert.match(text, /\r\nset-cookie: session=/i)
    assert.ok(text.endsWith('\r\n\r\n1'), text)
    const stream = await dial(app.port, requestText('/stream', { version: '1.0' })).closed
    assert.doesNotMatch(stream, /transfer-encoding/i)
    assert.ok(stream.endsWith(`\r\n\r\n${'x'.repeat(1_000_000)}`), 'the stream came whole')
  },

  async 'a connection that is kept open serves one visitor after the other'({ start }) {
    const app = await start()
    const [first, second] = [await app.regular(), await app.regular()]
    const wire = dial(app.port)
    const turns: [path: string, visitor: Visitor, end: RegExp][] = [
      ['/set/one', first, /one\s*(0\s*)?$/],
      ['/empty', second, /HTTP\/1\.1 204 [\s\S]*\r\n\r\n$/],
      ['/set/two', app.visitor(), /two\s*(0\s*)?$/],
      ['/me', second, /nobody\s*(0\s*)?$/],
    ]
    for (const [path, { cookie }, end] of turns) {
      wire.socket.write(requestText(path, { cookie, followed: true }))
      await eventually(`${path} is answered on the same connection`, () => end.test(wire.received()))
    }
    wire.socket.destroy()
    assert.equal(wire.received().match(/set-cookie: session=/gi)?.length, 1, 'one cookie, for the new visitor')
    assert.deepEqual(JSON.parse((await first.ask('/values')).body), { views: 1, one: 'one' })
    assert.deepEqual(JSON.parse((await second.ask('/values')).body), { views: 2 })
  },

  async 'requests that are pipelined are answered in order, each with its own session'({ start }) {
    const app = await start()
    const visitors = [await app.regular(), app.visitor(), await app.regular()]
    const names = Array.from({ length: 9 }, (_, index) => `v${index}`)
    const of = (index: number) => visitors[index % visitors.length] as Visitor
    const texts = names.map((name, index) => requestText(`/set/${name}`, { cookie: of(index).cookie, followed: true }))
    const answer = await dial(app.port, ...texts, requestText('/plain')).closed
    const bodies = [...answer.matchAll(/\r\n\r\n(?:1?\w\r\n)?(v\d|plain)/g)].map(([, body]) => body)
    assert.deepEqual(bodies, [...names, 'plain'])
    assert.equal(answer.match(/set-cookie: session=/gi)?.length, 3, 'a cookie for each request of the new visitor')
    assert.deepEqual(JSON.parse((await of(0).ask('/values')).body), { views: 1, v0: 'v0', v3: 'v3', v6: 'v6' })
  },

  async 'a stream arrives whole'({ start }) {
    const app = await start()
    const answer = await app.visitor().ask('/stream')
    assert.equal(sessionCookies(answer).length, 1)
    assert.ok(answer.body === 'x'.repeat(1_000_000), `a million bytes, not ${answer.body.length}`)
  },

  async 'an upload arrives whole'({ start }) {
    const app = await start()
    const visitor = app.visitor()
    assert.equal((await visitor.post('/upload', 'y'.repeat(300_000))).body, '300000')
    assert.deepEqual(JSON.parse((await visitor.ask('/values')).body), { bytes: 300_000 })
  },

  async 'Expect: 100-continue is answered before the body is sent'({ start }) {
    const app = await start()
    const headers = ['Expect: 100-continue', 'Content-Length: 3']
    const wire = dial(app.port, requestText('/upload', { method: 'POST', headers }))
    await eventually('100 Continue', () => wire.received() === 'HTTP/1.1 100 Continue\r\n\r\n')
    wire.socket.write('abc')
    assert.match(await wire.closed, /HTTP\/1\.1 200 [\s\S]*set-cookie: session=/i)
  },

  async 'an upload that breaks off harms nobody'({ start }) {
    const app = await start()
    for (const _ of [1, 2, 3]) {
      const wire = dial(app.port, requestText('/upload', { method: 'POST', headers: ['Content-Length: 1000'] }), 'abc')
      await once(wire.socket, 'connect')
      wire.socket.destroy()
    }
    await assertServes(app)
  },

  async 'a client that leaves before the answer loses nothing that was set'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    const wire = dial(app.port, requestText('/slow', { cookie: visitor.cookie }))
    await eventually('the request arrives', () => app.backend.calls.includes('read'))
    wire.socket.destroy()
    await eventually('the view is saved', async () => (await visitor.ask('/look')).body === '2')
    await assertServes(app)
  },

  async 'a client that leaves while its session is saved loses nothing'({ start }) {
    const app = await start()
    if (app.backend.pace === 'at once') return
    const visitor = await app.regular()
    for (const path of ['/views', '/stream']) {
      app.backend.calls.length = 0
      const release = app.backend.holdWrites()
      const wire = dial(app.port, requestText(path, { cookie: visitor.cookie }))
      await eventually('the write begins', () => app.backend.calls.includes('patch'))
      wire.socket.destroy()
      release()
    }
    await eventually('the views are saved', async () => (await visitor.ask('/look')).body === '3')
    await assertServes(app)
  },

  async 'a client that leaves in the middle of an answer harms nobody'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    for (const path of ['/stream', '/late']) {
      const wire = dial(app.port, requestText(path, { cookie: visitor.cookie }))
      await once(wire.socket, 'data')
      wire.socket.destroy()
    }
    assert.equal((await visitor.ask('/look')).body, '2', 'what was set before the first part')
    await assertServes(app)
  },

  async 'a handler that throws gives the error page of the framework'({ start }) {
    const app = await start()
    for (const visitor of [app.visitor(), await app.regular()]) {
      assert.equal((await visitor.ask('/throw')).status, 500)
    }
    await assertServes(app)
  },

  async 'a handler that fails after its first part breaks the answer off'({ start }) {
    const app = await start()
    const visitor = await app.regular()
    const answer = await visitor.ask('/break').catch(() => 'broken off')
    assert.equal(answer, 'broken off')
    assert.equal((await visitor.ask('/look')).body, '2', 'what was set before the first part')
    await assertServes(app)
  },
} satisfies Record<string, AdapterCheck>

/** Checks of routes that not every framework can serve. */
export const optionalWireChecks = {
  hints: {
    async 'early hints do not wait for the session'({ start }) {
      const app = await start()
      const hints = /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/style\.css>; rel=preload\r\n\r\n/i
      const release = app.backend.holdWrites()
      const wire = dial(app.port, requestText('/hints'))
      if (app.backend.pace === 'later') {
        await eventually('early hints', () => hints.test(wire.received()))
        await eventually('a write', () => app.backend.calls.includes('create'))
        assert.equal(wire.received().replace(hints, ''), '')
      }
      release()
      const answer = await wire.closed
      assert.match(answer, hints)
      assert.match(answer.replace(hints, ''), /^HTTP\/1\.1 200 [\s\S]*set-cookie: session=/i)
    },
  },
  trailers: {
    async 'trailers follow the body'({ start }) {
      const app = await start()
      const answer = await dial(app.port, requestText('/trailers')).closed
      assert.match(answer, /\r\nset-cookie: session=/i)
      assert.match(answer, /\r\n0\r\nx-sum: 1\r\n\r\n$/i)
    },
  },
} satisfies Record<string, Record<string, AdapterCheck>>

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createBackend } from '../../src/conformance/adapter-checks/backend.js'
import { type AdapterBench, type AdapterCheck, createApp } from '../../src/conformance/adapter-checks/bench.js'
import { orderChecks } from '../../src/conformance/adapter-checks/order-checks.js'
import { sessionChecks } from '../../src/conformance/adapter-checks/session-checks.js'
import { transportChecks } from '../../src/conformance/adapter-checks/transport-checks.js'
import { wireChecks } from '../../src/conformance/adapter-checks/wire-checks.js'
import { createSessions } from '../../src/core/sessions.js'
import { serveStore } from './remote-store.js'
import { bundle, type RuntimeName, removeBundles, runtimes, serve, whyMissing } from './runtimes.js'

afterAll(removeBundles)

const checksOf: { readonly [adapter: string]: Record<string, AdapterCheck> } = {
  fetch: { ...sessionChecks, ...orderChecks, ...wireChecks, ...transportChecks },
  // What the runtime does on the wire, the other has shown.
  hono: { ...sessionChecks, ...orderChecks, ...transportChecks },
}
/** What a runtime does by itself, whatever answers the request. Such a check is expected to fail. */
const deviations: { readonly [name in RuntimeName]?: { readonly [check: string]: string } } = {
  bun: {
    '204 and 304 have a cookie and no body': 'it asks two things at once of one connection, which Bun then closes',
    'requests that are pipelined are answered in order, each with its own session': 'Bun closes the connection',
  },
}

const missing = await whyMissing()
const names = Object.keys(runtimes) as RuntimeName[]

describe.each(names)('%s', async (name) => {
  if (missing) {
    test.skip(`serves the routes of the kit (skipped: ${missing})`)
    return
  }
  const { file, builtIns } = await bundle(name)

  test('needs nothing of Node that fetch runtimes lack', () => {
    const available = ['node:crypto', 'node:diagnostics_channel', 'node:timers/promises']
    expect(available).toEqual(expect.arrayContaining(builtIns))
  })

  test('is sent a text as one, also with the cookie', async () => {
    const { port, close } = await serve(name, file, { STORE: 'memory', OPTIONS: '{}', ADAPTER: 'fetch' })
    onTestFinished(close)
    const { headers } = await fetch(`http://localhost:${port}/views`)
    expect(headers.getSetCookie()).toHaveLength(1)
    expect(headers.get('content-type')).toMatch(/^text\/plain; ?charset=utf-8$/i)
  })

  if (name === 'deno') {
    // Nothing listens at port 9.
    test.each(['memory', 'http://127.0.0.1:9'])(
      'a request that opens a WebSocket may begin a session, also where it cannot be stored: %s',
      async (STORE) => {
        const { port, close } = await serve(name, file, { STORE, OPTIONS: '{}', ADAPTER: 'greeting' })
        onTestFinished(close)
        const socket = new WebSocket(`ws://localhost:${port}/socket`)
        expect(await once(socket, 'message')).toEqual([expect.objectContaining({ data: 'hello' })])
        socket.close()
        expect((await fetch(`http://localhost:${port}/`)).status).toBe(200)
      },
    )
  }

  describe.each(Object.entries(checksOf))('%s', (adapter, checks) => {
    async function run(check: AdapterCheck): Promise<void> {
      const running: (() => unknown)[] = []
      const bench: AdapterBench = {
        async start(options = {}) {
          const backend = createBackend('later')
          const sessions = createSessions({ ...options, store: backend.store })
          const server = createServer().listen(0, '127.0.0.1')
          running.push(() => server.close())
          serveStore(server, backend.store)
          await once(server, 'listening')
          const STORE = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
          const served = await serve(name, file, { STORE, OPTIONS: JSON.stringify(options), ADAPTER: adapter })
          running.push(served.close)
          return createApp(served.port, sessions, backend)
        },
      }
      try {
        await check(bench)
      } finally {
        for (const stop of running.reverse()) await stop()
      }
    }

    for (const [title, check] of Object.entries(checks)) {
      const reason = deviations[name]?.[title]
      if (reason) test.fails(`${title} (not here: ${reason})`, () => run(check))
      else test(title, () => run(check))
    }
  })
})

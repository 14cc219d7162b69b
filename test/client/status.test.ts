/** The route that `sojourn/client` asks, as docs/client.md shows it, on every adapter. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { createSessions, type Session, type Sessions } from 'sojourn'
import { sessionClient } from 'sojourn/client'
import { session as onExpress } from 'sojourn/express'
import { session as onFastify } from 'sojourn/fastify'
import { withSession as onFetch } from 'sojourn/fetch'
import { session as onHono } from 'sojourn/hono'
import { session as onKoa } from 'sojourn/koa'
import { withSession as onNode } from 'sojourn/node'
import { memoryStore } from 'sojourn/stores/memory'
import { afterEach, expect, test } from 'vitest'

const minute = 60_000

const closings: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close()
})

/** Asks an app for a path, as the browser that has this cookie. */
type Ask = (path: string, cookie: string) => Promise<Response>

async function served(listener: RequestListener): Promise<Ask> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closings.push(() => server.close())
  const { port } = server.address() as AddressInfo
  return (path, cookie) => fetch(`http://127.0.0.1:${port}${path}`, { headers: { cookie, connection: 'close' } })
}

/** `/session` tells the status, and any other path uses the session. */
const answer = (sessions: Sessions, path: string, session: Session) =>
  path === '/session' ? sessions.status(session) : { userId: session.userId }

const adapters: { readonly [name: string]: (sessions: Sessions) => Promise<Ask> } = {
  express: (sessions) =>
    served(
      express()
        .use(onExpress(sessions))
        .use((req, res) => void res.json(answer(sessions, req.path, req.session))),
    ),
  async fastify(sessions) {
    const app = Fastify({ forceCloseConnections: true })
    await app.register(onFastify, { sessions })
    app.get('/*', (request) => answer(sessions, request.url, request.session))
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    closings.push(() => app.close())
    return (path, cookie) => fetch(address + path, { headers: { cookie } })
  },
  koa(sessions) {
    const app = new Koa().use(onKoa(sessions)).use((ctx) => {
      ctx.body = answer(sessions, ctx.path, ctx.session)
    })
    return served(app.callback())
  },
  async hono(sessions) {
    const app = new Hono().use(onHono(sessions)).get('/*', (c) => c.json(answer(sessions, c.req.path, c.var.session)))
    return async (path, cookie) => app.request(`http://localhost${path}`, { headers: { cookie } })
  },
  async fetch(sessions) {
    const handle = onFetch(sessions, (request, session) =>
      Response.json(answer(sessions, new URL(request.url).pathname, session)),
    )
    return async (path, cookie) => handle(new Request(`http://localhost${path}`, { headers: { cookie } }))
  },
  node: (sessions) =>
    served(
      onNode(sessions, (request, response, session) => {
        response.setHeader('Content-Type', 'application/json')
        response.end(JSON.stringify(answer(sessions, request.url ?? '', session)))
      }),
    ),
}

test.each(Object.keys(adapters))('on %s a page that asks for the time left does not prolong it', async (name) => {
  let now = Date.now()
  const sessions = createSessions({
    store: memoryStore(),
    cookie: { secure: false },
    lifetime: { idle: '10m', absolute: '1d' },
    clock: () => now,
  })
  closings.push(sessions.close)
  const ask = await adapters[name]?.(sessions)
  if (!ask) throw new Error(`There is no adapter ${name}`)
  const { cookie } = await sessions.create({ userId: 'user1' })
  const signedInAt = now
  const status = async () => (await ask('/session', cookie)).json()

  expect(await status()).toEqual({ signedIn: true, signedInAt, expiresIn: 10 * minute })
  now += 4 * minute
  expect(await status()).toEqual({ signedIn: true, signedInAt, expiresIn: 6 * minute })
  now += 4 * minute
  const response = await ask('/session', cookie)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.getSetCookie()).toEqual([])
  expect(await response.json()).toEqual({ signedIn: true, signedInAt, expiresIn: 2 * minute })

  expect(await (await ask('/use', cookie)).json()).toEqual({ userId: 'user1' })
  expect(await status()).toEqual({ signedIn: true, signedInAt, expiresIn: 10 * minute })
  now += 10 * minute
  expect(await status()).toEqual({ signedIn: false, signedInAt: null, expiresIn: null })
})

test.each([['2m'], [Number.NaN], [-1], [null]])('a warnBefore of %s is refused', (warnBefore) => {
  const options = { status: '/session', warnBefore: warnBefore as number }
  const message = `warnBefore must be a number of milliseconds, at least 0; got ${warnBefore}`
  expect(() => sessionClient(options)).toThrow(new TypeError(message))
})

test('where a page is rendered on a server, the client says that it is for the browser', () => {
  expect(() => sessionClient({ status: '/session' })).toThrow('call it in what runs there alone, such as useEffect')
})

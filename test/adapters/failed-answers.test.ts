/**
 * Where a session could not be read or saved, others get another answer for the same address. So what answers the failure depends on the
 * session too, or a shared cache would keep a visitor's error for everybody.
 */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import express, { type Response as ExpressResponse, type NextFunction, type Request } from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { createSessions, type SessionStore } from 'sojourn'
import { session as expressSession } from 'sojourn/express'
import { session as fastifySession } from 'sojourn/fastify'
import { session as honoSession } from 'sojourn/hono'
import { session as koaSession } from 'sojourn/koa'
import { withSession } from 'sojourn/node'
import { memoryStore } from 'sojourn/stores/memory'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

type Data = { views: number }
type Sessions = ReturnType<typeof createSessions<Data>>
type Ask = (headers: Record<string, string>) => Promise<Response>

const cached = 'public, max-age=60'

/** Each answers a failure with a page of its own, which lets stand what was said of caches before the session came. */
const apps: { [name: string]: (sessions: Sessions) => Promise<Ask> } = {
  async express(sessions) {
    const app = express()
    app.use((_request, response, next) => {
      response.set('Cache-Control', cached)
      next()
    })
    app.use(expressSession(sessions))
    app.get('/', (request, response) => {
      request.session.views = 1
      response.send('page')
    })
    app.use((_error: unknown, _request: Request, response: ExpressResponse, _next: NextFunction) => {
      response.status(404).send('sorry')
    })
    return listening(createServer(app))
  },
  async fastify(sessions) {
    const app = fastify()
    app.addHook('onRequest', async (_request, reply) => void reply.header('Cache-Control', cached))
    app.register(fastifySession, { sessions })
    app.setErrorHandler((_error, _request, reply) => void reply.code(404).send('sorry'))
    app.get('/', async (request) => {
      request.session.views = 1
      return 'page'
    })
    await app.ready()
    return listening(app.server)
  },
  async koa(sessions) {
    const app = new Koa()
    app.use(async (ctx, next) => {
      ctx.set('Cache-Control', cached)
      try {
        await next()
      } catch {
        ctx.status = 404
        ctx.body = 'sorry'
      }
    })
    app.use(koaSession(sessions))
    app.use((ctx) => {
      ctx.session.views = 1
      ctx.body = 'page'
    })
    return listening(createServer(app.callback()))
  },
  async hono(sessions) {
    const app = new Hono()
    app.use(async (c, next) => {
      await next()
      c.header('Cache-Control', cached)
    })
    app.use(honoSession(sessions))
    app.get('/', (c) => {
      c.var.session.views = 1
      return c.text('page')
    })
    app.onError((_error, c) => c.text('sorry', 404))
    return async (headers) => app.request('https://localhost/', { headers })
  },
  async node(sessions) {
    const handler = withSession(
      sessions,
      (_request, response, session) => {
        session.views = 1
        response.end('page')
      },
      { onError: (_error, _request, response) => void Object.assign(response, { statusCode: 404 }).end('sorry') },
    )
    const listener: RequestListener = (request, response) => {
      response.setHeader('Cache-Control', cached)
      void handler(request, response)
    }
    return listening(createServer(listener))
  },
}

async function listening(server: Server): Promise<Ask> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return (headers) => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { headers })
}

/** Fails with one kind of call, at once or later. */
function failing(operation: 'read' | 'create' | 'patch', when: 'at once' | 'later'): SessionStore {
  const error = new Error('down')
  return {
    ...memoryStore(),
    [operation]: () => {
      if (when === 'later') return Promise.reject(error)
      throw error
    },
  }
}

test('node: of two sessions around a handler, both have their say', async () => {
  const outer = createSessions<Data>({ store: memoryStore(), noStore: true, cookie: { name: 'outer' } })
  const inner = createSessions<Data>({ store: failing('patch', 'later'), transport: { header: 'x-token' } })
  const nested = withSession(inner, (_request, response, session) => {
    session.views = 1
    response.end('page')
  })
  const handler = withSession(
    outer,
    (request, response, session) => {
      session.views = 1
      return nested(request, response)
    },
    { onError: (_error, _request, response) => void Object.assign(response, { statusCode: 404 }).end('sorry') },
  )
  const ask = await listening(createServer(handler))
  const visitors = [await outer.create({ userId: 'ada' }), await inner.create({ values: { views: 0 } })]
  const answer = await ask(Object.assign({}, ...visitors.map(({ headers }) => headers)))
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([404, 'no-store'])
  expect(answer.headers.get('vary')?.split(', ').sort()).toEqual(['Cookie', 'x-token'])
})

test('node: a handler that fails after its answer has failed takes nothing away', async () => {
  const sessions = createSessions<Data>({ store: failing('patch', 'later') })
  const handler = withSession(
    sessions,
    async (_request, response, session) => {
      session.views = 1
      response.write('page')
      await delay(5)
      throw new Error('too late')
    },
    {
      async onError(_error, _request, response) {
        await delay(20)
        if (!response.headersSent) Object.assign(response, { statusCode: 404 }).end('sorry')
      },
    },
  )
  const ask = await listening(createServer(handler))
  const { headers } = await sessions.create({ values: { views: 0 } })
  const answer = await ask(headers)
  expect([answer.status, answer.headers.get('vary')]).toEqual([404, 'Cookie'])
})

test.each<[string, (response: ExpressResponse) => unknown]>([
  ['setHeader', (response) => response.status(404).set('Vary', 'Accept-Language').send('sorry')],
  [
    'writeHead',
    (response) => response.writeHead(404, { Vary: 'Accept-Language', 'Cache-Control': cached }).end('sorry'),
  ],
  [
    'writeHead, piece by piece',
    (response) => {
      response.writeHead(404, ['Vary', 'Accept-Language']).write('sorry')
      response.end()
    },
  ],
])(
  'express: an error page that varies by something itself, said by %s, varies by the cookie too',
  async (_how, answer) => {
    for (const operation of ['read', 'patch'] as const) {
      const sessions = createSessions<Data>({ store: failing(operation, 'later'), noStore: true })
      const app = express()
      app.use(expressSession(sessions))
      app.get('/', (request, response) => {
        request.session.views = 1
        response.send('page')
      })
      app.use(
        (_error: unknown, _request: Request, response: ExpressResponse, _next: NextFunction) => void answer(response),
      )
      const ask = await listening(createServer(app))
      const { cookie } = await sessions.create({ userId: 'ada' })
      const page = await ask({ cookie })
      expect([page.status, page.headers.get('vary'), await page.text()]).toEqual([
        404,
        'Accept-Language, Cookie',
        'sorry',
      ])
      if (operation === 'patch') expect(page.headers.get('cache-control')).toBe('no-store')
    }
  },
)

test('node: of two sessions, both have their say where the inner handler fails as well', async () => {
  const outer = createSessions<Data>({ store: failing('patch', 'later'), cookie: { name: 'outer' } })
  const inner = createSessions<Data>({ store: memoryStore(), transport: { header: 'x-token' } })
  const nested = withSession(inner, async (_request, response, session) => {
    session.views = 1
    response.write('page')
    await delay(5)
    throw new Error('too late')
  })
  const handler = withSession(
    outer,
    (request, response, session) => {
      session.views = 1
      return nested(request, response)
    },
    {
      async onError(_error, _request, response) {
        await delay(20)
        if (!response.headersSent) Object.assign(response, { statusCode: 404 }).end('sorry')
      },
    },
  )
  const ask = await listening(createServer(handler))
  const visitors = [await outer.create({ values: { views: 0 } }), await inner.create({ values: { views: 0 } })]
  const answer = await ask(Object.assign({}, ...visitors.map(({ headers }) => headers)))
  expect([answer.status, answer.headers.get('vary')?.split(', ').sort()]).toEqual([404, ['Cookie', 'x-token']])
})

test('node: a page for errors that asks for the session does not read it once more', async () => {
  let reads = 0
  const { read } = failing('read', 'later')
  const sessions = createSessions<Data>({
    store: {
      ...memoryStore(),
      read(id) {
        reads++
        return read(id)
      },
    },
  })
  const page = withSession(sessions, (_request, response, session) => {
    response.statusCode = 404
    response.end(`sorry, ${session.userId ?? 'guest'}`)
  })
  const handler = withSession(sessions, (_request, response) => void response.end(), {
    onError: (_error, request, response) => void page(request, response),
  })
  const ask = await listening(createServer(handler))
  const { cookie } = await sessions.create({ userId: 'ada' })
  const answer = await ask({ cookie })
  expect([answer.status, await answer.text(), reads]).toEqual([404, 'sorry, guest', 1])
})

test('fastify: a session that could not be read is a guest’s for the error handler', async () => {
  const sessions = createSessions<Data>({ store: failing('read', 'later') })
  const app = fastify()
  app.register(fastifySession, { sessions })
  app.setErrorHandler((_error, request, reply) => void reply.code(404).send(`for ${request.session.userId}`))
  app.get('/', async () => 'page')
  await app.ready()
  const ask = await listening(app.server)
  const { cookie } = await sessions.create({ userId: 'ada' })
  const answer = await ask({ cookie })
  expect([answer.status, await answer.text(), answer.headers.get('vary')]).toEqual([404, 'for null', 'Cookie'])
})

describe.each(Object.entries(apps))('%s', (name, start) => {
  test.each([
    ['read', 'at once'],
    ['read', 'later'],
    ['create', 'at once'],
    ['create', 'later'],
    ['patch', 'at once'],
    ['patch', 'later'],
  ] as const)('a %s that fails %s: the answer varies by the cookie', async (operation, when) => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const sessions = createSessions<Data>({ store: failing(operation, when) })
    const ask = await start(sessions)
    const { cookie } = operation === 'create' ? { cookie: '' } : await sessions.create({ values: { views: 0 } })
    const answer = await ask(cookie ? { cookie } : {})
    expect([answer.status, await answer.text()]).toEqual([404, 'sorry'])
    expect([answer.headers.get('cache-control'), answer.headers.get('vary')]).toEqual([cached, 'Cookie'])
  })

  test('and with noStore, that of a signed-in user is not kept at all', async () => {
    const sessions = createSessions<Data>({ store: failing('patch', 'later'), noStore: true })
    const ask = await start(sessions)
    const { cookie } = await sessions.create({ userId: 'ada' })
    const answer = await ask({ cookie })
    // Of Hono, the middleware above has the last word.
    const control = name === 'hono' ? cached : 'no-store'
    expect([answer.headers.get('vary'), answer.headers.get('cache-control')]).toEqual(['Cookie', control])
  })
})

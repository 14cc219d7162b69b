import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import Fastify, { type FastifyRequest } from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import * as expressAdapter from '../../src/adapters/express.js'
import * as fastifyAdapter from '../../src/adapters/fastify.js'
import * as fetchAdapter from '../../src/adapters/fetch.js'
import * as honoAdapter from '../../src/adapters/hono.js'
import * as koaAdapter from '../../src/adapters/koa.js'
import * as nodeAdapter from '../../src/adapters/node.js'
import type { ServedApp } from '../../src/conformance/adapter.js'
import type { Session } from '../../src/core/session.js'
import type { Sessions } from '../../src/core/sessions.js'
import { listen } from '../adapters/routes/listen.js'

/** What the handlers of an app tell the test. */
export interface Witness {
  /** The session of a request to `/show`. */
  saw(session: Session): unknown
  /** What reached the framework's own handling of errors. */
  failed(error: unknown): void
}

/** Serves a small app with accounts, as users of the framework write it. */
export type Serve = (sessions: Sessions, witness: Witness) => Promise<ServedApp>

const within = '10m'

/** The routes that need no more than the session; each returns its text. */
function answer(session: Session, route: string, witness: Witness): unknown {
  if (route === 'POST /visit') {
    session.views = (session.views ?? 0) + 1
    return String(session.views)
  }
  if (route === 'POST /login') session.signIn(7, { method: 'password' })
  else if (route === 'POST /remember') session.signIn('7', { method: 'passkey', remember: true })
  else if (route === 'POST /logout') session.signOut()
  else if (route === 'POST /renew') session.renew()
  else if (route === 'GET /show') return Promise.resolve(witness.saw(session)).then(() => 'seen')
  else if (route === 'GET /throw') throw new Error('thrown on purpose')
  return session.userId ?? 'nobody'
}

const routes = [
  'POST /visit',
  'POST /login',
  'POST /remember',
  'POST /logout',
  'POST /renew',
  'GET /show',
  'GET /throw',
  'GET /me',
]

const serveExpress =
  (framework: typeof express): Serve =>
  (sessions, witness) => {
    const app = framework()
    app.use(expressAdapter.session(sessions))
    app.get('/static', (_req, res) => void res.send('static'))
    app.post('/change', expressAdapter.requireFresh({ within }), (_req, res) => void res.send('changed'))
    app.use(async (req, res, next) => {
      try {
        res.send(await answer(req.session, `${req.method} ${req.path}`, witness))
      } catch (error) {
        next(error)
      }
    })
    const tell: express.ErrorRequestHandler = (error, _req, _res, next) => {
      witness.failed(error)
      next(error)
    }
    app.use(tell)
    return listen(app)
  }

const serveFastify: Serve = async (sessions, witness) => {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(fastifyAdapter.session, { sessions })
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.addHook('onError', async (_request, _reply, error) => witness.failed(error))
  app.get('/static', () => 'static')
  app.post('/change', { onRequest: fastifyAdapter.requireFresh({ within }) }, () => 'changed')
  for (const route of routes) {
    const [method = '', url = ''] = route.split(' ')
    app.route({ method, url, handler: async ({ session }: FastifyRequest) => answer(session, route, witness) })
  }
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
}

const serveKoa: Serve = (sessions, witness) => {
  const app = new Koa()
  app.on('error', witness.failed)
  app.use(koaAdapter.session(sessions))
  const fresh = koaAdapter.requireFresh({ within })
  app.use(async (ctx) => {
    if (ctx.path === '/static') ctx.body = 'static'
    else if (ctx.path === '/change') {
      await fresh(ctx, async () => {
        ctx.body = 'changed'
      })
    } else ctx.body = await answer(ctx.session, `${ctx.method} ${ctx.path}`, witness)
  })
  return listen(app.callback())
}

const serveHono: Serve = (sessions, witness) => {
  const app = new Hono()
  app.use(honoAdapter.session(sessions))
  app.get('/static', (c) => c.text('static'))
  app.post('/change', honoAdapter.requireFresh({ within }), (c) => c.text('changed'))
  app.all('*', async (c) => c.text(String(await answer(c.var.session, `${c.req.method} ${c.req.path}`, witness))))
  app.onError((error, c) => {
    witness.failed(error)
    return 'getResponse' in error ? (error as { getResponse(): Response }).getResponse() : c.text('failed', 500)
  })
  return listen(getRequestListener(app.fetch))
}

const serveFetch: Serve = (sessions, witness) => {
  const change = fetchAdapter.requireFresh({ within }, () => new Response('changed'))
  const handler = fetchAdapter.withSession(
    sessions,
    async (request: Request, session) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/static') return new Response('static')
      if (pathname === '/change') return change(request, session)
      return new Response(String(await answer(session, `${request.method} ${pathname}`, witness)))
    },
    {
      onError(error) {
        witness.failed(error)
        return error.getResponse()
      },
    },
  )
  return listen(
    getRequestListener((request) => handler(request), {
      errorHandler(error) {
        witness.failed(error)
        return new Response('failed', { status: 500 })
      },
    }),
  )
}

const serveNode: Serve = (sessions, witness) => {
  const change = nodeAdapter.requireFresh({ within }, (_req, res) => res.end('changed'))
  return listen(
    nodeAdapter.withSession(
      sessions,
      async (req, res, session) => {
        if (req.url === '/static') return res.end('static')
        if (req.url === '/change') return change(req, res, session)
        return res.end(await answer(session, `${req.method} ${req.url}`, witness))
      },
      {
        onError(error, _req, res) {
          witness.failed(error)
          const { status = 500, headers = {} } = error as { status?: number; headers?: Record<string, string> }
          res.statusCode = status
          for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
          res.end('failed')
        },
      },
    ),
  )
}

/** An app for each adapter. */
export const apps: { readonly [adapter: string]: Serve } = {
  'Express 5': serveExpress(express),
  'Express 4': serveExpress(createRequire(import.meta.url)('express4')),
  Fastify: serveFastify,
  Koa: serveKoa,
  Hono: serveHono,
  fetch: serveFetch,
  node: serveNode,
}

// Compiled by package.test.ts, not run: sessions are typed in each framework, with no annotation and no cast.
import { createServer } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { createSessions } from 'sojourn'
import { doctor } from 'sojourn/doctor'
import { session as forFastify, requireUser as userOnFastify } from 'sojourn/fastify'
import { requireUser as userOnFetch, withSession as withFetchSession } from 'sojourn/fetch'
import { session as forHono, requireUser as userOnHono } from 'sojourn/hono'
import { session as forKoa, requireUser as userOnKoa } from 'sojourn/koa'
import { requireUser as userOnNode, withSession as withNodeSession } from 'sojourn/node'

declare module 'sojourn' {
  interface SessionData {
    views: number
  }
}

const sessions = createSessions()

const fastify = Fastify()
await fastify.register(forFastify, { sessions })
fastify.get<{ Params: { tab: string } }>('/:tab', { onRequest: userOnFastify({ redirect: '/login' }) }, (request) => {
  const views: number | undefined = request.session.views
  const user: string | null = request.session.userId
  request.session.signIn('ann')
  // @ts-expect-error: views is a number
  request.session.views = 'one'
  return { views, user, tab: request.params.tab }
})

const koa = new Koa()
koa.use(forKoa(sessions))
koa.use(userOnKoa({ redirect: '/login' }))
koa.use(async (ctx, next) => {
  const views: number | undefined = ctx.session.views
  // @ts-expect-error: views is a number
  ctx.session.views = 'one'
  // @ts-expect-error: a session is not assigned
  ctx.session = {}
  ctx.body = { views, user: ctx.session.userId }
  await next()
})

const hono = new Hono()
hono.use(forHono(sessions))
hono.get('/', userOnHono(), (c) => {
  const views: number | undefined = c.var.session.views
  // @ts-expect-error: views is a number
  c.var.session.views = 'one'
  return c.json({ views, user: c.get('session').userId })
})

export const GET = withFetchSession(sessions, (request, session) => {
  const views: number | undefined = session.views
  // @ts-expect-error: views is a number
  session.views = 'one'
  return Response.json({ views, url: request.url })
})
GET(new Request('http://localhost')) satisfies Promise<Response>

export const page = withFetchSession(
  sessions,
  userOnFetch({ redirect: '/login' }, async (_request, session, { params }: { params: Promise<{ id: string }> }) => {
    session.views = (session.views ?? 0) + 1
    return new Response((await params).id)
  }),
)
page(new Request('http://localhost'), { params: Promise.resolve({ id: '1' }) }) satisfies Promise<Response>
// @ts-expect-error: the handler needs its params
page(new Request('http://localhost'))

createServer(
  withNodeSession(sessions, (req, res, session) => {
    const views: number | undefined = session.views
    // @ts-expect-error: views is a number
    session.views = 'one'
    res.writeHead(200, 'fine').end(`${views} ${req.url}`)
  }),
)
createServer(
  withNodeSession(
    sessions,
    userOnNode({ redirect: '/login' }, (_req, res, session) => res.end(String(session.views))),
  ),
)
createSecureServer(
  withNodeSession(sessions, (req, res, session) => {
    session.views = 1
    res.stream.respond({ ':status': 200 })
    res.end(req.authority)
  }),
)
createSecureServer(
  { allowHTTP1: true },
  withNodeSession(sessions, (req: Http2ServerRequest, res: Http2ServerResponse, session) => {
    session.views = 1
    res.end(String(req.stream.id))
  }),
)

// Values of its own kind, where an app has several sorts of sessions.
interface Basket {
  items: string[]
}
const baskets = createSessions<Basket>()
withFetchSession(baskets, (_request, session) => Response.json(session.items?.length))
withNodeSession(baskets, (_req, res, session) => res.end(session.items?.join()))
new Hono().use(forHono(baskets)).get('/', (c) => c.json(c.var.session.items?.length))
new Koa().use(forKoa(baskets)).use((ctx) => ctx.set('X-Items', String(ctx.session.items?.length)))
await Fastify().register(forFastify, { sessions: baskets })
await doctor(baskets)

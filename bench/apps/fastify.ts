/** Sessions on Fastify 5. */
import type { Server } from 'node:http'
import cookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { session } from 'sojourn/fastify'
import { memoryStore } from 'sojourn/stores/memory'
import { newVisitor, type Visitor } from '../visitor.ts'

async function serve(
  of: (request: FastifyRequest) => Visitor,
  add?: (app: FastifyInstance) => unknown,
): Promise<Server> {
  const app = fastify()
  await add?.(app)
  app.get('/hello', async () => 'hello')
  app.get('/views', async (request) => `${of(request).views}`)
  app.get('/name', async (request) => `${of(request).profile?.name}`)
  app.post('/views', async (request) => {
    const visitor = of(request)
    visitor.views = (visitor.views ?? 0) + 1
    return `${visitor.views}`
  })
  app.post('/start', async (request) => {
    Object.assign(of(request), newVisitor())
    return 'started'
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server
}

const inSession = (request: FastifyRequest) => request.session as Visitor

export function bare(): Promise<Server> {
  const visitor = newVisitor()
  return serve(() => visitor)
}

/** Its defaults save every session and send the cookie each time; it is spared both. */
export function fastifySessionInMemory(): Promise<Server> {
  const secret = 'a secret for the bench, of more than thirty-two characters'
  const options = { secret, cookie: { secure: false }, saveUninitialized: false, rolling: false }
  return serve(inSession, async (app) => {
    await app.register(cookie)
    await app.register(fastifySession, options)
  })
}

export function sojournInMemory(): Promise<Server> {
  return serve(inSession, (app) => app.register(session, { sessions: { store: memoryStore() } }))
}

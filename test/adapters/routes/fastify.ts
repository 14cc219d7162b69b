import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify, { type FastifyRequest } from 'fastify'
import { session } from '../../../src/adapters/fastify.js'
import type { ServedApp } from '../../../src/conformance/adapter.js'
import type { Sessions } from '../../../src/core/sessions.js'
import { breakingParts, lateParts, manyParts } from './parts.js'

const twoCookies = ['first=1', 'second=2']

/** The routes of the kit, on Fastify. */
export async function serveFastify(sessions: Sessions): Promise<ServedApp> {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(session, { sessions })
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  const view = ({ session }: FastifyRequest) => {
    session.views = (session.views ?? 0) + 1
    return String(session.views)
  }

  app.get('/plain', () => 'plain')
  app.get('/look', ({ session }) => String(session.views ?? 0))
  app.get('/me', ({ session }) => session.userId ?? 'nobody')
  app.get('/values', ({ session }) => ({ ...session }))
  app.get('/views', view)
  app.get<{ Params: { name: string } }>('/set/:name', ({ session, params: { name } }) => {
    Object.assign(session, { [name]: name })
    return name
  })
  app.post('/login', ({ session }) => {
    session.signIn('ann')
    return 'welcome'
  })
  app.post('/logout', ({ session }, reply) => {
    session.destroy()
    return reply.redirect('/plain')
  })
  app.get('/redirect', ({ session }, reply) => {
    session.redirected = 'yes'
    return reply.redirect('/values')
  })
  app.get('/page', (request, reply) => {
    view(request)
    return reply.headers({ etag: '"page"', 'cache-control': 'public, max-age=60' }).send('page')
  })
  app.get('/cookies', (request, reply) => {
    view(request)
    return reply.header('set-cookie', twoCookies).send('cookies')
  })
  app.get('/empty', (request, reply) => {
    view(request)
    return reply.code(204).send()
  })
  app.get('/unmodified', (request, reply) => {
    view(request)
    return reply.code(304).send()
  })
  app.get('/stream', (request, reply) => {
    view(request)
    return reply.send(Readable.from(manyParts()))
  })
  app.get('/late', ({ session }, reply) => reply.send(Readable.from(lateParts(session))))
  app.get('/slow', async (request) => {
    await delay(50)
    return view(request)
  })
  app.get('/throw', (request) => {
    view(request)
    throw new Error('thrown on purpose')
  })
  app.get('/break', (request, reply) => {
    view(request)
    return reply.send(Readable.from(breakingParts()))
  })
  app.post<{ Body: Buffer }>('/upload', ({ session, body }) => {
    session.bytes = body.length
    return String(body.length)
  })
  app.get('/hints', async (request, reply) => {
    await new Promise<void>((resolve) => reply.writeEarlyHints({ link: '</style.css>; rel=preload' }, resolve))
    return view(request)
  })
  app.get('/trailers', (request, reply) => {
    view(request)
    return reply.trailer('X-Sum', async () => '1').send('body')
  })

  await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
}

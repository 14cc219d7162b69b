/** A server that closes its connections, as one does that is told to stop, while the session of an answer is being saved. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import { createSessions } from 'sojourn'
import { session as expressSession } from 'sojourn/express'
import { session as fastifySession } from 'sojourn/fastify'
import { session as koaSession } from 'sojourn/koa'
import { withSession } from 'sojourn/node'
import { memoryStore } from 'sojourn/stores/memory'
import { expect, onTestFinished, test } from 'vitest'

type Data = { views: number }
type Sessions = ReturnType<typeof createSessions<Data>>

const servers: { [name: string]: (sessions: Sessions) => Server | Promise<Server> } = {
  Express: (sessions) =>
    createServer(
      express().use(expressSession(sessions), (request, response) => {
        Object.assign(request.session, { views: 1 })
        response.send('hello')
      }),
    ),
  Fastify: async (sessions) => {
    const app = fastify()
    app.register(fastifySession, { sessions })
    app.get('/', async (request) => {
      Object.assign(request.session, { views: 1 })
      return 'hello'
    })
    await app.ready()
    return app.server
  },
  'Fastify, a stream': async (sessions) => {
    const app = fastify()
    app.register(fastifySession, { sessions })
    app.get('/', async (request) => {
      Object.assign(request.session, { views: 1 })
      return Readable.from(['hel', 'lo'])
    })
    await app.ready()
    return app.server
  },
  Koa: (sessions) => {
    const app = new Koa()
    app.use(koaSession(sessions))
    app.use((ctx) => {
      ctx.session.views = 1
      ctx.body = 'hello'
    })
    return createServer(app.callback())
  },
  Node: (sessions) =>
    createServer(
      withSession(sessions, (_request, response, session) => {
        session.views = 1
        response.end('hello')
      }),
    ),
}

test.each(Object.entries(servers))('%s: the answer leaves first, with its cookie', async (_name, start) => {
  const memory = memoryStore()
  let server: Server | undefined
  const create: typeof memory.create = async (id, record) => {
    await delay(5)
    server?.closeAllConnections()
    await delay(20)
    return memory.create(id, record)
  }
  server = await start(createSessions<Data>({ store: { ...memory, create } }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server?.close()
    server?.closeAllConnections()
  })
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  expect([answer.status, await answer.text(), answer.headers.getSetCookie().length]).toEqual([200, 'hello', 1])
})

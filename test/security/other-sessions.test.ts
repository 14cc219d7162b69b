import fastifyCookie from '@fastify/cookie'
import fastifySession from '@fastify/session'
import express from 'express'
import expressSession from 'express-session'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { CookieStore, sessionMiddleware } from 'hono-sessions'
import Koa from 'koa'
import koaSession from 'koa-session'
import request from 'supertest'
import { describe, expect, test } from 'vitest'
import { requireUser } from '../../src/adapters/express.js'
import { requireUser as userOnFastify } from '../../src/adapters/fastify.js'
import { session, requireUser as userOnHono } from '../../src/adapters/hono.js'
import { requireUser as userOnKoa } from '../../src/adapters/koa.js'
import dropIn from '../../src/express-session/index.js'

// An app that moves here may have put a guard of ours where the session is still another library's.

const secret = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'
const memory = () => sessionMiddleware({ store: new CookieStore(), encryptionKey: secret })

function onExpress(middleware: express.RequestHandler): Promise<number> {
  const app = express()
  app.use(middleware)
  app.get('/', requireUser(), (_req, res) => void res.send('let in'))
  app.use(((_error, _req, res, _next) => void res.status(500).send('not let in')) as express.ErrorRequestHandler)
  return statusOf(app)
}

async function statusOf(app: Parameters<typeof request>[0]): Promise<number> {
  return (await request(app).get('/')).status
}

describe('requireUser lets nobody in who has a session of', () => {
  test('express-session', async () => {
    const middleware = expressSession({ secret, resave: false, saveUninitialized: false })
    expect(await onExpress(middleware)).toBe(500)
  })

  test('the drop-in', async () => {
    const middleware = dropIn({ secret, resave: false, saveUninitialized: false }) as express.RequestHandler
    expect(await onExpress(middleware)).toBe(500)
  })

  test('@fastify/session', async () => {
    const app = Fastify()
    await app.register(fastifyCookie)
    await app.register(fastifySession, { secret })
    app.get('/', { preHandler: userOnFastify() }, () => 'let in')
    expect((await app.inject('/')).statusCode).toBe(500)
  })

  test('koa-session', async () => {
    const app = new Koa()
    app.silent = true
    app.keys = [secret]
    app.use(koaSession(app))
    app.use(userOnKoa())
    app.use((ctx) => {
      ctx.body = 'let in'
    })
    expect(await statusOf(app.callback())).toBe(500)
  })

  test('hono-sessions', async () => {
    const app = new Hono()
    app.use(memory() as never)
    app.get('/', userOnHono(), (c) => c.text('let in'))
    expect((await app.request('/')).status).toBe(500)
  })
})

test('in Hono, what stands in the place of our session is told', async () => {
  const app = new Hono()
  app.use(memory() as never)
  app.use(session())
  const failed = new Promise((resolve) => {
    app.onError((error, c) => {
      resolve(error)
      return c.text('', 500)
    })
  })
  await app.request('/')
  expect(await failed).toMatchObject({
    code: 'invalid_option',
    message: expect.stringMatching(/a session here already/),
  })
})

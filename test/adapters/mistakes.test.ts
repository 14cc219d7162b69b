import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { createSessions } from 'sojourn'
import * as ofExpress from 'sojourn/express'
import * as ofFastify from 'sojourn/fastify'
import * as ofFetch from 'sojourn/fetch'
import * as ofHono from 'sojourn/hono'
import * as ofKoa from 'sojourn/koa'
import * as ofNode from 'sojourn/node'
import { memoryStore } from 'sojourn/stores/memory'
import { socketSessions } from 'sojourn/websocket'
import request from 'supertest'
import { describe, expect, test } from 'vitest'

// What beginners write, and what they are told. In TypeScript most of it does not compile.
// biome-ignore lint/suspicious/noExplicitAny: so mistakes have to be made on purpose.
type Any = any

const sessions = createSessions({ store: memoryStore() })
const refusal = (message: string) =>
  expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) })

describe.each<[string, (options: Any) => unknown]>([
  ['withSession of fetch', (options) => ofFetch.withSession(sessions, () => new Response(), options)],
  ['withSession of node', (options) => ofNode.withSession(sessions, (_req, res) => void res.end(), options)],
  ['session of hono', (options) => ofHono.session(sessions, options)],
  ['socketSessions', (options) => socketSessions(sessions, options)],
])('%s', (_name, make) => {
  test.each([
    [{ trustProxy: true }, '"trustProxy" is not an option'],
    [{ secure: true }, 'secure must be a function of the request; got true'],
    [{ address: '127.0.0.1' }, 'address must be a function of the request; got "127.0.0.1"'],
    [null, 'must be an object of '],
  ])('refuses %j', (options, message) => {
    expect(() => make(options)).toThrow(refusal(message))
  })

  test('takes what is left out as undefined', () => {
    make({ secure: undefined, address: undefined })
    make(undefined)
  })
})

describe.each<[string, (given: Any, ...rest: Any[]) => unknown, Any]>([
  ['withSession of fetch', ofFetch.withSession, sessions],
  ['withSession of node', ofNode.withSession, sessions],
  ['requireUser of fetch', ofFetch.requireUser, { redirect: '/login' }],
  ['requireUser of node', ofNode.requireUser, { redirect: '/login' }],
  ['requireFresh of fetch', ofFetch.requireFresh, { within: '10m' }],
  ['requireFresh of node', ofNode.requireFresh, { within: '10m' }],
])('%s', (_name, make, given) => {
  test('refuses a handler that is none', () => {
    expect(() => make(given)).toThrow(refusal('The handler must be a function; got undefined'))
    expect(() => make(given, {})).toThrow(refusal('The handler must be a function; got an object'))
  })
})

test.each([
  '',
  'login',
  './login',
  '//other.test',
  '/..//other.test',
  'https://other.test/login',
  '/login#form',
  5,
  null,
])('a guard refuses %j as the path of a login page', (redirect) => {
  for (const guard of [ofExpress.requireUser, ofExpress.requireFresh]) {
    const options = guard === ofExpress.requireFresh ? { within: '10m', redirect } : { redirect }
    expect(() => guard(options as Any)).toThrow(refusal('redirect must be the path of the login page; got'))
  }
})

test.each(['/login', '/login?from=guard', '/вход', '/?page=login'])('and takes %j', (redirect) => {
  ofExpress.requireUser({ redirect })
})

test('requireUser of fetch takes options that are left out', async () => {
  const route = ofFetch.withSession(
    sessions,
    (ofFetch.requireUser as Any)(undefined, () => new Response('in')),
  )
  expect((await route(new Request('http://localhost/'))).status).toBe(401)
})

describe('a guard that is mounted without being called says so', () => {
  const told = 'A request was given in place of the options: call what you mount'

  test.each([ofExpress.requireUser, ofExpress.requireFresh])('$name of Express', async (guard) => {
    const app = express()
    app.use(ofExpress.session(sessions), guard as Any)
    app.use(((error, _req, res, _next) => {
      res.json({ code: error.code, message: error.message })
    }) satisfies express.ErrorRequestHandler)
    const { body } = await request(app).get('/')
    expect(body).toMatchObject({ code: 'invalid_option', message: expect.stringContaining(told) })
  })

  test('of Fastify, Koa and Hono', async () => {
    const fastify = Fastify()
    await fastify.register(ofFastify.session, { sessions })
    fastify.get('/', { onRequest: ofFastify.requireUser as Any }, () => 'in')
    expect((await fastify.inject('/')).json().message).toContain(told)

    const koa = new Koa()
    koa.use((ctx, next) => next().catch((error: Error) => Object.assign(ctx, { status: 500, body: error.message })))
    koa.use(ofKoa.session(sessions)).use(ofKoa.requireUser as Any)
    expect((await request(koa.callback()).get('/')).text).toContain(told)

    const hono = new Hono()
    hono.onError((error, c) => c.text(error.message, 500))
    hono.use(ofHono.session(sessions)).use(ofHono.requireUser as Any)
    expect(await (await hono.request('http://localhost/')).text()).toContain(told)
  })
})

test('a session that is not there, since nothing was mounted, is told as such', () => {
  expect(() => sessions.status(undefined as Any)).toThrow(
    expect.objectContaining({
      code: 'invalid_value',
      message: expect.stringMatching(/^Expected a session .*; got undefined$/),
    }),
  )
})

test.each([ofExpress, ofFastify, ofKoa, ofHono])(
  'requireFresh() without its options names the one it needs',
  (adapter) => {
    expect(() => (adapter.requireFresh as Any)()).toThrow(refusal('within must be a positive number of milliseconds'))
  },
)

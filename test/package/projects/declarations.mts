// Compiled by package.test.ts, not run: a library that exports what each function returns, with no annotation.
import type { Request } from 'express'
import type { FastifyRequest } from 'fastify'
import type { Context as HonoContext } from 'hono'
import type { Context as KoaContext } from 'koa'
import { createSessions, type SessionsOptions } from 'sojourn'
import { sessionClient } from 'sojourn/client'
import { adapterChecks } from 'sojourn/conformance/adapter'
import { storeChecks } from 'sojourn/conformance/store'
import { doctor } from 'sojourn/doctor'
import * as onExpress from 'sojourn/express'
import dropIn, * as dropInParts from 'sojourn/express-session'
import * as onFastify from 'sojourn/fastify'
import * as onFetch from 'sojourn/fetch'
import * as onHono from 'sojourn/hono'
import * as onKoa from 'sojourn/koa'
import * as onNode from 'sojourn/node'
import { type CookieStoreOptions, cookieStore } from 'sojourn/stores/cookie'
import { dynamodbStore } from 'sojourn/stores/dynamodb'
import { encrypted } from 'sojourn/stores/encrypted'
import { firestoreStore } from 'sojourn/stores/firestore'
import { memcachedStore } from 'sojourn/stores/memcached'
import { memoryStore } from 'sojourn/stores/memory'
import { migrating } from 'sojourn/stores/migrating'
import { mongodbStore } from 'sojourn/stores/mongodb'
import { mysqlStore } from 'sojourn/stores/mysql'
import { openStore } from 'sojourn/stores/open'
import { postgresStore } from 'sojourn/stores/postgres'
import { redisStore } from 'sojourn/stores/redis'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { socketSessions } from 'sojourn/websocket'

declare const some: { readonly [name: string]: never }

export const sessions = createSessions()
export const { load, commit, status, create, list, end, endAll, follow, sweep, close, on } = sessions
export const session = await load({})
export const { signIn, signOut, save, reload, regenerate, destroy, touch, update, take } = session
export const toldStatus = status(session)
export const page = await list()
export const created = await create()
export const named = (options: SessionsOptions) => ({ ...options, name: 'account' })

export const client = sessionClient({ status: '/session' })
export const { refresh, changed } = client
export const checksOfAdapter = adapterChecks(some.options)
export const checksOfStore = storeChecks(some.options)
export const findings = await doctor(sessions)
export const examine = doctor.bind(null, sessions)

export const expressSession = onExpress.session(sessions)
export const expressUser = onExpress.requireUser()
export const expressFresh = onExpress.requireFresh({ within: '10m' })
export const expressPath = onExpress.returnPath.bind(null)

export const fastifySession = onFastify.session
export const fastifyUser = onFastify.requireUser()
export const fastifyFresh = onFastify.requireFresh({ within: '10m' })
export const fastifyOptions = (options: onFastify.SessionPluginOptions) => ({ ...options, prefix: '/' })
export const sessionInFastify = (request: FastifyRequest) => request.session

export const fetchHandler = onFetch.withSession(sessions, () => new Response())
export const fetchUser = onFetch.requireUser({}, () => new Response())
export const fetchFresh = onFetch.requireFresh({ within: '10m' }, () => new Response())

export const honoSession = onHono.session(sessions)
export const honoUser = onHono.requireUser()
export const honoFresh = onHono.requireFresh({ within: '10m' })
export const sessionInHono = (c: HonoContext) => c.var.session

export const koaSession = onKoa.session(sessions)
export const koaUser = onKoa.requireUser()
export const koaFresh = onKoa.requireFresh({ within: '10m' })
export const sessionInKoa = (ctx: KoaContext) => ctx.session

export const nodeHandler = onNode.withSession(sessions, (_req, res) => res.end())
export const nodeUser = onNode.requireUser({}, (_req, res) => res.end())
export const nodeFresh = onNode.requireFresh({ within: '10m' }, (_req, res) => res.end())

export const sockets = socketSessions(sessions)
export const { upgrade, socketIo, sessionOf } = sockets

export const cookies = cookieStore({ secrets: [] })
export const rotated = (options: CookieStoreOptions) => ({ ...options, maxBytes: 2000 })
export const dynamodb = dynamodbStore(some.options)
export const sealed = encrypted(some.store, { secrets: [] })
export const firestore = firestoreStore(some.options)
export const memcached = memcachedStore(some.options)
export const memory = memoryStore()
export const moving = migrating(some.options)
export const mongodb = mongodbStore(some.options)
export const mysql = mysqlStore(some.options)
export const opened = await openStore('memory:')
export const postgres = postgresStore(some.options)
export const redis = redisStore(some.options)
export const sqlite = sqliteStore('sessions.db')

export const expressSessionOfOurs = dropIn
export const dropInSession = dropIn({ secret: 'keyboard cat' })
export const dropInOptions = (options: dropInParts.SessionOptions) => ({ ...options, resave: false })
export const { Cookie, MemoryStore, Session, Store } = dropIn
export const cookie = new dropIn.Cookie()
export const records = new dropIn.MemoryStore()
export const connectStore = dropInParts.toConnectStore(memory)
export const engineStore = dropInParts.fromConnectStore(some.store)
export const fromExpressSession = dropInParts.expressSessionCookie(some.options)
export const fromCookieSession = dropInParts.cookieSessionCookie(some.options)
export const mounted = (request: Request) => [request.session, request.sessionStore] as const
export class OwnStore extends dropIn.MemoryStore {}

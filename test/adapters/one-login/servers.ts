/** One small app on each framework, and one for sockets, as a company may run them side by side behind one host name. */
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { Server as SocketIoServer } from 'socket.io'
import type { Sessions } from 'sojourn'
import { session as expressSession } from 'sojourn/express'
import { session as fastifySession } from 'sojourn/fastify'
import { session as honoSession } from 'sojourn/hono'
import { session as koaSession } from 'sojourn/koa'
import { socketSessions } from 'sojourn/websocket'
import { WebSocketServer } from 'ws'

/** A server that does not listen yet. */
type Making = (sessions: Sessions) => Server | Promise<Server>

/** Those on which one can sign in: `GET /` answers who is, `POST /login` signs Ann in, `POST /logout` ends it. */
export const sites = {
  express(sessions) {
    const app = express()
    app.use(expressSession(sessions))
    app.get('/', (req, res) => void res.send(req.session.userId ?? 'nobody'))
    app.post('/login', (req, res) => {
      req.session.signIn('ann')
      res.send('welcome')
    })
    app.post('/logout', (req, res) => {
      req.session.signOut()
      res.send('goodbye')
    })
    return createServer(app)
  },

  async fastify(sessions) {
    const app = Fastify()
    await app.register(fastifySession, { sessions })
    app.get('/', ({ session }) => session.userId ?? 'nobody')
    app.post('/login', ({ session }) => {
      session.signIn('ann')
      return 'welcome'
    })
    app.post('/logout', ({ session }) => {
      session.signOut()
      return 'goodbye'
    })
    await app.ready()
    return app.server
  },

  koa(sessions) {
    const app = new Koa()
    app.use(koaSession(sessions))
    app.use((ctx) => {
      if (ctx.path === '/login') ctx.session.signIn('ann')
      if (ctx.path === '/logout') ctx.session.signOut()
      ctx.body = ctx.session.userId ?? 'nobody'
    })
    return createServer(app.callback())
  },

  hono(sessions) {
    const app = new Hono()
    app.use(honoSession(sessions))
    app.get('/', (c) => c.text(c.var.session.userId ?? 'nobody'))
    app.post('/login', (c) => {
      c.var.session.signIn('ann')
      return c.text('welcome')
    })
    app.post('/logout', (c) => {
      c.var.session.signOut()
      return c.text('goodbye')
    })
    return createServer(getRequestListener(app.fetch))
  },
} satisfies Record<string, Making>

/** Sockets of `ws` at `/`, and of Socket.IO at `/socket.io/`. Each tells who is there, to those who are signed in. */
export function socketServer(sessions: Sessions): Server {
  const sockets = socketSessions(sessions, { requireUser: true })
  const webSockets = new WebSocketServer({ noServer: true })
  webSockets.on('connection', (socket, request) => socket.send(sockets.sessionOf(request).userId ?? 'nobody'))
  const upgrade = sockets.upgrade(webSockets)
  const server = createServer()
  const io = new SocketIoServer(server, { serveClient: true, destroyUpgrade: false })
  io.use((socket, next) => sockets.socketIo(socket, next))
  io.on('connection', (socket) => void socket.emit('user', socket.data.session.userId))
  server.on('upgrade', (request, socket, head) => {
    if (!request.url?.startsWith('/socket.io/')) upgrade(request, socket, head)
  })
  return server
}

import { createServer } from 'node:http'
import express from 'express'
import request from 'supertest'
import { expect, test } from 'vitest'
import { switchableStore } from '../../../test/adapters/switchable-store.js'
import type { Session } from '../../core/session.js'
import { createSessions } from '../../core/sessions.js'
import { memoryStore } from '../../stores/memory.js'
import { session } from '../express.js'
import { withSession } from '../node.js'

// JavaScript looks a method up before it evaluates what it is given: by then `end` is Node's own, unless hooked before.
test('a session that changes in the very arguments of end is saved before it is seen', async () => {
  const store = switchableStore()
  const view = (session: Session) => {
    session.views = 1
    return 'seen'
  }
  const app = express()
  app.use(session({ store }))
  app.get('/', (req, res) => void res.end(view(req.session)))
  const server = createServer(withSession({ store }, (_req, res, session) => res.end(view(session))))
  for (const listener of [app, server]) {
    const response = await request(listener).get('/').set('Host', 'localhost').buffer()
    expect([response.status, response.text]).toEqual([200, 'seen'])
    expect(response.headers['set-cookie']).toHaveLength(1)
  }
})

test('what changes after the end is saved by itself', async () => {
  const sessions = createSessions<{ late: number }>({ store: memoryStore() })
  const { cookie } = await sessions.create()
  const finishLater = (session: Session) => setTimeout(() => Object.assign(session, { late: 1 }), 20)
  const app = express()
  app.use(session(sessions))
  app.get('/', (req, res) => {
    res.end('seen')
    finishLater(req.session)
  })
  await request(app).get('/').set('Cookie', cookie)
  await expect.poll(async () => (await sessions.load({ cookie })).late).toBe(1)
})

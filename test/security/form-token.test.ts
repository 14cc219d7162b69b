import { csrfSync } from 'csrf-sync'
import express from 'express'
import { expect, test } from 'vitest'
import { session } from '../../src/adapters/express.js'
import { createSessions } from '../../src/core/sessions.js'
import { memoryStore } from '../../src/stores/memory.js'
import { listen } from '../adapters/routes/listen.js'
import { browser } from './browser.js'

declare module '../../src/core/session.js' {
  interface SessionData {
    formToken: string
  }
}

test('a token in each form: a form without it, or with another visitor’s, changes nothing', async () => {
  const { csrfSynchronisedProtection, generateToken } = csrfSync({
    getTokenFromState: (req) => req.session.formToken,
    getTokenFromRequest: (req) => req.body?._csrf,
    storeTokenInState: (req, token) => {
      req.session.formToken = token as string
    },
  })
  const app = express()
  app.use(express.urlencoded(), session(createSessions({ store: memoryStore() })), csrfSynchronisedProtection)
  app.get('/form', (req, res) => void res.send(generateToken(req)))
  app.post('/login', (req, res) => {
    req.session.signIn('alice')
    res.send('welcome')
  })
  app.post('/change', (req, res) => void res.send(`changed for ${req.session.userId}`))
  app.use(((error, _req, res, _next) => void res.status(error.status).end()) as express.ErrorRequestHandler)
  const { port, close } = await listen(app)

  const alice = browser(port)
  const mallory = browser(port)
  const post = (path: string, token: string) =>
    alice.send('POST', path, { 'content-type': 'application/x-www-form-urlencoded' }, `_csrf=${token}`)
  const { body: token } = await alice.send('GET', '/form')
  const { body: another } = await mallory.send('GET', '/form')
  expect(token).toMatch(/^\w{64,}$/)
  expect((await post('/login', token)).body).toBe('welcome')
  expect(await post('/change', token)).toMatchObject({ status: 200, body: 'changed for alice' })
  expect((await post('/change', another)).status).toBe(403)
  expect((await post('/change', '')).status).toBe(403)
  await close()
})

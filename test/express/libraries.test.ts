import { createRequire } from 'node:module'
import { setTimeout as delay } from 'node:timers/promises'
import flash from 'connect-flash'
import express, { type Express } from 'express'
import passport from 'passport'
import { Strategy } from 'passport-local'
import request from 'supertest'
import { describe, expect, test } from 'vitest'
import { session } from '../../src/adapters/express.js'
import { createSessions } from '../../src/core/sessions.js'
import type { SessionStore } from '../../src/core/store.js'
import { memoryStore } from '../../src/stores/memory.js'

// Libraries that were written for express-session, on the engine.

declare module '../../src/core/session.js' {
  interface SessionData {
    cart: string[]
  }
}

const express4: typeof express = createRequire(import.meta.url)('express4')
const versions = { 'Express 5': express, 'Express 4': express4 }

describe.each(Object.entries(versions))('%s', (_name, framework) => {
  function app(): { app: Express; sessions: ReturnType<typeof createSessions> } {
    const sessions = createSessions({ store: memoryStore() })
    const app = framework()
    app.use(session(sessions))
    return { app, sessions }
  }

  test('passport signs in and out, and keeps a guest’s values where asked', async () => {
    const { app: server, sessions } = app()
    const authenticator = new passport.Passport()
    authenticator.use(
      new Strategy((username, password, done) => done(null, password === 'right' ? { id: username } : false)),
    )
    authenticator.serializeUser((user, done) => done(null, (user as { id: string }).id))
    authenticator.deserializeUser((id: string, done) => done(null, { id }))
    server.use(framework.urlencoded({ extended: false }), authenticator.initialize(), authenticator.session())
    server.post('/cart', (req, res) => {
      req.session.cart = ['book']
      res.end()
    })
    server.post('/login', authenticator.authenticate('local', { keepSessionInfo: true }), (_req, res) => res.send('in'))
    server.post('/forget', authenticator.authenticate('local'), (_req, res) => res.send('in'))
    server.post('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.send('out'))))
    server.get('/', (req, res) => {
      res.json({ user: req.user ?? null, cart: req.session.cart ?? null })
    })

    const browser = request.agent(server)
    const credentials = 'username=alice&password=right'
    await browser.post('/cart')
    const guest = (await sessions.list()).sessions[0]?.id
    expect((await browser.post('/login').send('username=alice&password=wrong')).status).toBe(401)
    expect((await browser.post('/login').send(credentials)).text).toBe('in')
    expect((await browser.get('/')).body).toEqual({ user: { id: 'alice' }, cart: ['book'] })
    expect((await sessions.list()).sessions.map(({ id }) => id)).not.toContain(guest)
    expect((await browser.post('/logout')).text).toBe('out')
    expect((await browser.get('/')).body).toEqual({ user: null, cart: null })
    await browser.post('/cart')
    await browser.post('/forget').send(credentials)
    expect((await browser.get('/')).body).toEqual({ user: { id: 'alice' }, cart: null })
  })

  test.each([0, 5])(
    'passport signs in and out also where its answer does not wait (a store that takes %i ms)',
    async (ms) => {
      const memory = memoryStore()
      const slow = {
        ...memory,
        patch: async (...given: Parameters<SessionStore['patch']>) => delay(ms).then(() => memory.patch(...given)),
        delete: async (id: string) => delay(ms).then(() => memory.delete(id)),
        create: async (...given: Parameters<SessionStore['create']>) => delay(ms).then(() => memory.create(...given)),
      }
      const server = framework()
      server.use(session(createSessions({ store: ms ? slow : memory })))
      const authenticator = new passport.Passport()
      authenticator.serializeUser((user, done) => setTimeout(done, 1, null, (user as { id: string }).id))
      authenticator.deserializeUser((id: string, done) => done(null, { id }))
      server.use(authenticator.initialize(), authenticator.session())
      const told: unknown[] = []
      server.post('/cart', (req, res) => {
        req.session.cart = ['book']
        res.end()
      })
      server.post('/login', (req, res) => {
        req.login({ id: 'alice' }, (error) => (error ? res.send(error.code) : res.send('in')))
      })
      server.post('/logout', (req, res) => {
        req.logout((error) => told.push(error))
        res.redirect('/')
      })
      server.get('/', (req, res) => {
        res.json(req.user ?? null)
      })
      const browser = request.agent(server)
      await browser.post('/cart')
      expect((await browser.post('/login')).text).toBe('in')
      await browser.post('/logout')
      await expect.poll(() => told.length).toBe(1)
      expect((await browser.get('/')).body).toBe(null)
    },
  )

  test('connect-flash shows a message once', async () => {
    const { app: server } = app()
    server.use(flash())
    server.post('/save', (req, res) => {
      ;(req as unknown as { flash(type: string, text: string): void }).flash('info', 'Saved')
      res.redirect('/')
    })
    server.get('/', (req, res) => {
      res.json((req as unknown as { flash(type: string): string[] }).flash('info'))
    })
    const browser = request.agent(server)
    await browser.post('/save')
    expect((await browser.get('/')).body).toEqual(['Saved'])
    expect((await browser.get('/')).body).toEqual([])
  })
})

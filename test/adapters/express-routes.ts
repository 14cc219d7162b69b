import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type express from 'express'
import { session } from '../../src/adapters/express.js'
import type { Sessions } from '../../src/core/sessions.js'
import { manyParts, twoCookies } from './served.js'

declare module '../../src/core/session.js' {
  interface SessionData {
    views: number
  }
}

/** The routes of the adapter checks, as an Express user writes them. */
export function expressRoutes(framework: typeof express, sessions: Sessions): express.Express {
  const app = framework()
  app.set('env', 'test')
  app.use(session(sessions))

  const view: express.RequestHandler = (req, _res, next) => {
    req.session.views = (req.session.views ?? 0) + 1
    next()
  }
  const views: express.RequestHandler = (req, res) => void res.send(String(req.session.views))

  app.get('/plain', (_req, res) => void res.send('plain'))
  app.get('/look', (req, res) => void res.send(String(req.session.views ?? 0)))
  app.get('/me', (req, res) => void res.send(req.session.userId ?? 'nobody'))
  app.get('/values', (req, res) => void res.json({ ...req.session }))
  app.get('/views', view, views)
  app.get('/set/:name', (req, res) => {
    Object.assign(req.session, { [req.params.name]: req.params.name })
    res.send(req.params.name)
  })
  app.post('/login', (req, res) => {
    req.session.signIn('ann')
    res.send('welcome')
  })
  app.post('/logout', (req, res) => {
    req.session.destroy()
    res.redirect('/plain')
  })
  app.get('/redirect', (req, res) => {
    Object.assign(req.session, { redirected: 'yes' })
    res.redirect('/values')
  })
  app.get('/page', view, (_req, res) => {
    res.set('ETag', '"page"').set('Cache-Control', 'public, max-age=60').send('page')
  })
  app.get('/cookies', view, (_req, res) => {
    res.setHeader('Set-Cookie', twoCookies)
    res.send('cookies')
  })
  app.get('/empty', view, (_req, res) => void res.sendStatus(204))
  app.get('/unmodified', view, (_req, res) => void res.status(304).end())
  app.get('/stream', view, (_req, res) => void Readable.from(manyParts()).pipe(res))
  app.get('/late', async (req, res) => {
    res.write('first ')
    await sleep(5)
    Object.assign(req.session, { late: 'yes' })
    res.end('second')
  })
  app.get('/slow', (_req, _res, next) => setTimeout(next, 50), view, views)
  app.get('/throw', view, () => {
    throw new Error('thrown')
  })
  app.get('/break', view, (_req, res) => {
    res.write('first')
    throw new Error('thrown after the first part')
  })
  app.post('/upload', async (req, res) => {
    let bytes = 0
    try {
      for await (const chunk of req) bytes += chunk.length
    } catch {
      return
    }
    Object.assign(req.session, { bytes })
    res.send(String(bytes))
  })
  app.get('/hints', view, (req, res) => {
    res.writeEarlyHints({ link: '</style.css>; rel=preload' })
    res.send(String(req.session.views))
  })
  app.get('/trailers', view, (_req, res) => {
    res.setHeader('Trailer', 'X-Sum')
    res.write('body')
    res.addTrailers({ 'X-Sum': '1' })
    res.end()
  })
  return app
}

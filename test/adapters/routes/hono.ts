import { setTimeout as delay } from 'node:timers/promises'
import { type Context, Hono } from 'hono'
import { session } from '../../../src/adapters/hono.js'
import type { Sessions } from '../../../src/core/sessions.js'
import { breakingParts, lateParts, manyParts, streamOf } from './parts.js'

/** The routes of the kit, on Hono. */
export function honoRoutes(sessions: Sessions) {
  const app = new Hono()
  app.use(session(sessions))
  const view = (c: Context) => {
    const { session } = c.var
    session.views = (session.views ?? 0) + 1
    return String(session.views)
  }

  app.get('/plain', (c) => c.text('plain'))
  app.get('/look', (c) => c.text(String(c.var.session.views ?? 0)))
  app.get('/me', (c) => c.text(c.var.session.userId ?? 'nobody'))
  app.get('/values', (c) => c.json({ ...c.var.session }))
  app.get('/views', (c) => c.text(view(c)))
  app.get('/set/:name', (c) => {
    const name = c.req.param('name')
    Object.assign(c.var.session, { [name]: name })
    return c.text(name)
  })
  app.post('/login', (c) => {
    c.var.session.signIn('ann')
    return c.text('welcome')
  })
  app.post('/logout', (c) => {
    c.var.session.destroy()
    return c.redirect('/plain')
  })
  app.get('/redirect', (c) => {
    c.var.session.redirected = 'yes'
    return c.redirect('/values')
  })
  app.get('/page', (c) => {
    view(c)
    c.header('ETag', '"page"')
    return c.text('page', 200, { 'Cache-Control': 'public, max-age=60' })
  })
  app.get('/cookies', (c) => {
    view(c)
    c.header('Set-Cookie', 'first=1', { append: true })
    c.header('Set-Cookie', 'second=2', { append: true })
    return c.text('cookies')
  })
  app.get('/empty', (c) => {
    view(c)
    return c.body(null, 204)
  })
  app.get('/unmodified', (c) => {
    view(c)
    return c.body(null, 304)
  })
  app.get('/stream', (c) => {
    view(c)
    return c.body(streamOf(manyParts()))
  })
  app.get('/late', (c) => c.body(streamOf(lateParts(c.var.session))))
  app.get('/slow', async (c) => {
    await delay(50)
    return c.text(view(c))
  })
  app.get('/throw', (c) => {
    view(c)
    throw new Error('thrown on purpose')
  })
  app.get('/break', (c) => {
    view(c)
    return c.body(streamOf(breakingParts()))
  })
  app.post('/upload', async (c) => {
    const { byteLength } = await c.req.arrayBuffer()
    c.var.session.bytes = byteLength
    return c.text(String(byteLength))
  })
  return app
}

import express from 'express'
import { Hono } from 'hono'
import { createSessions, type Sessions } from 'sojourn'
import { session } from 'sojourn/express'
import { session as honoSession } from 'sojourn/hono'
import { memoryStore } from 'sojourn/stores/memory'
import { beforeEach, describe, expect, test } from 'vitest'
import { serve } from '../harness/http.js'

type Ask = (path: string, headers?: Record<string, string>) => Promise<Response>

let apps: Sessions
let browsers: Sessions

beforeEach(() => {
  const store = memoryStore()
  browsers = createSessions({ store })
  apps = createSessions({ store, transport: { header: 'authorization' } })
})

async function onExpress(): Promise<Ask> {
  const app = express()
  app.use('/api', session(apps))
  app.use('/site', session(browsers))
  app.get('/:where/login', (req, res) => {
    req.session.signIn('ann')
    res.send('welcome')
  })
  app.get('/:where/me', (req, res) => void res.send(req.session.userId ?? 'nobody'))
  const port = await serve(app)
  return (path, headers = {}) => fetch(`http://localhost:${port}${path}`, { headers })
}

async function onHono(): Promise<Ask> {
  const app = new Hono()
  app.use('/api/*', honoSession(apps))
  app.use('/site/*', honoSession(browsers))
  app.get('/:where/login', (c) => {
    c.var.session.signIn('ann')
    return c.text('welcome')
  })
  app.get('/:where/me', (c) => c.text(c.var.session.userId ?? 'nobody'))
  return async (path, headers = {}) => app.request(`http://localhost${path}`, { headers })
}

describe.each([
  ['Express', onExpress],
  ['Hono', onHono],
])('browsers and apps on different paths of one app, with %s', (_name, begin) => {
  test('each brings its token in its own way, and one account has them all', async () => {
    const ask = await begin()
    const me = async (path: string, headers: Record<string, string>) => (await ask(path, headers)).text()

    const inBrowser = await ask('/site/login')
    const cookie = inBrowser.headers.getSetCookie()[0]?.split(';', 1)[0] ?? ''
    expect(cookie).toMatch(/^session=[\w-]{64}$/)
    expect(inBrowser.headers.get('session-token')).toBeNull()
    const inApp = await ask('/api/login')
    const authorization = `Bearer ${inApp.headers.get('session-token')}`
    expect(authorization).toMatch(/^Bearer [\w-]{64}$/)
    expect(inApp.headers.getSetCookie()).toEqual([])

    expect([await me('/site/me', { cookie }), await me('/api/me', { authorization })]).toEqual(['ann', 'ann'])
    expect([await me('/api/me', { cookie }), await me('/site/me', { authorization })]).toEqual(['nobody', 'nobody'])

    expect((await browsers.list({ userId: 'ann' })).sessions).toHaveLength(2)
    expect(await browsers.endAll('ann')).toBe(2)
    expect([await me('/site/me', { cookie }), await me('/api/me', { authorization })]).toEqual(['nobody', 'nobody'])
  })
})

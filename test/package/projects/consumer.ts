// Compiled by package.test.ts, not run: what a user writes, with no cast.
import express from 'express'
import { createSessions, type SessionStore, SojournError } from 'sojourn'
import { session } from 'sojourn/express'
import { type CookieStore, cookieStore } from 'sojourn/stores/cookie'
import { memoryStore } from 'sojourn/stores/memory'

declare module 'sojourn' {
  interface SessionData {
    views: number
  }
}

const store: SessionStore = memoryStore({ maxSessions: 10 })
const sessions = createSessions({ store, lifetime: { idle: '2h', absolute: '30d' } })

export function sealed(secrets: string): CookieStore {
  return cookieStore({ secrets })
}

const app = express()
app.use(session(sessions))
app.get('/', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  const user: string | null = req.session.userId
  // @ts-expect-error: views is a number
  req.session.views = 'one'
  res.send(`${req.session.views} ${user}`)
})
app.post('/login', async (req, res) => {
  req.session.signIn(1, { remember: true, method: 'password' })
  const views: number = await req.session.update('views', (count = 0) => count + 1)
  const taken: number | undefined = await req.session.take('views')
  await req.session.save()
  // @ts-expect-error: names of the session itself cannot be assigned
  req.session.userId = 'somebody'
  res.json([views, taken, req.session.authenticatedAt])
})
app.post('/logout', async (req, res) => {
  req.session.destroy()
  res.redirect('/')
})

export function isOutage(error: unknown): boolean {
  return error instanceof SojournError && error.code === 'store_unavailable'
}

import express from 'express'
import { createSessions, type SessionStore } from 'sojourn'
import { session } from 'sojourn/express'
import { expressSessionCookie, fromConnectStore, type Store, toConnectStore } from 'sojourn/express-session'
import { migrating } from 'sojourn/stores/migrating'

declare module 'sojourn' {
  interface SessionData {
    views: number
    cart: { book: string; copies: number }[]
  }
}

export function app({ oldStore, newStore }: { oldStore: Store; newStore: SessionStore }, cookieName = 'session') {
  const sessions = createSessions({
    store: newStore,
    cookie: { name: cookieName },
    accept: expressSessionCookie({
      secret: 'keyboard cat',
      store: toConnectStore(migrating({ from: fromConnectStore(oldStore), to: newStore })),
      userId: (old) => old.user as string | undefined,
    }),
  })
  const app = express()
  app.use(session(sessions))
  app.get('/login/:user', (req, res) => {
    req.session.signIn(req.params.user)
    res.redirect('/')
  })
  app.get('/buy/:book', (req, res) => {
    req.session.cart = [...(req.session.cart ?? []), { book: req.params.book, copies: 1 }]
    res.redirect('/')
  })
  app.get('/logout', (req, res) => {
    req.session.destroy()
    res.redirect('/')
  })
  app.get('/', (req, res) => {
    req.session.views = (req.session.views ?? 0) + 1
    res.json({ user: req.session.userId, views: req.session.views, cart: req.session.cart ?? [] })
  })
  return app
}

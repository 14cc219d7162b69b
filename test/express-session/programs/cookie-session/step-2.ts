import express from 'express'
import { createSessions, type SessionStore } from 'sojourn'
import { session } from 'sojourn/express'

declare module 'sojourn' {
  interface SessionData {
    views: number
    cart: { book: string; copies: number }[]
  }
}

export function app({ store }: { store: SessionStore }) {
  const sessions = createSessions({ store, cookie: { name: 'visit' } })
  const app = express()
  app.use(session(sessions))
  app.get('/login/:user', (req, res) => {
    req.session.signIn(req.params.user, { remember: true })
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

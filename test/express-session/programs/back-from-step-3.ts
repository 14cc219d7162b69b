import express from 'express'
import type { SessionStore } from 'sojourn'
import session, { fromConnectStore, type Store, toConnectStore } from 'sojourn/express-session'
import { migrating } from 'sojourn/stores/migrating'

declare module 'sojourn/express-session' {
  interface SessionData {
    user: string
    views: number
    cart: { book: string; copies: number }[]
  }
}

export function app({ oldStore, newStore }: { oldStore: Store; newStore: SessionStore }) {
  const store = toConnectStore(migrating({ from: newStore, to: fromConnectStore(oldStore) }))
  const app = express()
  app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: false, store }))
  app.get('/login/:user', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      req.session.user = req.params.user
      req.session.save((error) => (error ? next(error) : res.redirect('/')))
    })
  })
  app.get('/buy/:book', (req, res, next) => {
    req.session.cart = [...(req.session.cart ?? []), { book: req.params.book, copies: 1 }]
    req.session.save((error) => (error ? next(error) : res.redirect('/')))
  })
  app.get('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.redirect('/')))
  })
  app.get('/', (req, res) => {
    req.session.views = (req.session.views ?? 0) + 1
    res.json({ user: req.session.user ?? null, views: req.session.views, cart: req.session.cart ?? [] })
  })
  return app
}

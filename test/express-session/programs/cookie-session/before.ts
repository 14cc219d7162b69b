import cookieSession from 'cookie-session'
import express from 'express'

export function app() {
  const app = express()
  app.use(cookieSession({ keys: ['keyboard cat'], maxAge: 86_400_000 }))
  app.get('/login/:user', (req, res) => {
    req.session = { ...req.session, user: req.params.user }
    res.redirect('/')
  })
  app.get('/buy/:book', (req, res) => {
    req.session ??= {}
    req.session.cart = [...(req.session.cart ?? []), { book: req.params.book, copies: 1 }]
    res.redirect('/')
  })
  app.get('/logout', (req, res) => {
    req.session = null
    res.redirect('/')
  })
  app.get('/', (req, res) => {
    req.session ??= {}
    req.session.views = (req.session.views ?? 0) + 1
    res.json({ user: req.session.user ?? null, views: req.session.views, cart: req.session.cart ?? [] })
  })
  return app
}

const express = require('express')
const session = require('express-session')

const app = express()

app.use(session({ secret: "Shh, it's a secret!", resave: true, saveUninitialized: true }))

app.get('/', (req, res) => {
  if (req.session.views) {
    req.session.views++
    res.send('Number of views ' + req.session.views)
  } else {
    req.session.views = 1
    res.send('Welcome to this page for the first time!')
  }
})

app.get('/cart/:item', (req, res) => {
  if (!req.session.cart) req.session.cart = { items: [], owner: { name: { first: 'Ada' } } }
  req.session.cart.items.push({ item: req.params.item, tags: [['new']] })
  req.session.cart.owner.name.last = 'Lovelace'
  res.redirect('/cart')
})

app.get('/cart', (req, res) => {
  res.json(req.session.cart)
})

const server = app.listen(process.env.PORT, '127.0.0.1', () =>
  console.log('Server running on ' + server.address().port),
)

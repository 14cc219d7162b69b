import express = require('express')
import session = require('sojourn/express-session')

class OwnStore extends session.MemoryStore {}

const store: session.Store = new OwnStore()
const app = express()
app.use(session({ secret: 'x', store, resave: false, saveUninitialized: false }))
app.get('/', (req, res) => {
  req.session.cookie.maxAge = 1000
  res.json(new session.Cookie({ maxAge: 5 }).serialize('name', 'value'))
})

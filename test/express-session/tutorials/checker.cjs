const express = require('express')
const session = require('express-session')
const cookieParser = require('cookie-parser')

const app = express()
const users = []

app.use(express.urlencoded({ extended: true }))
app.use(cookieParser())
app.use(session({ secret: 'Your secret key', resave: false, saveUninitialized: false, cookie: { maxAge: 60000 } }))

function checkSignIn(req, res, next) {
  if (req.session.user) {
    next()
  } else {
    res.redirect('/login')
  }
}

app.post('/signup', (req, res) => {
  if (!req.body.id || !req.body.password) {
    res.status(400).send('Invalid details!')
  } else {
    const newUser = { id: req.body.id, password: req.body.password }
    users.push(newUser)
    req.session.user = newUser
    res.redirect('/protected_page')
  }
})

app.get('/login', (req, res) => res.send('Please log in'))

app.post('/login', (req, res) => {
  const user = users.find((one) => one.id === req.body.id && one.password === req.body.password)
  if (!user) return res.send('Invalid username or password')
  req.session.user = user
  res.redirect('/protected_page')
})

app.get('/protected_page', checkSignIn, (req, res) => {
  res.send('Hello ' + req.session.user.id + ', ' + Math.ceil(req.session.cookie.maxAge / 1000) + ' seconds left')
})

app.get('/logout', (req, res) => {
  req.session.destroy(() => {
    console.log('user logged out.')
  })
  res.redirect('/login')
})

const server = app.listen(process.env.PORT, '127.0.0.1', () =>
  console.log('Server running on ' + server.address().port),
)

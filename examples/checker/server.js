import express from 'express'
import { createSessions } from 'sojourn'
import { requireUser, returnPath, session } from 'sojourn/express'
import { html, lastResort, page, stage } from '../stage/page.js'
import { serve } from '../stage/serve.js'
import { signInForm } from '../stage/sign-in-form.js'
import { isPasswordOf } from '../stage/users.js'

const sessions = createSessions({ cookie: { name: 'checker' }, crossOrigin: true, noStore: true })
const app = express()
app.use(stage(), session(sessions))

// Everything below these paths needs a user. A page leads to the login page; a script gets the status 401.
app.use('/orders', requireUser({ redirect: '/login' }))
app.use('/api', requireUser())

app.get('/', (req, res) => {
  const { userId } = req.session
  res.send(
    page({
      title: 'Checker',
      main: html`<h1>${userId === null ? 'Hello, stranger' : `Hello, ${userId}`}</h1>
        <p>Anybody sees this page. The order is for signed-in users.</p>
        <div class="actions">
          <a class="button" href="/orders/17?show=notes">Order 17</a>
          ${userId !== null && html`<form method="post" action="/logout"><button class="second">Log out</button></form>`}
        </div>`,
    }),
  )
})

app.get('/orders/:number', (req, res) => {
  const { number } = req.params
  const { show = 'items' } = req.query
  res.send(
    page({
      title: `Order ${number}`,
      main: html`<h1>Order ${number}</h1>
        <p>Its ${show}, for the eyes of ${req.session.userId}.</p>
        <p><a href="/">Back to the start page</a></p>`,
    }),
  )
})

app.get('/api/orders', (req, res) => {
  res.json({ userId: req.session.userId, orders: [17] })
})

app.get('/login', (req, res) => {
  res.send(loginPage(returnPath(req)))
})

app.post('/login', express.urlencoded({ extended: false }), async (req, res) => {
  const { username, password } = req.body ?? {}
  if (await isPasswordOf(username, password)) {
    req.session.signIn(username)
    res.redirect(303, returnPath(req))
  } else {
    res.status(401).send(loginPage(returnPath(req), { username, failed: true }))
  }
})

app.post('/logout', (req, res) => {
  req.session.signOut()
  res.redirect(303, '/')
})

app.use(lastResort())

/** Hands the way back on in the address: a stranger's wish is not worth a stored session. */
function loginPage(returnTo, tried) {
  const action = `/login?${new URLSearchParams({ returnTo })}`
  return page({
    title: 'Sign in',
    main: html`<h1>Sign in</h1>
      <p class="quiet">Then you come to <code>${returnTo}</code>.</p>
      ${signInForm({ action, ...tried })}`,
  })
}

serve(app, { port: 4002, title: 'Checker', close: sessions.close })

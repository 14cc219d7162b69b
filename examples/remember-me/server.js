import { fileURLToPath } from 'node:url'
import express from 'express'
import { createSessions } from 'sojourn'
import { session } from 'sojourn/express'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { html, lastResort, page, stage, time } from '../stage/page.js'
import { serve } from '../stage/serve.js'
import { signInForm } from '../stage/sign-in-form.js'
import { isPasswordOf } from '../stage/users.js'

const file = process.env.SESSION_FILE || fileURLToPath(new URL('sessions.db', import.meta.url))
const sessions = createSessions({
  store: sqliteStore(file),
  cookie: { name: 'remember-me' },
  lifetime: {
    // Until the browser closes, and no longer than this:
    idle: '1h',
    absolute: '12h',
    // For who asked to be remembered:
    remember: { idle: '30d', absolute: '30d' },
  },
  crossOrigin: true,
  noStore: true,
})

const app = express()
app.use(stage(), session(sessions))

app.get('/', (req, res) => {
  res.send(req.session.userId === null ? loginPage() : welcomePage(req.session))
})

app.post('/login', express.urlencoded({ extended: false }), async (req, res) => {
  const { username, password, remember } = req.body ?? {}
  if (await isPasswordOf(username, password)) {
    req.session.signIn(username, { remember: remember === 'yes' })
    req.session.isRemembered = remember === 'yes'
    res.redirect(303, '/')
  } else {
    res.status(401).send(loginPage({ username, failed: true }))
  }
})

app.post('/logout', (req, res) => {
  req.session.signOut()
  res.redirect(303, '/')
})

app.use(lastResort())

function loginPage(tried) {
  const more = html`<div class="choice">
    <input id="remember" name="remember" type="checkbox" value="yes">
    <label for="remember">Remember me on this device</label>
  </div>`
  return page({
    title: 'Sign in',
    main: html`<h1>Sign in</h1>${signInForm({ action: '/login', more, ...tried })}`,
  })
}

function welcomePage({ userId, isRemembered, expiresAt }) {
  return page({
    title: 'Welcome',
    main: html`<h1>Welcome, ${userId}</h1>
      <p>${isRemembered ? 'This device remembers you for thirty days.' : 'You are signed in until the browser closes.'}</p>
      <p class="quiet">Unused, this ends on ${time(expiresAt)}.</p>
      <div class="actions"><form method="post" action="/logout"><button class="second">Log out</button></form></div>`,
  })
}

serve(app, { port: 4004, title: 'Remember me', notes: [`Sessions: ${file}`], close: sessions.close })

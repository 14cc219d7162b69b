import { fileURLToPath } from 'node:url'
import express from 'express'
import { createSessions } from 'sojourn'
import { requireFresh, requireUser, returnPath, session } from 'sojourn/express'
import { openStore } from 'sojourn/stores/open'
import { lastResort, stage } from '../stage/page.js'
import { serve } from '../stage/serve.js'
import { isPasswordOf } from '../stage/users.js'
import { examples } from './examples.js'
import {
  devicesPage,
  examplesPage,
  logOutPage,
  noDevicesPage,
  profilePage,
  signInPage,
  viewsPage,
  welcomePage,
} from './pages.js'

const file = process.env.SESSION_FILE || fileURLToPath(new URL('sessions.db', import.meta.url))
// SQLite without a server to run; redis://…, postgres://…?migrate=true and so on where it says so.
const storeUrl = process.env.SESSION_STORE || `sqlite:${encodeURIComponent(file)}`
const sessions = createSessions({
  store: await openStore(storeUrl),
  lifetime: { idle: '24h', absolute: '30d' },
  // Other sites' pages can post here as well; a sign-in needs no cookie, so `SameSite` does not keep them out.
  crossOrigin: true,
  // Else the back button would show a signed-in user's pages after they signed out.
  noStore: true,
})

const app = express()
const readForm = express.urlencoded({ extended: false })
app.disable('x-powered-by')
// Whether the visitor came over TLS only the proxy knows. It is believed where it runs on this machine; elsewhere, say its address.
const proxy = process.env.TRUST_PROXY || 'loopback'
app.set('trust proxy', proxy === 'no' ? false : proxy)
app.use(stage())
app.use(session(sessions))

app.get('/', async (req, res) => {
  const { userId } = req.session
  if (userId === null) res.send(signInPage({ returnTo: returnPath(req) }))
  else res.send(welcomePage({ userId, views: await countView(req.session) }))
})

app.post('/user', readForm, async (req, res) => {
  const { username, password } = req.body ?? {}
  if (await isPasswordOf(username, password)) {
    req.session.signIn(username, { method: 'password' })
    res.redirect(303, returnPath(req))
  } else {
    res.status(401).send(signInPage({ returnTo: returnPath(req), username, failed: true }))
  }
})

// Where reloading the answer to a wrong password leads when the browser has forgotten what was posted.
app.get('/user', (_req, res) => res.redirect(303, '/'))

app.get('/logout', (req, res) => {
  if (req.session.userId === null) res.redirect(303, '/')
  else res.send(logOutPage(req.session))
})

app.post('/logout', (req, res) => {
  req.session.signOut()
  res.redirect(303, '/')
})

app.get('/views', async (req, res) => {
  res.send(viewsPage({ views: await countView(req.session), userId: req.session.userId }))
})

app.get('/profile', requireUser({ redirect: '/' }), (req, res) => {
  res.send(profilePage(req.session))
})

/** How long a password counts as just given. */
const fresh = 5 * 60_000

app.get('/devices', requireUser({ redirect: '/' }), (req, res) => showDevices(req, res))

// A sign-in anew: the browser gets another token, and for a while the visitor may end sessions.
app.post('/devices/password', requireUser(), readForm, async (req, res) => {
  if (await isPasswordOf(req.session.userId, req.body?.password)) {
    req.session.signIn(req.session.userId, { method: 'password' })
    res.redirect(303, '/devices')
  } else {
    await showDevices(req, res.status(401), { failed: true })
  }
})

app.get('/devices/password', (_req, res) => res.redirect(303, '/devices'))

app.post('/devices/end', requireFresh({ within: fresh }), readForm, async (req, res) => {
  const { id, userId } = req.session
  const { device } = req.body ?? {}
  // The name of the user keeps a visitor from ending a session of somebody else.
  if (device === undefined) await sessions.endAll(userId, { except: id })
  else if (device !== id) await sessions.end(String(device), { userId })
  res.redirect(303, '/devices')
})

app.use('/devices', (error, req, res, next) => {
  // The page was open for too long, or was signed out by another: it asks for what is missing.
  if (error.status === 401) res.redirect(303, '/devices')
  // Memcached, and a Redis that may drop any key.
  else if (error.code === 'unsupported') res.status(501).send(noDevicesPage(req.session))
  else next(error)
})

app.get('/examples', (req, res) => {
  res.send(examplesPage({ userId: req.session.userId, examples }))
})

app.use(lastResort())

async function showDevices(req, res, { failed = false } = {}) {
  const { id, userId, authenticatedAt } = req.session
  const { after } = req.query
  // As the link to the next page has it. Whatever else somebody typed leads to the first page.
  const isNext = typeof after === 'string' && /^[\w-]{1,128}$/.test(after)
  const { sessions: devices, next } = await sessions.list({ userId, ...(isNext && { after }) })
  const mayEnd = authenticatedAt !== null && Date.now() - authenticatedAt < fresh
  res.send(devicesPage({ id, userId, devices, next, mayEnd, failed }))
}

/** `update` loses no count, however many tabs reload at once. */
function countView(session) {
  return session.update('views', (views = 0) => views + 1)
}

// Only what comes before the first colon: the rest may hold a password.
const place = process.env.SESSION_STORE ? storeUrl.replace(/:.*/s, '') : file
serve(app, { port: 4000, title: 'Login app', notes: [`Sessions: ${place}`], close: sessions.close })

import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { createSessions } from 'sojourn'
import { requireUser, returnPath, session } from 'sojourn/hono'
import { publicFile, safeHeaders } from '../stage/frame.js'
import { serve } from '../stage/serve.js'
import { problemPage, profilePage, signInPage, startPage } from '../stage/small-site.js'
import { isPasswordOf } from '../stage/users.js'

const sessions = createSessions({ cookie: { name: 'hono' }, crossOrigin: true, noStore: true })
const app = new Hono()

app.get('/:file{style\\.css|icon\\.svg|arches\\.svg}', async (c) => {
  const { type, body } = await publicFile(c.req.path)
  return c.body(body, 200, { 'Content-Type': type })
})

app.use(async (c, next) => {
  await next()
  for (const [name, value] of Object.entries(safeHeaders)) c.header(name, value)
})
app.use(bodyLimit({ maxSize: 10_000, onError: (c) => c.html(problemPage(413), 413) }))
app.use(session(sessions))

app.get('/', (c) => {
  const { session } = c.var
  session.views = (session.views ?? 0) + 1
  return c.html(startPage(session))
})
app.get('/profile', requireUser({ redirect: '/login' }), (c) => c.html(profilePage(c.var.session)))
app.get('/login', (c) => c.html(signInPage(returnPath(c))))
app.post('/login', async (c) => {
  const { username, password } = await c.req.parseBody()
  if (await isPasswordOf(username, password)) {
    c.var.session.signIn(username)
    return c.redirect(returnPath(c), 303)
  }
  return c.html(signInPage(returnPath(c), { username, failed: true }), 401)
})
app.post('/logout', (c) => {
  c.var.session.signOut()
  return c.redirect('/', 303)
})

app.notFound((c) => c.html(problemPage(404), 404))
app.onError((error, c) => {
  const { status = 500 } = error
  if (status >= 500) console.error(error)
  return c.html(problemPage(status), status)
})

serve(getRequestListener(app.fetch), { port: 4013, title: 'Hono', close: sessions.close })

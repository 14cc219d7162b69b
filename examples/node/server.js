import { text } from 'node:stream/consumers'
import { createSessions } from 'sojourn'
import { requireUser, returnPath, withSession } from 'sojourn/node'
import { publicFile, safeHeaders } from '../stage/frame.js'
import { serve } from '../stage/serve.js'
import { isSmallForm, problemPage, profilePage, signInPage, startPage } from '../stage/small-site.js'
import { isPasswordOf } from '../stage/users.js'

const sessions = createSessions({ cookie: { name: 'node' }, crossOrigin: true, noStore: true })

const pages = {
  'GET /'(_req, res, session) {
    session.views = (session.views ?? 0) + 1
    show(res, startPage(session))
  },
  'GET /profile': requireUser({ redirect: '/login' }, (_req, res, session) => show(res, profilePage(session))),
  'GET /login': (req, res) => show(res, signInPage(returnPath(req))),
  async 'POST /login'(req, res, session) {
    if (!isSmallForm(req.headers['content-length'])) return show(res, problemPage(413), 413)
    const { username, password } = Object.fromEntries(new URLSearchParams(await text(req)))
    if (await isPasswordOf(username, password)) {
      session.signIn(username)
      res.writeHead(303, { Location: returnPath(req) }).end()
    } else {
      show(res, signInPage(returnPath(req), { username, failed: true }), 401)
    }
  },
  'POST /logout'(_req, res, session) {
    session.signOut()
    res.writeHead(303, { Location: '/' }).end()
  },
}

const answer = withSession(
  sessions,
  (req, res, session) => {
    const page = pages[`${req.method} ${pathOf(req)}`]
    return page ? page(req, res, session) : show(res, problemPage(404), 404)
  },
  {
    onError(error, _req, res) {
      const { status = 500 } = error
      if (status >= 500) console.error(error)
      show(res, problemPage(status), status)
    },
  },
)

async function site(req, res) {
  const file = await publicFile(pathOf(req))
  if (file) res.writeHead(200, { 'Content-Type': file.type }).end(file.body)
  else answer(req, res)
}

function show(res, html, status = 200) {
  res.writeHead(status, { ...safeHeaders, 'Content-Type': 'text/html; charset=utf-8' }).end(html)
}

function pathOf(req) {
  return req.url.split('?', 1)[0]
}

serve(site, { port: 4015, title: 'Node', close: sessions.close })

import { fileURLToPath } from 'node:url'
import express from 'express'
import { createSessions } from 'sojourn'
import { requireUser, returnPath, session } from 'sojourn/express'
import { socketSessions } from 'sojourn/websocket'
import { WebSocketServer } from 'ws'
import { html, lastResort, page, stage } from '../stage/page.js'
import { serve } from '../stage/serve.js'
import { signInPage } from '../stage/small-site.js'
import { isPasswordOf } from '../stage/users.js'

const sessions = createSessions({ cookie: { name: 'websocket' }, crossOrigin: true, noStore: true })
const sockets = socketSessions(sessions, { requireUser: true })
const app = express()
app.use(stage())
app.get('/room.js', (_req, res) => res.sendFile(fileURLToPath(new URL('room.js', import.meta.url))))
app.use(session(sessions))

app.get('/', requireUser({ redirect: '/login' }), (req, res) => {
  // This page may run its script and open its socket as well.
  res.set('Content-Security-Policy', `${res.get('Content-Security-Policy')};script-src 'self';connect-src 'self'`)
  res.send(roomPage(req.session.userId))
})
app.get('/login', (req, res) => void res.send(signInPage(returnPath(req))))
app.post('/login', express.urlencoded({ extended: false }), async (req, res) => {
  const { username, password } = req.body ?? {}
  if (await isPasswordOf(username, password)) {
    req.session.signIn(username)
    res.redirect(303, returnPath(req))
  } else res.status(401).send(signInPage(returnPath(req), { username, failed: true }))
})
app.post('/logout', (req, res) => {
  req.session.signOut()
  res.redirect(303, '/')
})
app.use(lastResort())

const webSockets = new WebSocketServer({ noServer: true, maxPayload: 1000 })
webSockets.on('connection', (socket, request) => {
  const session = sockets.sessionOf(request)
  socket.on('message', async (text) => {
    try {
      const sent = await session.update('sent', (sent = 0) => sent + 1)
      for (const reader of webSockets.clients) reader.send(`${session.userId}, message ${sent}: ${text}`)
    } catch (error) {
      console.error(error)
      socket.close(1011, 'The message could not be counted')
    }
  })
})

serve(app, { port: 4016, title: 'WebSocket', close: sessions.close }).on('upgrade', sockets.upgrade(webSockets))

// A server waits for its sockets before it stops.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const socket of webSockets.clients) socket.close(1001, 'The server stops')
  })
}

function roomPage(userId) {
  return page({
    title: 'Room',
    main: html`<h1>Hello, ${userId}</h1>
      <p class="quiet" role="status" id="status">Connecting …</p>
      <p id="back" hidden><a class="button" href="/"></a></p>
      <form id="say">
        <div class="field">
          <label for="text">Message</label>
          <input id="text" maxlength="200" required autocomplete="off" autofocus>
        </div>
        <button>Send</button>
      </form>
      <div role="log" aria-label="Messages" id="log">
        <p class="hint" id="empty">Nobody has said anything yet.</p>
        <ul class="list" id="messages"></ul>
      </div>
      <form method="post" action="/logout" id="logout"><button class="second">Log out</button></form>
      <script type="module" src="/room.js"></script>`,
  })
}

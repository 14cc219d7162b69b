import express from 'express'
import { createSessions } from 'sojourn'
import { session } from 'sojourn/express'
import { html, lastResort, page, stage } from '../stage/page.js'
import { serve } from '../stage/serve.js'

const sessions = createSessions({ cookie: { name: 'flash' }, crossOrigin: true })
const app = express()
app.use(stage(), session(sessions))

app.get('/', async (req, res) => {
  // Removed as it is read: of a page that loads twice at once, one shows it.
  const notice = await req.session.take('notice')
  const { notes = [] } = req.session
  res.send(
    page({
      title: 'Notes',
      main: html`<h1>Notes</h1>
        ${notice && html`<p class="${notice.isProblem ? 'alert' : 'notice'}" role="status">${notice.text}</p>`}
        <form method="post" action="/notes">
          <div class="field">
            <label for="text">Note</label>
            <input id="text" name="text" maxlength="80" autocomplete="off" autofocus>
          </div>
          <button>Add</button>
        </form>
        ${
          notes.length === 0
            ? html`<p class="hint">No notes yet.</p>`
            : html`<ul class="list">${notes.map((note) => html`<li>${note}</li>`)}</ul>`
        }`,
    }),
  )
})

app.post('/notes', express.urlencoded({ extended: false }), (req, res) => {
  const text = String(req.body?.text ?? '').trim()
  if (text === '' || text.length > 80) {
    req.session.notice = { isProblem: true, text: 'A note has 1 to 80 characters.' }
  } else {
    req.session.notes = [text, ...(req.session.notes ?? [])].slice(0, 10)
    req.session.notice = { isProblem: false, text: `Added “${text}”.` }
  }
  // The answer to a form is an address, so that reloading sends nothing twice. The notice is stored before the browser
  // hears of it.
  res.redirect(303, '/')
})

app.use(lastResort())

serve(app, { port: 4003, title: 'Flash', close: sessions.close })

import express from 'express'
import { createSessions } from 'sojourn'
import { session } from 'sojourn/express'
import { html, page, stage, viewCount } from '../stage/page.js'

export const sessions = createSessions({ cookie: { name: 'https' } })
export const app = express()

// The app itself speaks plain HTTP. Whether the visitor's own connection is secure only the proxy knows, and tells in
// X-Forwarded-Proto. Anybody can write that header, so say whom to believe: the proxy, here one on this machine.
const proxy = process.env.TRUST_PROXY || 'loopback'
app.set('trust proxy', proxy === 'no' ? false : proxy)

app.use(stage(), session(sessions))

app.get('/', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  const names = (req.get('Cookie') ?? '').split(/; */).map((pair) => pair.split('=')[0])
  res.send(
    page({
      title: 'HTTPS',
      main: html`<h1>${req.secure ? 'A secure connection' : 'Plain HTTP'}</h1>
        ${viewCount(req.session.views)}
        <dl class="facts">
          <div><dt>req.secure</dt><dd>${String(req.secure)}</dd></div>
          <div><dt>req.ip</dt><dd>${req.ip}</dd></div>
          <div><dt>Cookies sent</dt><dd>${names.filter((name) => name.endsWith('https')).join(', ') || 'none yet: reload'}</dd></div>
        </dl>`,
    }),
  )
})

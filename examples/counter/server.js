import express from 'express'
import { session } from 'sojourn/express'
import { html, page, stage, viewCount } from '../stage/page.js'
import { serve } from '../stage/serve.js'

const app = express().use(stage(), session({ cookie: { name: 'counter' } }))

app.get('/', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.send(page({ title: 'Counter', main: html`<h1>Counter</h1>${viewCount(req.session.views)}` }))
})

serve(app, { port: 4001, title: 'Counter' })

/**
 * Step 2: sessions.
 *
 * Adds `session()`. Each browser gets a cookie with a random token, and `req.session` holds what belongs to that browser. The
 * counter moves into it. Sessions live in memory, which is for a first try.
 */
import express from 'express'
import { session } from 'sojourn/express'

const app = express()
app.use(session({ cookie: { name: 'steps' } }))

app.get('/api/views', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json({ views: req.session.views })
})

const port = Number(process.env.PORT || 3000)
app.listen(port, '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`Step 2: http://localhost:${port}`)
})

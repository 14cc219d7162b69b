/**
 * Step 3: CORS.
 *
 * The single-page app is served from another origin, http://localhost:4736. A browser lets its scripts read our answers, and
 * sends our cookie along, only if we name that origin and allow credentials. `*` is not a name: with credentials browsers
 * refuse it. The page's half is `withCredentials: true`, or `credentials: 'include'` with `fetch`. To count becomes a POST,
 * which no browser repeats or fetches ahead of need.
 */
import cors from 'cors'
import express from 'express'
import { session } from 'sojourn/express'

const app = express()
// Before the session, so that a preflight request is answered without it, and errors can be read as well.
app.use(cors({ origin: ['http://localhost:4736'], credentials: true }))
app.use(session({ cookie: { name: 'steps' } }))

app.post('/api/views', (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  res.json({ views: req.session.views })
})

const port = Number(process.env.PORT || 3000)
app.listen(port, '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`Step 3: http://localhost:${port}`)
})

/**
 * Step 1: no session.
 *
 * HTTP does not say who asks, so there is one counter for everybody. It is gone when the process stops.
 */
import express from 'express'

const app = express()
let views = 0

app.get('/api/views', (_req, res) => {
  views += 1
  res.json({ views })
})

const port = Number(process.env.PORT || 3000)
app.listen(port, '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`Step 1: http://localhost:${port}`)
})

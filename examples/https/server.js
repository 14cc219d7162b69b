import { once } from 'node:events'
import { serve } from '../stage/serve.js'
import { app, sessions } from './app.js'
import { certificateForTrying, proxyTo } from './proxy.js'

// The app, which only the proxy is to reach.
const inside = app.listen(0, '127.0.0.1')
await once(inside, 'listening')
const target = `http://127.0.0.1:${inside.address().port}`

async function close() {
  inside.close()
  await sessions.close()
}

// The proxy, which visitors reach.
serve(proxyTo(target), {
  port: 4443,
  title: 'HTTPS',
  notes: [`Behind it, over plain HTTP: ${target}`],
  tls: await certificateForTrying(),
  close,
})

// On Node. Bun and Deno serve the site by themselves: see the README.
import { getRequestListener } from '@hono/node-server'
import { serve } from '../stage/serve.js'
import { fetch, sessions } from './site.js'

serve(getRequestListener(fetch), { port: 4014, title: 'fetch', close: sessions.close })

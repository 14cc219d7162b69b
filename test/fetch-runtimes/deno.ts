import { withSession } from '../../src/adapters/fetch.js'
import { createSessions } from '../../src/core/sessions.js'
import { memoryStore } from '../../src/stores/memory.js'
import { storeAt } from './remote-store.js'
import { type SiteSettings, siteOf } from './site.js'

declare const Deno: {
  serve(options: { hostname: string; port: number }, handler: ReturnType<typeof siteOf>): unknown
  upgradeWebSocket(request: Request): { response: Response; socket: WebSocket }
}

/** Greets whoever opens a WebSocket, and begins a session for them. */
function greeting({ STORE }: SiteSettings): ReturnType<typeof siteOf> {
  const sessions = createSessions<{ greeted: boolean }>({ store: STORE === 'memory' ? memoryStore() : storeAt(STORE) })
  return withSession(sessions, (request, session) => {
    if (!request.url.endsWith('/socket')) return new Response('here')
    session.signIn('ada')
    session.greeted = true
    const { response, socket } = Deno.upgradeWebSocket(request)
    socket.onopen = () => socket.send('hello')
    return response
  })
}

const settings = process.env as unknown as SiteSettings
const site = settings.ADAPTER === 'greeting' ? greeting(settings) : siteOf(settings)
Deno.serve({ hostname: '127.0.0.1', port: Number(process.env.PORT) }, site)

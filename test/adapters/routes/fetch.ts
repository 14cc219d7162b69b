import { setTimeout as delay } from 'node:timers/promises'
import { withSession } from '../../../src/adapters/fetch.js'
import type { Session } from '../../../src/core/session.js'
import type { Sessions } from '../../../src/core/sessions.js'
import { breakingParts, lateParts, manyParts, streamOf } from './parts.js'

type Route = (session: Session, request: Request) => Response | Promise<Response>

function view(session: Session): string {
  session.views = (session.views ?? 0) + 1
  return String(session.views)
}

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { location } })
}

const routes: { readonly [route: string]: Route } = {
  'GET /plain': () => new Response('plain'),
  'GET /look': (session) => new Response(String(session.views ?? 0)),
  'GET /me': (session) => new Response(session.userId ?? 'nobody'),
  'GET /values': (session) => Response.json({ ...session }),
  'GET /views': (session) => new Response(view(session)),
  'POST /login'(session) {
    session.signIn('ann')
    return new Response('welcome')
  },
  'POST /logout'(session) {
    session.destroy()
    return redirect('/plain')
  },
  'GET /redirect'(session) {
    session.redirected = 'yes'
    return redirect('/values')
  },
  'GET /page'(session) {
    view(session)
    return new Response('page', { headers: { etag: '"page"', 'cache-control': 'public, max-age=60' } })
  },
  'GET /cookies'(session) {
    view(session)
    const headers: [string, string][] = [
      ['set-cookie', 'first=1'],
      ['set-cookie', 'second=2'],
    ]
    return new Response('cookies', { headers })
  },
  'GET /empty'(session) {
    view(session)
    return new Response(null, { status: 204 })
  },
  'GET /unmodified'(session) {
    view(session)
    return new Response(null, { status: 304 })
  },
  'GET /stream'(session) {
    view(session)
    return new Response(streamOf(manyParts()))
  },
  'GET /late': (session) => new Response(streamOf(lateParts(session))),
  async 'GET /slow'(session) {
    await delay(50)
    return new Response(view(session))
  },
  'GET /throw'(session) {
    view(session)
    throw new Error('thrown on purpose')
  },
  'GET /break'(session) {
    view(session)
    return new Response(streamOf(breakingParts()))
  },
  async 'POST /upload'(session, request) {
    session.bytes = (await request.arrayBuffer()).byteLength
    return new Response(String(session.bytes))
  },
}

/** The routes of the kit, for any runtime of the fetch standard. */
export function fetchRoutes(sessions: Sessions) {
  return withSession(sessions, (request, session, ..._rest: unknown[]) => answer(request, session), {
    onError: (error) => error.getResponse(),
  })
}

export function answer(request: Request, session: Session): Response | Promise<Response> {
  const { pathname } = new URL(request.url)
  const name = /^\/set\/(\w+)$/.exec(pathname)?.[1]
  if (name) {
    Object.assign(session, { [name]: name })
    return new Response(name)
  }
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = routes[`${method} ${pathname}`]
  return route?.(session, request) ?? new Response('not found', { status: 404 })
}

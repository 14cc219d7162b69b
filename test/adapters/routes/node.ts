import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { withSession } from '../../../src/adapters/node.js'
import type { ServedApp } from '../../../src/conformance/adapter.js'
import type { Session } from '../../../src/core/session.js'
import type { Sessions } from '../../../src/core/sessions.js'
import { listen } from './listen.js'
import { breakingParts, lateParts, manyParts } from './parts.js'

type Route = (session: Session, res: ServerResponse, req: IncomingMessage) => unknown

const twoCookies = ['first=1', 'second=2']

function view(session: Session): string {
  session.views = (session.views ?? 0) + 1
  return String(session.views)
}

const routes: { readonly [route: string]: Route } = {
  'GET /plain': (_session, res) => res.end('plain'),
  'GET /look': (session, res) => res.end(String(session.views ?? 0)),
  'GET /me': (session, res) => res.end(session.userId ?? 'nobody'),
  'GET /values': (session, res) => res.end(JSON.stringify(session)),
  'GET /views': (session, res) => res.end(view(session)),
  'POST /login'(session, res) {
    session.signIn('ann')
    res.end('welcome')
  },
  'POST /logout'(session, res) {
    session.destroy()
    res.writeHead(302, { Location: '/plain' }).end()
  },
  'GET /redirect'(session, res) {
    session.redirected = 'yes'
    res.writeHead(302, { Location: '/values' }).end()
  },
  'GET /page'(session, res) {
    view(session)
    res.writeHead(200, { ETag: '"page"', 'Cache-Control': 'public, max-age=60' }).end('page')
  },
  'GET /cookies'(session, res) {
    view(session)
    res.writeHead(200, { 'Set-Cookie': twoCookies }).end('cookies')
  },
  'GET /empty'(session, res) {
    view(session)
    res.writeHead(204).end()
  },
  'GET /unmodified'(session, res) {
    view(session)
    res.writeHead(304).end()
  },
  'GET /stream'(session, res) {
    view(session)
    Readable.from(manyParts()).pipe(res)
  },
  'GET /late': (session, res) => pipeline(lateParts(session), res),
  async 'GET /slow'(session, res) {
    await delay(50)
    res.end(view(session))
  },
  'GET /throw'(session) {
    view(session)
    throw new Error('thrown on purpose')
  },
  'GET /break'(session, res) {
    view(session)
    return pipeline(breakingParts(), res)
  },
  async 'POST /upload'(session, res, req) {
    session.bytes = (await text(req)).length
    res.end(String(session.bytes))
  },
  async 'GET /hints'(session, res) {
    await new Promise<void>((resolve) => res.writeEarlyHints({ link: '</style.css>; rel=preload' }, resolve))
    res.end(view(session))
  },
  'GET /trailers'(session, res) {
    view(session)
    res.writeHead(200, { Trailer: 'X-Sum' })
    res.write('body')
    res.addTrailers({ 'X-Sum': '1' })
    res.end()
  },
}

/** The routes of the kit, with no framework. */
export function serveNode(sessions: Sessions): Promise<ServedApp> {
  const handler = withSession(
    sessions,
    (req, res, session) => {
      const name = /^\/set\/(\w+)$/.exec(req.url ?? '')?.[1]
      if (name) {
        Object.assign(session, { [name]: name })
        return res.end(name)
      }
      const method = req.method === 'HEAD' ? 'GET' : req.method
      return routes[`${method} ${req.url}`]?.(session, res, req)
    },
    {
      onError(error, _req, res) {
        res.statusCode = (error as { status?: number }).status ?? 500
        res.end('sorry')
      },
    },
  )
  return listen(handler)
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../../src/core/session.js'
import { manyParts, twoCookies } from './served.js'

/** What each route of the adapter checks does with Node's own response. Throws where the route says so. */
export async function nodeRoutes(request: IncomingMessage, response: ServerResponse, session: Session): Promise<void> {
  const values = session as Session & { [name: string]: unknown }
  const view = () => {
    session.views = (session.views ?? 0) + 1
  }
  const redirect = (location: string) => void response.writeHead(302, { Location: location }).end()
  const path = request.url ?? ''

  switch (path.startsWith('/set/') ? '/set' : path) {
    case '/plain':
      response.end('plain')
      return
    case '/look':
      response.end(String(session.views ?? 0))
      return
    case '/me':
      response.end(session.userId ?? 'nobody')
      return
    case '/values':
      response.end(JSON.stringify({ ...session }))
      return
    case '/slow':
      await sleep(50)
      view()
      response.end(String(session.views))
      return
    case '/hints':
      response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      view()
      response.end(String(session.views))
      return
    case '/views':
      view()
      response.end(String(session.views))
      return
    case '/set': {
      const name = path.slice('/set/'.length)
      values[name] = name
      response.end(name)
      return
    }
    case '/login':
      session.signIn('ann')
      response.end('welcome')
      return
    case '/logout':
      session.destroy()
      redirect('/plain')
      return
    case '/redirect':
      values.redirected = 'yes'
      redirect('/values')
      return
    case '/page':
      view()
      response.writeHead(200, ['ETag', '"page"', 'Cache-Control', 'public, max-age=60'])
      response.end('page')
      return
    case '/cookies':
      view()
      response.writeHead(200, { 'Set-Cookie': twoCookies }).end('cookies')
      return
    case '/empty':
      view()
      response.writeHead(204).end()
      return
    case '/unmodified':
      view()
      response.writeHead(304).end()
      return
    case '/stream':
      view()
      Readable.from(manyParts()).pipe(response)
      return
    case '/late':
      response.write('first ')
      await sleep(5)
      values.late = 'yes'
      response.end('second')
      return
    case '/throw':
      view()
      throw new Error('thrown')
    case '/break':
      view()
      response.write('first')
      throw new Error('thrown after the first part')
    case '/upload': {
      let bytes = 0
      for await (const chunk of request) bytes += chunk.length
      values.bytes = bytes
      response.end(String(bytes))
      return
    }
    case '/trailers':
      view()
      response.setHeader('Trailer', 'X-Sum')
      response.write('body')
      response.addTrailers({ 'X-Sum': '1' })
      response.end()
      return
    default:
      response.writeHead(404).end()
  }
}

/** Sessions on Express 5 that travel in the visitor's cookie, encrypted. */
import type { Server } from 'node:http'
import express, { type Request, type Response } from 'express'
import { getIronSession } from 'iron-session'
import { session } from 'sojourn/express'
import { cookieStore } from 'sojourn/stores/cookie'
import { newVisitor, type Visitor } from '../visitor.ts'
import { inSession, serve } from './express.ts'

const secret = 'a secret for the bench, of more than thirty-two characters'

/** Its README has a handler open the session where it needs it, and save what it changed. */
export function ironSession(): Server {
  const options = { password: secret, cookieName: 'sid', cookieOptions: { secure: false } }
  const open = (request: Request, response: Response) => getIronSession<Visitor>(request, response, options)
  const app = express()
  app.get('/hello', (_request, response) => void response.send('hello'))
  app.get('/views', async (request, response) => {
    const visitor = await open(request, response)
    response.send(`${visitor.views}`)
  })
  app.get('/name', async (request, response) => {
    const visitor = await open(request, response)
    response.send(`${visitor.profile?.name}`)
  })
  app.post('/views', async (request, response) => {
    const visitor = await open(request, response)
    visitor.views = (visitor.views ?? 0) + 1
    await visitor.save()
    response.send(`${visitor.views}`)
  })
  app.post('/start', async (request, response) => {
    const visitor = await open(request, response)
    Object.assign(visitor, newVisitor())
    await visitor.save()
    response.send('started')
  })
  return app.listen(0, '127.0.0.1')
}

export function sojournInCookie(): Server {
  return serve({ ...inSession, middleware: session({ store: cookieStore({ secrets: secret }) }) })
}

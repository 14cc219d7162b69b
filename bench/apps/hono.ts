/** Sessions on Hono 4, served by `@hono/node-server`. */
import type { Server } from 'node:http'
import { serve as serveOnNode } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { MemoryStore, sessionMiddleware } from 'hono-sessions'
import { session } from 'sojourn/hono'
import { memoryStore } from 'sojourn/stores/memory'
import { newVisitor, type Visitor } from '../visitor.ts'

/** Where `hono-sessions` keeps values. */
interface Getters {
  get(name: 'views'): number | undefined
  get(name: 'profile'): Visitor['profile']
  set(name: string, value: unknown): void
}

function serve(of: (context: Context) => Getters, add?: (app: Hono) => unknown): Server {
  const app = new Hono()
  add?.(app)
  app.get('/hello', (context) => context.text('hello'))
  app.get('/views', (context) => context.text(`${of(context).get('views')}`))
  app.get('/name', (context) => context.text(`${of(context).get('profile')?.name}`))
  app.post('/views', (context) => {
    const visitor = of(context)
    visitor.set('views', (visitor.get('views') ?? 0) + 1)
    return context.text(`${visitor.get('views')}`)
  })
  app.post('/start', (context) => {
    for (const [name, value] of Object.entries(newVisitor())) of(context).set(name, value)
    return context.text('started')
  })
  return serveOnNode({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server
}

/** A visitor that is a plain object, reached as `hono-sessions` has it. */
function gettersOf(visitor: Visitor): Getters {
  return {
    get: (name: keyof Visitor) => visitor[name] as never,
    set: (name, value) => void Object.assign(visitor, { [name]: value }),
  }
}

export function bare(): Server {
  const visitor = gettersOf(newVisitor())
  return serve(() => visitor)
}

/** As in its README, encryption of the cookie included. */
export function honoSessionsInMemory(): Server {
  const middleware = sessionMiddleware({
    store: new MemoryStore(),
    encryptionKey: 'a secret for the bench, of more than thirty-two characters',
    expireAfterSeconds: 900,
    cookieOptions: { sameSite: 'Lax', path: '/', httpOnly: true },
  })
  return serve(
    (context) => context.get('session') as unknown as Getters,
    (app) => app.use('*', middleware as never),
  )
}

export function sojournInMemory(): Server {
  return serve(
    (context) => gettersOf(context.get('session') as Visitor),
    (app) => app.use(session({ store: memoryStore() })),
  )
}

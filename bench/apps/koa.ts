/** Sessions on Koa 3. */
import { createServer, type Server } from 'node:http'
import Koa, { type Context } from 'koa'
import koaSession from 'koa-session'
import { session } from 'sojourn/koa'
import { memoryStore } from 'sojourn/stores/memory'
import { newVisitor, type Visitor } from '../visitor.ts'

function serve(of: (context: Context) => Visitor, add?: (app: Koa) => void): Server {
  const app = new Koa()
  add?.(app)
  app.use((context) => {
    context.body = answer(context, of)
  })
  return createServer(app.callback()).listen(0, '127.0.0.1')
}

/** Koa has no router of its own. */
function answer(context: Context, of: (context: Context) => Visitor): string {
  switch (`${context.method} ${context.path}`) {
    case 'GET /views':
      return `${of(context).views}`
    case 'GET /name':
      return `${of(context).profile?.name}`
    case 'POST /views': {
      const visitor = of(context)
      visitor.views = (visitor.views ?? 0) + 1
      return `${visitor.views}`
    }
    case 'POST /start':
      Object.assign(of(context), newVisitor())
      return 'started'
    default:
      return 'hello'
  }
}

const inSession = (context: Context) => context.session as unknown as Visitor

export function bare(): Server {
  const visitor = newVisitor()
  return serve(() => visitor)
}

/** With its defaults, and the least of stores: it keeps sessions in the cookie unless it is given one. */
export function koaSessionInMemory(): Server {
  const records = new Map<string, string>()
  const store = {
    get: async (key: string) => JSON.parse(records.get(key) ?? 'null'),
    set: async (key: string, session: object) => void records.set(key, JSON.stringify(session)),
    destroy: async (key: string) => void records.delete(key),
  }
  return serve(inSession, (app) => {
    app.keys = ['a secret for the bench']
    app.use(koaSession({ store }, app))
  })
}

export function sojournInMemory(): Server {
  return serve(inSession, (app) => app.use(session({ store: memoryStore() })))
}

// What a TypeScript app writes that came from express-session and renamed its `declare module`.
import express from 'express'
import session, { MemoryStore, type SessionData, type Store } from 'sojourn/express-session'

declare module 'sojourn/express-session' {
  interface SessionData {
    views: number
    user?: { id: string; roles: string[] }
  }
  // The older way, from before there was SessionData.
  interface Session {
    token?: string
  }
}

class OwnStore extends session.Store {
  // biome-ignore lint/suspicious/noExplicitAny: as the README of express-session has it.
  get(_sid: string, callback: (error: any, session?: SessionData | null) => void): void {
    callback(null)
  }
  set(_sid: string, _session: session.SessionData, callback?: (error?: unknown) => void): void {
    callback?.()
  }
  destroy(_sid: string, callback?: (error?: unknown) => void): void {
    callback?.()
  }
}

const options: session.SessionOptions = {
  secret: ['new', Buffer.from('old')],
  store: new OwnStore(),
  genid: (req) => String(req.get('x-id')),
  cookie: (req) => ({ maxAge: 60_000, secure: req.secure, sameSite: 'auto' }),
}
const app = express()
app.use(session(options))
const handler: express.RequestHandler = session({ secret: 'x', store: new MemoryStore() })

app.get('/', handler, async (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1
  // @ts-expect-error: a value that was not declared
  req.session.veiws = 1
  // @ts-expect-error: a value of another type
  req.session.views = 'two'
  req.session.token = 'of a member of Session'
  // @ts-expect-error: a member of another type
  req.session.token = 1
  await req.session.save()
  await req.session.regenerate()
  req.session.save((error) => console.log(error.message))
  let mayBeMissing: ((error: Error) => void) | undefined
  if (req.query.loud) mayBeMissing = (error) => console.log(error.message)
  req.session.save(mayBeMissing)
  req.session.regenerate((error: Error) => console.log(error.message)).touch()
  req.session.cookie.maxAge = 5
  req.session.cookie.expires = null
  req.session.cookie.originalMaxAge satisfies number | null
  const whole: session.Session & Partial<session.SessionData> = req.session
  req.sessionStore.all?.((error, sessions) => console.log(error, sessions))
  req.sessionStore.get(req.sessionID, (error, found) => res.json([error, found?.views, whole.id]))
})

const stores: Store[] = [new OwnStore(), new MemoryStore()]
for (const store of stores) store.on('disconnect', () => store.emit('connect'))

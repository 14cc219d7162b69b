import Fastify from 'fastify'
import { createSessions } from 'sojourn'
import { requireUser, returnPath, session } from 'sojourn/fastify'
import { publicFile, safeHeaders } from '../stage/frame.js'
import { serve } from '../stage/serve.js'
import { problemPage, profilePage, signInPage, startPage } from '../stage/small-site.js'
import { isPasswordOf } from '../stage/users.js'

const sessions = createSessions({ cookie: { name: 'fastify' }, crossOrigin: true, noStore: true })
const app = Fastify()

app.get('/:file(^(?:style\\.css|icon\\.svg|arches\\.svg)$)', async ({ params }, reply) => {
  const { type, body } = await publicFile(`/${params.file}`)
  return reply.type(type).send(body)
})

// The session is there in this scope and below. The files above do without.
await app.register(async (pages) => {
  pages.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(body))),
  )
  // Before the session, for the pages of its errors too.
  pages.addHook('onRequest', async (_request, reply) => void reply.headers(safeHeaders).type('text/html'))
  await pages.register(session, { sessions })

  pages.get('/', ({ session }) => {
    session.views = (session.views ?? 0) + 1
    return startPage(session)
  })
  pages.get('/profile', { onRequest: requireUser({ redirect: '/login' }) }, ({ session }) => profilePage(session))
  pages.get('/login', (request) => signInPage(returnPath(request)))
  pages.post('/login', async (request, reply) => {
    const { username, password } = request.body ?? {}
    if (await isPasswordOf(username, password)) {
      request.session.signIn(username)
      return reply.redirect(returnPath(request), 303)
    }
    return reply.code(401).send(signInPage(returnPath(request), { username, failed: true }))
  })
  pages.post('/logout', ({ session }, reply) => {
    session.signOut()
    return reply.redirect('/', 303)
  })

  pages.setErrorHandler((error, _request, reply) => {
    const { statusCode = 500 } = error
    if (statusCode >= 500) console.error(error)
    return reply.code(statusCode).type('text/html').send(problemPage(statusCode))
  })
})
app.setNotFoundHandler((_request, reply) =>
  reply.code(404).headers(safeHeaders).type('text/html').send(problemPage(404)),
)

await app.ready()
serve((req, res) => app.routing(req, res), { port: 4011, title: 'Fastify', close: sessions.close })

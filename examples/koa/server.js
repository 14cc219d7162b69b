import { text } from 'node:stream/consumers'
import Koa from 'koa'
import { createSessions } from 'sojourn'
import { requireUser, returnPath, session } from 'sojourn/koa'
import { publicFile, safeHeaders } from '../stage/frame.js'
import { serve } from '../stage/serve.js'
import { isSmallForm, problemPage, profilePage, signInPage, startPage } from '../stage/small-site.js'
import { isPasswordOf } from '../stage/users.js'

const sessions = createSessions({ cookie: { name: 'koa' }, crossOrigin: true, noStore: true })
const app = new Koa()

// Above the session, so that a store that fails is caught here too.
app.use(async (ctx, next) => {
  ctx.set(safeHeaders)
  const showProblem = (status) => {
    ctx.body = problemPage(status)
    ctx.status = status
  }
  try {
    await next()
    if (ctx.status === 404) showProblem(404)
  } catch (error) {
    const { status = 500 } = error
    if (status >= 500) console.error(error)
    showProblem(status)
  }
})

app.use(async (ctx, next) => {
  const file = await publicFile(ctx.path)
  if (!file) return next()
  ctx.type = file.type
  ctx.body = file.body
})

app.use(session(sessions))

const pages = {
  'GET /'(ctx) {
    ctx.session.views = (ctx.session.views ?? 0) + 1
    ctx.body = startPage(ctx.session)
  },
  'GET /profile'(ctx) {
    ctx.body = profilePage(ctx.session)
  },
  'GET /login'(ctx) {
    ctx.body = signInPage(returnPath(ctx))
  },
  async 'POST /login'(ctx) {
    ctx.assert(isSmallForm(ctx.headers['content-length']), 413)
    const { username, password } = Object.fromEntries(new URLSearchParams(await text(ctx.req)))
    if (await isPasswordOf(username, password)) {
      ctx.session.signIn(username)
      ctx.status = 303
      ctx.redirect(returnPath(ctx))
    } else {
      ctx.body = signInPage(returnPath(ctx), { username, failed: true })
      ctx.status = 401
    }
  },
  'POST /logout'(ctx) {
    ctx.session.signOut()
    ctx.status = 303
    ctx.redirect('/')
  },
}

const forUsers = requireUser({ redirect: '/login' })
app.use((ctx, next) => (ctx.path === '/profile' ? forUsers(ctx, next) : next()))
app.use((ctx) => pages[`${ctx.method} ${ctx.path}`]?.(ctx))

serve(app.callback(), { port: 4012, title: 'Koa', close: sessions.close })

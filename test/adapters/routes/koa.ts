import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import Koa, { type Context, type Middleware } from 'koa'
import { session } from '../../../src/adapters/koa.js'
import type { ServedApp } from '../../../src/conformance/adapter.js'
import type { Sessions } from '../../../src/core/sessions.js'
import { listen } from './listen.js'
import { breakingParts, lateParts, manyParts } from './parts.js'

const twoCookies = ['first=1', 'second=2']

function view(ctx: Context): string {
  ctx.session.views = (ctx.session.views ?? 0) + 1
  return String(ctx.session.views)
}

const routes: { readonly [route: string]: (ctx: Context) => unknown } = {
  'GET /plain': () => 'plain',
  'GET /look': ({ session }) => String(session.views ?? 0),
  'GET /me': ({ session }) => session.userId ?? 'nobody',
  'GET /values': ({ session }) => ({ ...session }),
  'GET /views': view,
  'POST /login'({ session }) {
    session.signIn('ann')
    return 'welcome'
  },
  'POST /logout'(ctx) {
    ctx.session.destroy()
    ctx.redirect('/plain')
  },
  'GET /redirect'(ctx) {
    ctx.session.redirected = 'yes'
    ctx.redirect('/values')
  },
  'GET /page'(ctx) {
    view(ctx)
    ctx.set({ ETag: '"page"', 'Cache-Control': 'public, max-age=60' })
    return 'page'
  },
  'GET /cookies'(ctx) {
    view(ctx)
    ctx.set('Set-Cookie', twoCookies)
    return 'cookies'
  },
  'GET /empty'(ctx) {
    view(ctx)
    ctx.status = 204
  },
  'GET /unmodified'(ctx) {
    view(ctx)
    ctx.status = 304
  },
  'GET /stream'(ctx) {
    view(ctx)
    return Readable.from(manyParts())
  },
  'GET /late': ({ session }) => Readable.from(lateParts(session)),
  async 'GET /slow'(ctx) {
    await delay(50)
    return view(ctx)
  },
  'GET /throw'(ctx) {
    view(ctx)
    throw new Error('thrown on purpose')
  },
  'GET /break'(ctx) {
    view(ctx)
    return Readable.from(breakingParts())
  },
  async 'POST /upload'({ session, req }) {
    session.bytes = (await text(req)).length
    return String(session.bytes)
  },
  async 'GET /hints'(ctx) {
    await new Promise<void>((resolve) => ctx.res.writeEarlyHints({ link: '</style.css>; rel=preload' }, resolve))
    return view(ctx)
  },
  // Koa leaves the response to whoever needs what it has no word for.
  'GET /trailers'(ctx) {
    view(ctx)
    ctx.respond = false
    ctx.res.writeHead(200, { Trailer: 'X-Sum' })
    ctx.res.write('body')
    ctx.res.addTrailers({ 'X-Sum': '1' })
    ctx.res.end()
  },
}

const route: Middleware = async (ctx) => {
  const { method, path, session } = ctx
  const set = /^\/set\/(\w+)$/.exec(path)
  if (set?.[1]) {
    Object.assign(session, { [set[1]]: set[1] })
    ctx.body = set[1]
    return
  }
  const body = await routes[`${method === 'HEAD' ? 'GET' : method} ${path}`]?.(ctx)
  if (body !== undefined) ctx.body = body
}

/** The routes of the kit, on Koa. */
export function serveKoa(sessions: Sessions): Promise<ServedApp> {
  const app = new Koa()
  app.silent = true
  app.use(session(sessions))
  app.use(route)
  return listen(app.callback())
}

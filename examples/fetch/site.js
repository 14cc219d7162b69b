import { createSessions } from 'sojourn'
import { requireUser, returnPath, withSession } from 'sojourn/fetch'
import { publicFile, safeHeaders } from '../stage/frame.js'
import { isSmallForm, problemPage, profilePage, signInPage, startPage } from '../stage/small-site.js'
import { isPasswordOf } from '../stage/users.js'

export const sessions = createSessions({ cookie: { name: 'fetch' }, crossOrigin: true, noStore: true })

const pages = {
  'GET /'(_request, session) {
    session.views = (session.views ?? 0) + 1
    return page(startPage(session))
  },
  'GET /profile': requireUser({ redirect: '/login' }, (_request, session) => page(profilePage(session))),
  'GET /login': (request) => page(signInPage(returnPath(request))),
  async 'POST /login'(request, session) {
    if (!isSmallForm(request.headers.get('content-length'))) return page(problemPage(413), 413)
    const { username, password } = Object.fromEntries(new URLSearchParams(await request.text()))
    if (await isPasswordOf(username, password)) {
      session.signIn(username)
      return redirect(returnPath(request))
    }
    return page(signInPage(returnPath(request), { username, failed: true }), 401)
  },
  'POST /logout'(_request, session) {
    session.signOut()
    return redirect('/')
  },
}

const answer = withSession(
  sessions,
  (request, session) => {
    const { pathname } = new URL(request.url)
    return pages[`${request.method} ${pathname}`]?.(request, session) ?? page(problemPage(404), 404)
  },
  {
    onError(error) {
      if (error.status >= 500) console.error(error)
      return page(problemPage(error.status), error.status)
    },
  },
)

/** The whole site: what any runtime of the fetch standard calls for each request. */
export async function fetch(request) {
  const file = await publicFile(new URL(request.url).pathname)
  return file ? new Response(file.body, { headers: { 'Content-Type': file.type } }) : answer(request)
}

function page(html, status = 200) {
  return new Response(html, { status, headers: { ...safeHeaders, 'Content-Type': 'text/html; charset=utf-8' } })
}

function redirect(location) {
  return new Response(null, { status: 303, headers: { Location: location } })
}

/** Before a side is measured it has to work, as a client sees it. */
import assert from 'node:assert/strict'
import { newVisitor, type Work, works } from './visitor.ts'

interface Reply {
  readonly text: string
  readonly cookie: string | undefined
}

async function request({ method, path }: Pick<Work, 'method' | 'path'>, port: number, cookie?: string): Promise<Reply> {
  const headers = cookie === undefined ? {} : { cookie }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers })
  const text = await response.text()
  assert.equal(response.status, 200, `${method} ${path} answered ${response.status}: ${text}`)
  const cookies = response.headers.getSetCookie().map((line) => line.split(';', 1)[0])
  return { text, cookie: cookies.length > 0 ? cookies.join('; ') : undefined }
}

/** Starts that many sessions, and resolves to their `Cookie` headers. */
export async function startSessions(port: number, count: number): Promise<string[]> {
  const cookies: string[] = []
  while (cookies.length < count) {
    const { cookie } = await request({ method: 'POST', path: '/start' }, port)
    assert.ok(cookie, 'a new session sets no cookie')
    cookies.push(cookie)
  }
  assert.equal(new Set(cookies).size, count, 'two visitors got the same cookie')
  return cookies
}

/** Throws unless a side keeps the sessions of two visitors apart, and each change is there once it was acknowledged. */
export async function prove(port: number, { isChatty = false } = {}): Promise<void> {
  const stranger = await request(works['no cookie'], port)
  if (!isChatty) assert.equal(stranger.cookie, undefined, 'a visitor without values was given a cookie')
  let [changing, other] = (await startSessions(port, 2)) as [string, string]
  for (const [path, expected] of [
    ['/views', '0'],
    ['/name', newVisitor().profile.name],
    ['/hello', 'hello'],
  ] as const) {
    const { text, cookie } = await request({ method: 'GET', path }, port, other)
    assert.equal(text, expected)
    if (!isChatty) assert.equal(cookie, undefined, `reading ${path} set a cookie`)
  }
  for (let views = 1; views <= 50; views++) {
    const { text, cookie } = await request(works.change, port, changing)
    assert.equal(text, String(views))
    // A session that is kept in its cookie has a new one after each change.
    changing = cookie ?? changing
    const { text: read } = await request(works.read, port, changing)
    assert.equal(read, String(views), 'a change was acknowledged and is not there')
  }
  const { text } = await request(works.read, port, other)
  assert.equal(text, '0', "one visitor's change reached another")
}

/** The same for a side without sessions: it answers. */
export async function proveBare(port: number): Promise<void> {
  for (const work of Object.values(works)) {
    const { cookie } = await request(work, port)
    assert.equal(cookie, undefined)
  }
}

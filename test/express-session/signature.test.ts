import { createHmac } from 'node:crypto'
import original from 'express-session'
import session, { type SessionOptions } from 'sojourn/express-session'
import { describe, expect, test } from 'vitest'

// biome-ignore lint/suspicious/noExplicitAny: both packages go through here, each with typings of its own.
type Any = any

function cookieOf(id: string, secret: string): string {
  return `connect.sid=${encodeURIComponent(`s:${id}.${createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '')}`)}`
}

describe.each<[string, Any]>([
  ['express-session', original],
  ['sojourn/express-session', session],
])('%s', (_name, lib) => {
  /** Which session id the middleware sees in a cookie. */
  function reader(secret: string[]) {
    const store = new lib.MemoryStore()
    store.get = (_id: string, done: Any) => done(null, { cookie: {} })
    const middleware = lib({ secret, resave: false, saveUninitialized: false, store })
    return async (cookie: string): Promise<string> => {
      const request: Any = { url: '/', headers: { cookie } }
      await new Promise((resolve) => middleware(request, { writeHead() {} }, resolve))
      return request.sessionID
    }
  }

  test('a cookie that was good is refused once its secret is taken away', async () => {
    const secrets = ['new', 'old']
    const read = reader(secrets)
    for (let time = 0; time < 3; time++) expect(await read(cookieOf('ada', 'old'))).toBe('ada')
    secrets.pop()
    expect(await read(cookieOf('ada', 'old'))).not.toBe('ada')
    secrets.push('old')
    expect(await read(cookieOf('ada', 'old'))).toBe('ada')
  })

  test('a cookie that is good for one app is not for another', async () => {
    const [mine, theirs] = [reader(['mine']), reader(['theirs'])]
    for (let time = 0; time < 2; time++) {
      expect(await mine(cookieOf('ada', 'mine'))).toBe('ada')
      expect(await theirs(cookieOf('ada', 'mine'))).not.toBe('ada')
    }
  })

  test('thousands of visitors are each recognized, again and again', async () => {
    const read = reader(['s'])
    const cookies = Array.from(
      { length: 2500 },
      (_, number) => [`id-${number}`, cookieOf(`id-${number}`, 's')] as const,
    )
    for (let time = 0; time < 2; time++) {
      for (const [id, cookie] of cookies) expect(await read(cookie)).toBe(id)
      expect(await read(cookies[0]?.[1].replace('id-0', 'id-1') as string)).not.toBe('id-1')
    }
  })
})

test('a secret is whatever createHmac takes, also in the types of newer Nodes', async () => {
  const secret = new TextEncoder().encode('a key of thirty-two characters..').buffer
  const options: SessionOptions = { secret, resave: false, saveUninitialized: true }
  const lines = [session(options), original(options as Any)].map(async (middleware: Any) => {
    const request: Any = { url: '/', headers: {}, method: 'GET' }
    await new Promise((resolve) => middleware(request, { writeHead() {} }, resolve))
    return typeof request.sessionID
  })
  expect(await Promise.all(lines)).toEqual(['string', 'string'])
})

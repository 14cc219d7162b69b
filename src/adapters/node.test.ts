import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type RequestListener,
  request as requestOver,
  type ServerResponse,
} from 'node:http'
import {
  connect,
  createServer as createHttp2Server,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import express from 'express'
import { generate } from 'selfsigned'
import request from 'supertest'
import { afterEach, describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { switchableStore } from '../../test/adapters/switchable-store.js'
import { createSessions, isSojournError, type Session, type SessionData } from '../index.js'
import { session } from './express.js'
import { requireFresh, requireUser, returnPath, withSession } from './node.js'

const store = switchableStore()
const sessions = createSessions({ store })
const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
const running: Server[] = []
afterEach(() => {
  store.broken.clear()
  logged.mockClear()
  for (const server of running.splice(0)) server.close()
})

async function listen(server: Server): Promise<number> {
  running.push(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

function get(listener: RequestListener, path = '/', headers: Record<string, string> = {}) {
  return request(createHttpServer(listener))
    .get(path)
    .set({ Host: 'localhost', ...headers })
}

function raise(message: string): never {
  throw new Error(message)
}

function view(session: Session): string {
  session.views = (session.views ?? 0) + 1
  return String(session.views)
}

describe('each kind of server', async () => {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }])

  test('node:http', async () => {
    const answer = withSession(sessions, (_req, res, session) => res.end(view(session)))
    const first = await get(answer).buffer()
    const [cookie = ''] = first.headers['set-cookie'] ?? []
    expect(cookie).toMatch(/^session=[\w-]{64}; Path=\/; HttpOnly; SameSite=Lax$/)
    expect((await get(answer, '/', { cookie }).buffer()).text).toBe('2')
  })

  test('node:https', async () => {
    const answer = withSession(sessions, (_req, res, session) => res.end(view(session)))
    const server = createHttpsServer({ key, cert }, answer)
    const response = await request(server).get('/').trustLocalhost().disableTLSCerts().buffer()
    expect(response.headers['set-cookie']?.[0]).toMatch(/^__Host-session=/)
  })

  test.each([
    ['node:http2 with TLS', true],
    ['node:http2 without', false],
  ])('%s', async (_name, isSecure) => {
    const answer = withSession(sessions, (req: Http2ServerRequest, res: Http2ServerResponse, session) => {
      res.setHeader('x-authority', req.authority)
      res.end(view(session))
    })
    const port = await listen(isSecure ? createSecureServer({ key, cert }, answer) : createHttp2Server(answer))
    const client = connect(`http${isSecure ? 's' : ''}://localhost:${port}`, { ca: cert })
    const stream = client.request({ ':path': '/' })
    const [headers] = await once(stream, 'response')
    expect(await text(stream)).toBe('1')
    client.close()
    expect(headers['x-authority']).toBe(`localhost:${port}`)
    expect(headers['set-cookie'][0]).toMatch(isSecure ? /^__Host-session=/ : /^session=/)
  })

  test('is typed', () => {
    createHttpServer(
      withSession(sessions, (req, res, session) => {
        expectTypeOf(req.httpVersion).toEqualTypeOf<string>()
        expectTypeOf(session).toEqualTypeOf<Session<SessionData>>()
        res.writeHead(200, 'fine').end()
      }),
    )
    withSession(createSessions<{ items: string[] }>(), (_req, _res, session) => {
      expectTypeOf(session.items).toEqualTypeOf<string[] | undefined>()
    })
  })
})

describe('a handler for one route within one for all', () => {
  test('has the same session, which a stranger is given once', async () => {
    const route = withSession(sessions, (_req, res, session) => {
      session.signIn('alice')
      res.end(view(session))
    })
    const app = withSession(sessions, (req, res, session) => {
      session.views = 7
      return route(req, res)
    })
    const { text, headers } = await get(app).buffer()
    expect([text, headers['set-cookie']]).toEqual(['8', [expect.stringMatching(/^session=/)]])
    const { userId, views } = await sessions.load({
      cookie: headers['set-cookie']?.[0],
      secure: false,
      host: 'localhost',
    })
    expect([userId, views]).toEqual(['alice', 8])
  })

  test.each([
    [
      'its own way',
      { onError: (_error: unknown, _req: unknown, res: ServerResponse) => res.end('its own') },
      'its own',
    ],
    ['as that one does', {}, 'from above'],
  ])('answers its errors %s, though it is not awaited', async (_way, options, expected) => {
    const guarded = requireUser({}, () => {})
    const route = withSession(sessions, guarded, options as object)
    const app = withSession(sessions, (req, res) => void route(req, res), {
      onError: (_error, _req, res) => res.end('from above'),
    })
    expect((await get(app).buffer()).text).toBe(expected)
  })

  test('has that of an Express app around it, and leaves errors to it', async () => {
    const app = express()
    const guarded = requireUser({}, (_req, res) => res.end())
    app.use(session(sessions))
    app.get(
      '/',
      (req, _res, next) => {
        req.session.views = 7
        next()
      },
      withSession(sessions, (_req, res, session) => res.end(view(session))),
    )
    app.get('/guarded', withSession(sessions, guarded))
    const answer: express.ErrorRequestHandler = (error, _req, res, _next) => void res.json(error.code)
    app.use(answer)
    const { text, headers } = await get(app).buffer()
    expect([text, headers['set-cookie']]).toEqual(['8', [expect.stringMatching(/^session=/)]])
    expect((await get(app, '/guarded')).body).toBe('unauthenticated')
  })

  test('can still be changed where a head was refused by Node', async () => {
    const app = withSession(sessions, (_req, res, session) => {
      expect(() => res.writeHead(200, { 'X-Odd': 'a\nb' })).toThrow('Invalid character')
      res.end(view(session))
    })
    const { text, headers } = await get(app).buffer()
    expect([text, headers['set-cookie']]).toEqual(['1', [expect.stringMatching(/^session=/)]])
  })

  test('has its own with other sessions', async () => {
    const others = createSessions({ store, cookie: { name: 'other' } })
    const route = withSession(others, (_req, res, session) => res.end(view(session)))
    const app = withSession(sessions, (req, res, session) => {
      session.views = 7
      return route(req, res)
    })
    const { text, headers } = await get(app).buffer()
    expect([text, headers['set-cookie']]).toEqual(['1', expect.arrayContaining([expect.stringMatching(/^other=/)])])
  })

  test('has the same session also where one with other sessions stands between', async () => {
    const others = createSessions({ store, cookie: { name: 'other' } })
    const route = withSession(sessions, (_req, res, session) => res.end(view(session)))
    const between = withSession(others, (req, res, other) => {
      other.views = 1
      return route(req, res)
    })
    const app = withSession(sessions, (req, res, session) => {
      session.views = 7
      return between(req, res)
    })
    const { text, headers } = await get(app).buffer()
    const names = (headers['set-cookie'] as unknown as string[]).map((cookie) => cookie.split('=', 1)[0])
    expect([text, names.sort()]).toEqual(['8', ['other', 'session']])
  })
})

test('is told of TLS and of the client by the app', async () => {
  const refused: unknown[] = []
  const sessions = createSessions({ store })
  sessions.on('refused', ({ address }) => refused.push(address))
  const answer = withSession(sessions, (_req, res, session) => res.end(view(session)), {
    secure: (req) => req.headers['x-forwarded-proto'] === 'https',
    address: (req) => String(req.headers['x-forwarded-for']),
  })
  const headers = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '203.0.113.9' }
  const response = await get(answer, '/', { ...headers, Cookie: `__Host-session=${'a'.repeat(64)}` })
  expect(response.headers['set-cookie']?.[0]).toMatch(/^__Host-session=/)
  expect(refused).toEqual(['203.0.113.9'])
})

describe('an error', () => {
  test('of the handler is answered with 500, and what it did before is saved', async () => {
    for (const isLate of [true, false]) {
      const fail = (session: Session) => {
        session.views = 5
        throw new Error('a secret')
      }
      const answer = withSession(sessions, (_req, res, session) => {
        res.setHeader('ETag', '"1"')
        return isLate ? delay(1).then(() => fail(session)) : fail(session)
      })
      const response = await get(answer)
      expect([response.status, response.text]).toEqual([500, 'The server cannot answer at present'])
      expect(response.headers.etag).toBeUndefined()
      const cookie = response.headers['set-cookie']?.[0]
      expect((await sessions.load({ cookie, secure: false, host: 'localhost' })).views).toBe(5)
    }
    expect(logged).toHaveBeenCalledTimes(2)
  })

  test('after the first byte breaks the answer off', async () => {
    const answer = withSession(sessions, async (_req, res) => {
      res.write('first')
      await delay(5)
      throw new Error('too late')
    })
    const port = await listen(createHttpServer(answer))
    const [response] = await once(requestOver({ port, host: '127.0.0.1' }).end(), 'response')
    await expect(text(response)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(logged.mock.calls).toEqual([[new Error('too late')]])
  })

  test('after the end is printed, and the answer stands', async () => {
    const answer = withSession(sessions, (_req, res, session) => {
      res.end(view(session))
      throw new Error('too late')
    })
    expect(await get(answer).buffer()).toMatchObject({ status: 200, text: '1' })
    expect(logged.mock.calls).toEqual([[new Error('too late')]])
  })

  test.each(['secure', 'address'])('of the option %s is answered', async (option) => {
    const fail = () => {
      throw new Error('a secret')
    }
    const response = await get(withSession(sessions, (_req, res) => res.end(), { [option]: fail }))
    expect([response.status, response.text]).toEqual([500, 'The server cannot answer at present'])
    expect(logged).toHaveBeenCalledOnce()
  })

  test.each<[string, () => unknown]>([
    ['throws', () => raise('of onError')],
    ['rejects', async () => raise('of onError')],
  ])('where onError %s is printed, and breaks the connection off', async (_how, onError) => {
    const answer = withSession(sessions, () => raise('of the app'), { onError })
    await expect(get(answer)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(logged.mock.calls).toEqual([[new Error('of the app'), new Error('of onError')]])
  })

  test('of the store is answered with 503 and nothing of the page, once', async () => {
    const codes: unknown[] = []
    const options = {
      onError(error: unknown, _req: unknown, res: ServerResponse) {
        codes.push(isSojournError(error) && error.code)
        res.writeHead(503).end('sorry')
      },
    }
    const pages: ((res: ServerResponse, session: Session) => unknown)[] = [
      (res) => res.end('page'),
      async (res, session) => {
        await session.save()
        res.end('page')
      },
      async (res, session) => {
        res.end('page')
        await session.save()
      },
    ]
    for (const page of pages) {
      codes.length = 0
      const answer = withSession(
        sessions,
        (_req, res, session) => {
          session.signIn('alice')
          res.setHeader('ETag', '"1"')
          return page(res, session)
        },
        options,
      )
      store.broken.add('create')
      const response = await get(answer).buffer()
      expect([response.status, response.text, response.headers.etag]).toEqual([503, 'sorry', undefined])
      expect(codes).toEqual(['store_unavailable'])
    }
  })

  test('of reading keeps the handler from running', async () => {
    const { cookie } = await sessions.create({ userId: 'alice' })
    let ran = false
    const answer = withSession(sessions, (_req, res) => {
      ran = true
      res.end()
    })
    store.broken.add('read')
    expect([(await get(answer, '/', { Cookie: cookie })).status, ran]).toEqual([503, false])
  })
})

describe('requireUser', () => {
  const profile = withSession(
    sessions,
    requireUser({ redirect: '/login' }, (_req, res, session) => res.end(String(session.userId))),
  )

  test('sends a stranger to sign in, and back', async () => {
    const response = await get(profile, '/profile?tab=1')
    expect([response.status, response.headers.location]).toEqual([302, '/login?returnTo=%2Fprofile%3Ftab%3D1'])
    expect(response.headers['cache-control']).toBe('no-store')
    const login = await get((req, res) => res.end(returnPath(req)), response.headers.location).buffer()
    expect(login.text).toBe('/profile?tab=1')
  })

  test('takes the fetch of Node, which tells a mode and no site, for no script of a page', async () => {
    const server = createHttpServer(profile).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/profile`, { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([302, '/login?returnTo=%2Fprofile'])
  })

  test('answers a program with 401, and lets a user in', async () => {
    const refused = await get(profile, '/profile', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Site': 'same-origin' })
    expect([refused.status, refused.text]).toEqual([401, 'This needs a signed-in user'])
    expect(logged).not.toHaveBeenCalled()
    const { cookie } = await sessions.create({ userId: 'alice' })
    expect((await get(profile, '/', { Cookie: cookie }).buffer()).text).toBe('alice')
  })

  test.each<[string, object]>([
    ['a misspelt option', { redirct: '/login' }],
    ['a request, for want of a call', { method: 'GET', url: '/' }],
    ['a page that is no path', { redirect: 1 }],
  ])('refuses %s', (_what, options) => {
    const handler = vi.fn()
    const refusal = expect.objectContaining({ code: 'invalid_option' })
    expect(() => requireUser(options, handler)).toThrow(refusal)
    expect(() => requireFresh({ within: '10m', ...options }, handler)).toThrow(refusal)
    expect(() => requireUser('/login' as never, handler)).toThrow(
      'requireUser() must be an object of redirect; got "/login"',
    )
  })

  test.each(['/login', '/?page=login', '/вход'])(
    'does not lead in circles where the login page %s needs a user',
    async (redirect) => {
      const guarded = withSession(
        sessions,
        requireUser({ redirect }, (_req, res) => res.end()),
      )
      const sent = await get(guarded, '/profile')
      expect(sent.status).toBe(302)
      const { status } = await get(guarded, sent.headers.location)
      expect(status).toBe(500)
      expect(logged).toHaveBeenCalledWith(
        expect.objectContaining({
          code: 'invalid_option',
          message: expect.stringContaining('a page before this guard'),
        }),
      )
    },
  )

  test.each([undefined, '/login'])('tells a client without a bearer token that one is wanted: %s', async (redirect) => {
    const apps = createSessions({ store, transport: { header: 'authorization' } })
    const profile = withSession(
      apps,
      requireUser(redirect === undefined ? {} : { redirect }, (_req, res) => res.end('profile')),
    )
    const { status, headers } = await get(profile, '/')
    expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer'])
  })

  test('asks for a recent sign-in where it matters', async () => {
    let now = Date.now()
    const sessions = createSessions({ store, clock: () => now })
    const { cookie } = await sessions.create({ userId: 'alice' })
    const change = withSession(
      sessions,
      requireFresh({ within: '10m' }, (_req, res) => res.end('changed')),
    )
    expect((await get(change, '/', { Cookie: cookie })).status).toBe(200)
    now += 600_000
    expect((await get(change, '/', { Cookie: cookie })).status).toBe(401)
  })
})

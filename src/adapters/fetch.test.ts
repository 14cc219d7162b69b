import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { lateParts, streamOf } from '../../test/adapters/routes/parts.js'
import { switchableStore } from '../../test/adapters/switchable-store.js'
import { createSessions, isSojournError, type Session, type SessionData, SojournError } from '../index.js'
import { memoryStore } from '../stores/memory.js'
import { requireFresh, requireUser, returnPath, withSession } from './fetch.js'

const store = switchableStore()
const sessions = createSessions({ store })
const here = 'http://localhost/'
const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
afterEach(() => {
  store.broken.clear()
  logged.mockClear()
})

function view(session: Session): string {
  session.views = (session.views ?? 0) + 1
  return String(session.views)
}

describe('withSession', () => {
  const answer = withSession(sessions, (_request, session) => new Response(view(session)))

  test('gives a handler its visitor’s session', async () => {
    const first = await answer(new Request(here))
    const [cookie = ''] = first.headers.getSetCookie()
    expect(cookie).toMatch(/^session=[\w-]{64}; Path=\/; HttpOnly; SameSite=Lax$/)
    expect(first.headers.get('vary')).toBe('Cookie')
    expect(await (await answer(new Request(here, { headers: { cookie } }))).text()).toBe('2')
  })

  test('hands on what its runtime hands over', async () => {
    const GET = withSession(
      sessions,
      async (request, session, { params }: { params: Promise<{ id: string }> }) =>
        new Response(`${request.method} ${(await params).id} ${session.userId}`),
    )
    const context = { params: Promise.resolve({ id: '7' }) }
    expect(await (await GET(new Request(here), context)).text()).toBe('GET 7 null')
  })

  test('saves what changes during each of its saves', async () => {
    const memory = memoryStore()
    const { cookie, session } = await createSessions({ store: memory }).create({ values: { views: 1 } })
    let handled: Session | undefined
    const busy = createSessions({
      store: {
        ...memory,
        async patch(id, patch) {
          const outcome = memory.patch(id, patch)
          await turn()
          const { views = 0 } = handled as Session
          if (views < 4) Object.assign(handled as Session, { views: views + 1 })
          return outcome
        },
      },
    })
    const answered = await withSession(busy, (_request, it) => {
      handled = it
      it.views = 2
      return new Response('hello')
    })(new Request(here, { headers: { cookie } }))
    expect(answered.status).toBe(200)
    await expect.poll(async () => (await memory.read(session.id))?.values.views).toBe('4')
  })

  test('what a framework hung on an answer is on the copy that has the cookie, as TanStack’s redirect() needs it', async () => {
    const options = { to: '/done' }
    const answered = await withSession(sessions, (_request, session) => {
      view(session)
      return Object.assign(new Response(null, { status: 307 }), { options })
    })(new Request(here))
    expect([answered.headers.getSetCookie().length, (answered as unknown as { options: object }).options]).toEqual([
      1,
      options,
    ])
  })

  test('passes an answer on as it is, where there is nothing to say', async () => {
    const answer = Response.redirect('http://localhost/there')
    expect(await withSession(sessions, () => answer)(new Request(here))).toBe(answer)
  })

  test.each([
    ['as Deno has it, is returned', {}, 101],
    ['of Workers, which has the socket, is none yet', { webSocket: {} }, 503],
  ])('a response that opens a WebSocket and cannot be saved for: one %s', async (_which, more, status) => {
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    onTestFinished(() => void warning.mockRestore())
    // A double: Node makes no response with this status.
    const response = Object.defineProperty(Object.assign(new Response(), more), 'status', { value: 101 })
    const upgrade = withSession(sessions, (_request, session) => {
      session.views = 1
      return response
    })
    store.broken.add('create')
    expect((await upgrade(new Request(here, { headers: { upgrade: 'websocket' } }))).status).toBe(status)
    store.broken.clear()
  })

  test.each(['as Deno', 'as Bun'])(
    'what could not be saved as a WebSocket opened is saved from it, %s has it',
    async (runtime) => {
      const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      onTestFinished(() => void warning.mockRestore())
      let ofSocket: Session | undefined
      const upgrade = withSession(sessions, (_request, session) => {
        ofSocket = session
        session.views = 1
        // A double: Node makes no response with this status.
        return runtime === 'as Bun' ? undefined : Object.defineProperty(new Response(), 'status', { value: 101 })
      })
      const { session, headers } = await sessions.create({ userId: 'ada' })
      store.broken.add('patch')
      await upgrade(new Request(here, { headers: { ...headers, upgrade: 'websocket' } }))
      store.broken.clear()
      expect(() => ofSocket?.signIn('eve')).toThrow(expect.objectContaining({ code: 'headers_sent' }))
      await ofSocket?.save()
      expect(await session.reload().then(() => session.views)).toBe(1)
    },
  )

  test.each([
    ['as Bun has it', () => undefined],
    ['as Hono has it on Node', () => new Response()],
  ])(
    'what is written from a WebSocket is saved, though its token was renewed since, %s',
    async (_runtime, answered) => {
      let ofSocket: Session | undefined
      const upgrade = withSession(sessions, (_request, session) => {
        ofSocket = session
        return answered()
      })
      const { cookie, headers } = await sessions.create({ userId: 'ada' })
      await upgrade(new Request(here, { headers: { ...headers, upgrade: 'websocket' } }))
      const renewed = await sessions.load({ cookie })
      renewed.renew()
      await sessions.commit(renewed)
      Object.assign(ofSocket as Session, { views: 1 })
      expect(await ofSocket?.save()).toBe(true)
    },
  )

  test('saves for a handler that answers with nothing, as Bun wants it where the connection has become a WebSocket', async () => {
    const upgrade = withSession(sessions, (_request, session, isUpgraded: boolean) => {
      view(session)
      return isUpgraded ? undefined : new Response()
    })
    const { session, headers } = await sessions.create()
    expect(await upgrade(new Request(here, { headers }), true)).toBeUndefined()
    expect(await session.reload().then(() => session.views)).toBe(1)
    store.broken.add('patch')
    expect((await upgrade(new Request(here, { headers }), true))?.status).toBe(503)
    expectTypeOf(upgrade).toEqualTypeOf<(request: Request, isUpgraded: boolean) => Promise<Response | undefined>>()
  })

  test.each([
    ['https://shop.example/', {}, '__Host-session='],
    ['http://shop.example/', {}, undefined],
    // Next.js gives its own address, wherever the request was sent to.
    ['http://localhost:3000/', { host: 'shop.example' }, undefined],
    ['http://localhost:3000/', { 'x-forwarded-for': '203.0.113.9' }, undefined],
    ['http://localhost:3000/', { 'x-forwarded-for': '::1', 'x-forwarded-proto': 'http' }, 'session='],
  ])('%s with %o sends %s', async (url, headers, expected) => {
    const [cookie] = (await answer(new Request(url, { headers }))).headers.getSetCookie()
    expect(cookie?.slice(0, expected?.length)).toBe(expected)
  })

  test('is told of TLS and of the client by the app', async () => {
    const refused: unknown[] = []
    const sessions = createSessions({ store })
    sessions.on('refused', ({ address }) => refused.push(address))
    const answer = withSession(sessions, (_request, session, _server: { ip: string }) => new Response(view(session)), {
      secure: (request) => request.headers.get('x-forwarded-proto') === 'https',
      address: (_request, { ip }) => ip,
    })
    const headers = { 'x-forwarded-proto': 'https', cookie: `__Host-session=${'a'.repeat(64)}` }
    const response = await answer(new Request('http://10.0.0.1/', { headers }), { ip: '203.0.113.9' })
    expect(response.headers.getSetCookie()[0]).toMatch(/^__Host-session=/)
    expect(refused).toEqual(['203.0.113.9'])
  })

  test('asks where a visitor comes from only when it matters', async () => {
    const address = vi.fn(() => '203.0.113.9')
    await withSession(sessions, (_request, session) => new Response(view(session)), { address })(new Request(here))
    expect(address).not.toHaveBeenCalled()
    const signIn = (_request: Request, session: Session) => {
      session.signIn('bob')
      return new Response()
    }
    await withSession(sessions, signIn, { address })(new Request(here))
    expect(address).toHaveBeenCalledOnce()
  })

  test('is typed', () => {
    withSession(sessions, (request, session) => {
      expectTypeOf(request).toEqualTypeOf<Request>()
      expectTypeOf(session).toEqualTypeOf<Session<SessionData>>()
      return new Response()
    })
    const own = withSession(createSessions<{ items: string[] }>(), (_request, session) => {
      expectTypeOf(session.items).toEqualTypeOf<string[] | undefined>()
      return new Response()
    })
    expectTypeOf(own).toEqualTypeOf<(request: Request) => Promise<Response>>()
  })
})

describe('a handler within another, with the same sessions', () => {
  const counted = withSession(sessions, (_request, session) => new Response(view(session)))

  test('has the same session, whose one cookie comes with what the outer one returns', async () => {
    const page = withSession(sessions, requireUser({}, counted))
    const login = withSession(sessions, async (request, session) => {
      session.signIn('alice')
      return new Response(`${await (await counted(request)).text()} ${await (await page(request)).text()}`)
    })
    const response = await login(new Request(here))
    const [cookie = '', ...more] = response.headers.getSetCookie()
    expect([await response.text(), more]).toEqual(['1 2', []])
    expect(await (await page(new Request(here, { headers: { cookie } }))).text()).toBe('3')
  })

  test('also where one with other sessions is between them', async () => {
    const other = withSession(createSessions({ store, cookie: { name: 'other' } }), (request, session) => {
      session.views = 7
      return counted(request)
    })
    const outer = withSession(sessions, async (request, session) => {
      const inner = await other(request)
      return new Response(`${await inner.text()} ${session.views}`, inner)
    })
    const response = await outer(new Request(here))
    expect(await response.text()).toBe('1 1')
    expect(response.headers.getSetCookie().map((line) => line.split('=', 1)[0])).toEqual(['other', 'session'])
  })

  test.each<[string, () => Promise<Response>]>([
    ['answered', async () => new Response()],
    ['failed', () => Promise.reject(new Error('lost'))],
  ])('but a session of its own where the other has %s already', async (_what, answer) => {
    const request = new Request(here)
    await withSession(sessions, answer)(request).catch(() => {})
    expect((await counted(request)).headers.getSetCookie()).toHaveLength(1)
  })

  test('leaves a store that fails to the outer one', async () => {
    const inner = withSession(sessions, async (_request, session) => {
      session.views = 1
      await session.save()
      return new Response()
    })
    const outer = withSession(sessions, (request) => inner(request), { onError: () => new Response('outer') })
    store.broken.add('create')
    expect(await (await outer(new Request(here))).text()).toBe('outer')
    expect(logged).not.toHaveBeenCalled()
  })
})

describe('an answer', () => {
  const setCookies = async (response: () => Response) => {
    const answer = withSession(sessions, (_request, session) => {
      session.views = 1
      return response()
    })
    const answered = await answer(new Request(here))
    return [answered.status, answered.headers.getSetCookie().length, await answered.text()]
  }

  test.each<[string, () => Response, [status: number, cookies: number, text: string]]>([
    ['that redirects', () => Response.redirect('http://localhost/there', 303), [303, 1, '']],
    ['that streams', () => new Response(streamOf(['a', 'b'])), [200, 1, 'ab']],
    ['of others’ cookies', () => new Response('', { headers: { 'set-cookie': 'theirs=1' } }), [200, 2, '']],
    ['that may have no body', () => new Response(null, { status: 204 }), [204, 1, '']],
    ['that is a network error', () => Response.error(), [0, 0, '']],
  ])('%s', async (_name, response, expected) => {
    expect(await setCookies(response)).toEqual(expected)
  })

  test('that is a constant does not bring one visitor’s cookie to the next', async () => {
    const noContent = new Response(null, { status: 204 })
    const answer = withSession(sessions, (request, session) => {
      if (new URL(request.url).pathname === '/login') session.signIn('alice')
      return noContent
    })
    const login = () => answer(new Request('http://localhost/login'))
    expect((await login()).headers.getSetCookie()).toHaveLength(1)
    expect((await login()).headers.getSetCookie()).toHaveLength(1)
    expect((await answer(new Request(here))).headers.getSetCookie()).toEqual([])
  })

  test('of another server', async () => {
    // As `fetch` returns it.
    const response = new Response('theirs', { headers: { vary: 'Accept' } })
    const headers = new Proxy(response.headers, {
      get(target, name) {
        if (['set', 'append', 'delete'].includes(String(name))) throw new TypeError('immutable')
        const value = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    Object.defineProperty(response, 'headers', { value: headers })
    expect(await setCookies(() => response)).toEqual([200, 1, 'theirs'])
  })

  test('that streams is handed on untouched, and may change the session while it runs', async () => {
    const { cookie } = await sessions.create({ userId: 'late' })
    const body = (session: Session) => streamOf(lateParts(session))
    const answer = withSession(sessions, (_request, session) => new Response(body(session)))
    const response = await answer(new Request(here, { headers: { cookie } }))
    expect(await response.text()).toBe('first second')
    await turn()
    await turn()
    expect((await sessions.load({ cookie })).late).toBe('yes')
  })

  test('that streams may change the session also while it is being saved', async () => {
    const { cookie } = await sessions.create({ userId: 'late' })
    const answer = withSession(sessions, (_request, session) => {
      session.views = 7
      // The save begins when the response is handed on, two turns of the event loop before it is done.
      setImmediate(() => {
        session.late = 'yes'
      })
      return new Response(streamOf(['a']))
    })
    await answer(new Request(here, { headers: { cookie } }))
    expect({ ...(await sessions.load({ cookie })) }).toEqual({ views: 7, late: 'yes' })
  })

  test('cannot begin a session while it streams', async () => {
    const answer = withSession(sessions, (_request, session) => new Response(streamOf(lateParts(session))))
    const response = await answer(new Request(here))
    await expect(response.text()).rejects.toMatchObject({ code: 'headers_sent' })
  })
})

describe('a handler that throws', () => {
  test('is left to its runtime, and saves nothing', async () => {
    const redirect = Object.assign(new Error('NEXT_REDIRECT'), { digest: 'NEXT_REDIRECT;/' })
    const answer = withSession(sessions, (_request, session) => {
      session.signIn('thrown')
      throw redirect
    })
    await expect(answer(new Request(here))).rejects.toBe(redirect)
    expect((await sessions.list({ userId: 'thrown' })).sessions).toEqual([])
  })

  test('a response has it thrown on with the cookie, as if it had been returned', async () => {
    const inner = withSession(sessions, (_request, session) => {
      session.signIn('redirected')
      throw Response.redirect('http://localhost/there', 303)
    })
    for (const answer of [inner, withSession(sessions, inner)]) {
      const thrown: unknown = await answer(new Request(here)).catch((thrown: unknown) => thrown)
      if (!(thrown instanceof Response)) throw new Error('no response was thrown', { cause: thrown })
      expect([thrown.status, thrown.headers.get('location')]).toEqual([303, 'http://localhost/there'])
      const [cookie] = thrown.headers.getSetCookie()
      expect((await sessions.load({ cookie, secure: false, host: 'localhost' })).userId).toBe('redirected')
    }
    store.broken.add('create')
    expect((await inner(new Request(here))).status).toBe(503)
  })

  test('an error of the session has it answered, and saved what was said before', async () => {
    const answer = withSession(sessions, (_request, session) => {
      session.signIn('alice')
      throw new SojournError('stale_authentication', 'sign in again')
    })
    const response = await answer(new Request(here))
    expect([response.status, await response.text()]).toEqual([401, 'sign in again'])
    expect(response.headers.getSetCookie()).toHaveLength(1)
    expect(logged).not.toHaveBeenCalled()
  })
})

describe('a store that fails', () => {
  test('to read keeps the handler from running, and is answered with 503', async () => {
    const { cookie } = await sessions.create({ userId: 'alice' })
    let ran = false
    const answer = withSession(sessions, () => {
      ran = true
      return new Response()
    })
    store.broken.add('read')
    const response = await answer(new Request(here, { headers: { cookie } }))
    expect([response.status, ran]).toEqual([503, false])
    expect(logged).toHaveBeenCalledOnce()
  })

  test('and other errors too: what onError throws on is not offered to it once more', async () => {
    const offered: unknown[] = []
    const onError = (error: unknown) => {
      offered.push(error)
      throw error
    }
    const answer = withSession(
      sessions,
      requireUser({}, () => new Response()),
      { onError },
    )
    await expect(answer(new Request(here))).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(offered).toHaveLength(1)
  })

  test('to write leaves nothing of the answer', async () => {
    let cancelled = false
    const answer = withSession(sessions, (_request, session) => {
      session.signIn('alice')
      const body = new ReadableStream({
        cancel() {
          cancelled = true
        },
      })
      return new Response(body, { headers: { etag: '"1"' } })
    })
    store.broken.add('create')
    const response = await answer(new Request(here))
    expect([response.status, [...response.headers.keys()]]).toEqual([503, ['cache-control', 'content-type']])
    expect(cancelled).toBe(true)
  })

  test.each<[string, (session: Session) => unknown]>([
    ['destroy()', (session) => session.destroy()],
    ['signOut()', (session) => session.signOut()],
    ['regenerate()', (session) => session.regenerate()],
    ['a sign-in as another user', (session) => session.signIn('bob')],
  ])('to write ends no session by what comes after: %s', async (_, end) => {
    const { cookie } = await sessions.create({ userId: 'alice' })
    const answer = withSession(sessions, async (_request, session) => {
      session.views = 1
      await session.save().catch(() => end(session))
      return new Response('sorry', { status: 503 })
    })
    store.broken.add('patch')
    const response = await answer(new Request(here, { headers: { cookie } }))
    expect([response.status, await response.text()]).toEqual([503, 'sorry'])
    expect(response.headers.getSetCookie()).toEqual([])
    expect(response.headers.has('clear-site-data')).toBe(false)
    store.broken.clear()
    expect((await sessions.load({ cookie })).userId).toBe('alice')
  })

  test('is answered once, as the app wishes', async () => {
    const codes: unknown[] = []
    const answer = withSession(
      sessions,
      async (_request, session) => {
        session.views = 1
        await session.save()
        return new Response()
      },
      {
        onError(error, request) {
          codes.push(isSojournError(error) && error.code)
          return new Response(`sorry: ${request.url}`, { status: 500 })
        },
      },
    )
    store.broken.add('create')
    expect(await (await answer(new Request(here))).text()).toBe(`sorry: ${here}`)
    expect(codes).toEqual(['store_unavailable'])
  })

  test('while an answer streams can only be reported', async () => {
    const { cookie } = await sessions.create({ userId: 'late' })
    const answer = withSession(sessions, (_request, session) => new Response(streamOf(lateParts(session))))
    const response = await answer(new Request(here, { headers: { cookie } }))
    store.broken.add('patch')
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    expect(await response.text()).toBe('first second')
    expect((await warned).message).toContain('after its response had begun was lost')
  })
})

describe('requireUser', () => {
  const profile = withSession(
    sessions,
    requireUser({ redirect: '/login' }, (_request, session) => new Response(`${session.userId}`)),
  )

  test('sends a stranger to sign in, and back', async () => {
    const response = await profile(new Request('http://localhost/profile?tab=1'))
    const location = response.headers.get('location') ?? ''
    expect([response.status, location]).toEqual([302, '/login?returnTo=%2Fprofile%3Ftab%3D1'])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('vary')).toBe('Cookie')
    expect(returnPath(new Request(`http://localhost${location}`))).toBe('/profile?tab=1')
  })

  test('answers a program with 401, and lets a user in', async () => {
    const refused = await profile(new Request('http://localhost/profile', { method: 'POST' }))
    expect([refused.status, await refused.text()]).toEqual([401, 'This needs a signed-in user'])
    const { cookie } = await sessions.create({ userId: 'alice' })
    expect(await (await profile(new Request(here, { headers: { cookie } }))).text()).toBe('alice')
  })

  test('asks for a recent sign-in where it matters', async () => {
    let now = Date.now()
    const sessions = createSessions({ store, clock: () => now })
    const { cookie } = await sessions.create({ userId: 'alice' })
    const change = withSession(
      sessions,
      requireFresh({ within: '10m' }, () => new Response('changed')),
    )
    expect((await change(new Request(here, { headers: { cookie } }))).status).toBe(200)
    now += 600_000
    expect((await change(new Request(here, { headers: { cookie } }))).status).toBe(401)
  })
})

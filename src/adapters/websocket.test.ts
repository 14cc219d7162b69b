import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect as connectTo } from 'node:net'
import { type ServerOptions, Server as SocketIoServer } from 'socket.io'
import { io, type Socket as SocketIoClient } from 'socket.io-client'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { deferred } from '../../test/harness/gatekeeper.js'
import { memoryStore } from '../core/memory-store.js'
import type { SessionsOptions } from '../core/options.js'
import type { Session } from '../core/session.js'
import { createSessions, type Sessions } from '../core/sessions.js'
import type { SessionStore } from '../core/store.js'
import { cookieStore } from '../stores/cookie.js'
import { session as expressSession } from './express.js'
import { withSession } from './fetch.js'
import { type SocketSessionsOptions, socketSessions } from './websocket.js'

interface Data {
  n: number
}
type Visitor = Session<Data>

let store: SessionStore
let sessions: Sessions<Data>
let server: Server
let port: number
let opened: Visitor[]
let now: number
const clients: WebSocket[] = []

beforeEach(() => {
  store = memoryStore()
  now = Date.now()
  opened = []
  sessions = make()
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate()
  server?.closeAllConnections()
  await new Promise((resolve) => server?.close(resolve))
  await sessions.close()
})

const make = (options: SessionsOptions = {}) => createSessions<Data>({ store, clock: () => now, ...options })

async function serve(
  options: SocketSessionsOptions = {},
  from: Sessions<Data> = sessions,
  attend: (socket: WebSocket) => void = () => {},
  rest: { maxPayload?: number } = {},
): Promise<void> {
  const sockets = socketSessions(from, options)
  const webSockets = new WebSocketServer({ ...rest, noServer: true })
  webSockets.on('connection', (socket, request) => {
    const session = sockets.sessionOf(request)
    opened.push(session)
    attend(socket)
    socket.on('message', (text) => socket.send(`${session.userId}: ${text}`))
  })
  server = createServer().on('upgrade', sockets.upgrade(webSockets)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  port = (server.address() as AddressInfo).port
}

async function connect(cookie = '', headers: Record<string, string> = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers: { cookie, ...headers } })
  clients.push(socket)
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return socket
}
const closing = (socket: WebSocket) => new Promise<number>((resolve) => socket.once('close', resolve))
const answer = (socket: WebSocket, text: string) =>
  new Promise<string>((resolve) => {
    socket.once('message', (data) => resolve(String(data)))
    socket.send(text)
  })

describe('ws', () => {
  test('the session is that of the upgrade', async () => {
    await serve()
    const { cookie } = await sessions.create({ userId: 'alice' })
    expect(await answer(await connect(cookie), 'hi')).toBe('alice: hi')
    expect(await answer(await connect(), 'hi')).toBe('null: hi')
  })

  test('over plain HTTP no session travels but on a loopback host', async () => {
    await serve()
    const { cookie } = await sessions.create({ userId: 'alice' })
    expect(await answer(await connect(cookie, { host: 'localhost' }), 'hi')).toBe('alice: hi')
    expect(await answer(await connect(cookie, { host: 'app.example.com' }), 'hi')).toBe('null: hi')
  })

  test.each<[string, Record<string, string>, boolean]>([
    ['no browser', {}, true],
    ['the own origin', { origin: 'OWN' }, true],
    ['an allowed origin', { origin: 'https://app.example.com' }, true],
    ['another origin', { origin: 'https://evil.example' }, false],
    ['a page without an origin', { origin: 'null' }, false],
  ])('from %s', async (_what, headers, passes) => {
    await serve({ origins: ['https://app.example.com'] })
    const origin = headers.origin === 'OWN' ? `http://127.0.0.1:${port}` : headers.origin
    const attempt = connect('', origin === undefined ? {} : { origin })
    if (passes) await attempt
    else await expect(attempt).rejects.toThrow(/403/)
  })

  test.each<[string, string, number]>([
    ['is let in, if it is on the list of the sockets', 'https://app.example.com', 101],
    ['is refused, though it may send requests', 'https://other.example.com', 403],
  ])('beside a check of each request, a page %s', async (_what, origin, status) => {
    const strict = make({ crossOrigin: { trusted: ['https://other.example.com'] } })
    await serve({ origins: ['https://app.example.com'] }, strict)
    const attempt = connect('', { origin, 'sec-fetch-site': 'same-site' }).then(() => 101, String)
    expect(String(await attempt)).toContain(String(status))
  })

  test('strangers can be refused, and an outage is seen', async () => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => logged.mockRestore())
    await serve({ requireUser: true })
    await expect(connect()).rejects.toThrow(/401/)
    const { cookie } = await sessions.create({ userId: 'alice' })
    await connect(cookie)
    expect(logged).not.toHaveBeenCalled()
    store.read = () => {
      throw new Error('down')
    }
    await expect(connect(cookie)).rejects.toThrow(/503/)
    expect(logged.mock.calls).toEqual([[expect.objectContaining({ code: 'store_unavailable' })]])
  })

  test('an outage keeps who has a session out, though requests may pass as a stranger’s, and the next attempt finds it', async () => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => logged.mockRestore())
    await serve({}, make({ onStoreError: 'anonymous' }))
    const { cookie } = await sessions.create({ userId: 'alice' })
    const read = vi.spyOn(store, 'read').mockRejectedValue(new Error('down'))
    await expect(connect(cookie)).rejects.toThrow(/503/)
    expect(await answer(await connect(), 'hi')).toBe('null: hi')
    read.mockRestore()
    expect(await answer(await connect(cookie), 'hi')).toBe('alice: hi')
  })

  test('an error of the app refuses with 500, and is printed', async () => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => logged.mockRestore())
    const mistake = new Error('my mistake')
    const secure = () => {
      throw mistake
    }
    await serve({ secure })
    await expect(connect()).rejects.toThrow(/500/)
    expect(logged.mock.calls).toEqual([[mistake]])
  })

  test.each<[string, (socket: WebSocket) => void, number]>([
    ['a frame that is too large', (socket) => socket.send('x'.repeat(2000)), 1009],
    ['an invalid frame', (socket) => Reflect.get(socket, '_socket').write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0])), 1002],
  ])('%s closes its socket, and nothing else', async (_what, send, code) => {
    const crashed = vi.fn()
    process.on('uncaughtExceptionMonitor', crashed)
    onTestFinished(() => void process.off('uncaughtExceptionMonitor', crashed))
    await serve({}, sessions, () => {}, { maxPayload: 1000 })
    const [socket, other] = [await connect(), await connect()]
    const closed = closing(socket)
    send(socket)
    expect(await closed).toBe(code)
    expect(await answer(other, 'hi')).toBe('null: hi')
    expect(crashed).not.toHaveBeenCalled()
  })

  test('a refused client cannot hold its connection open', async () => {
    await serve({ requireUser: true })
    const held = new Promise<void>((resolve) => {
      server.once('connection', (socket) => socket.once('close', () => resolve()))
    })
    const socket = connectTo({ host: '127.0.0.1', port, allowHalfOpen: true })
    onTestFinished(() => void socket.destroy())
    const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
    socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    const [head = '', body] = String(Buffer.concat(chunks)).split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/)
    expect(head).toMatch(/\r\nContent-Type: text\/plain; charset=utf-8$/)
    expect(body).toBe('This needs a signed-in user')
    await held
  })

  test('a refused client is told that a bearer token is wanted', async () => {
    await serve({ requireUser: true }, make({ transport: { header: 'authorization' } }))
    const socket = new WebSocket(`ws://127.0.0.1:${port}`)
    clients.push(socket)
    socket.on('error', () => {}) // it never opens
    const { statusCode, headers } = await new Promise<IncomingMessage>((resolve) =>
      socket.once('unexpected-response', (_request, response) => resolve(response)),
    )
    expect([statusCode, headers['www-authenticate']]).toEqual([401, 'Bearer'])
  })

  test.each<[string, SocketSessionsOptions['address'], number]>([
    ['is not known behind a proxy, which is no change', undefined, 0],
    ['is what the app says', () => '203.0.113.20', 0],
    ['tells of another network', () => '198.51.100.7', 1],
  ])('the address of the client %s', async (_what, address, changes) => {
    const signIn = withSession(
      sessions,
      (_request, session) => {
        session.signIn('alice')
        return new Response()
      },
      { address: () => '203.0.113.9' },
    )
    const [cookie = ''] = (await signIn(new Request('https://shop.example/'))).headers.getSetCookie()
    const changed = vi.fn()
    sessions.on('bindingChanged', changed)
    await serve({ secure: () => true, ...(address ? { address } : {}) })
    const proxied = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' }
    expect(await answer(await connect(cookie.split(';', 1)[0], proxied), 'hi')).toBe('alice: hi')
    expect(changed).toHaveBeenCalledTimes(changes)
  })

  test('a header brings the token where that is the transport', async () => {
    const inHeader = make({ transport: { header: 'authorization' } })
    await serve({}, inHeader)
    const { headers } = await inHeader.create({ userId: 'alice' })
    const { cookie } = await sessions.create({ userId: 'bob' })
    expect(await answer(await connect('', headers), 'hi')).toBe('alice: hi')
    expect(await answer(await connect(cookie), 'hi')).toBe('null: hi')
  })

  test('save and update work while it is open; what needs a cookie does not', async () => {
    await serve()
    const { cookie } = await sessions.create({ userId: 'alice', values: { n: 1 } })
    await connect(cookie)
    const [session] = opened as [Visitor]
    await session.update('n', (n = 0) => n + 1)
    session.n = (session.n ?? 0) + 1
    expect(await session.save()).toBe(true)
    expect((await sessions.load({ cookie })).n).toBe(3)
    expect(() => session.signIn('bob')).toThrow(expect.objectContaining({ code: 'headers_sent' }))
  })

  test('and go on working when the token was renewed meanwhile, but not when another user signed in', async () => {
    await serve()
    const { cookie } = await sessions.create({ userId: 'alice' })
    await connect(cookie)
    const [session] = opened as [Visitor]
    const request = await sessions.load({ cookie })
    request.renew()
    const [setCookie] = await sessions.commit(request)
    session.n = 5
    expect(await session.save()).toBe(true)
    const renewed = setCookie?.split(';', 1)[0] ?? ''
    const again = await sessions.load({ cookie: renewed })
    expect(again.n).toBe(5)
    now += 1000
    again.signIn('alice')
    await sessions.commit(again)
    session.n = 6
    expect(await session.save()).toBe(false)
  })

  test('a sealed session can be read while it is open, and not be changed', async () => {
    sessions = make({ store: cookieStore({ secrets: 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e' }) })
    await serve()
    const { cookie } = await sessions.create({ userId: 'alice', values: { n: 1 } })
    expect(await answer(await connect(cookie), 'hi')).toBe('alice: hi')
    const [session] = opened as [Visitor]
    const refusal = expect.objectContaining({ code: 'headers_sent' })
    expect(() => {
      session.n = 2
    }).toThrow(refusal)
    expect(() => session.touch()).toThrow(refusal)
    await expect(session.update('n', () => 2)).rejects.toThrow(refusal)
    await expect(session.take('n')).rejects.toThrow(refusal)
    expect(session.n).toBe(1)
  })

  describe('and log nobody out, where the token is renewed now and then', () => {
    let cookie: string
    beforeEach(async () => {
      sessions = make({ lifetime: { renewal: { every: '1h', overlap: '1m' } } })
      cookie = (await sessions.create({ userId: 'alice' })).cookie
      await serve()
    })
    /** A request of the browser, which gets the response or does not. */
    async function visit({ isLost = false } = {}): Promise<string | null> {
      const session = await sessions.load({ cookie, secure: false, host: 'localhost' })
      const [setCookie] = await sessions.commit(session)
      if (setCookie && !isLost) cookie = setCookie.split(';', 1)[0] as string
      return session.userId
    }
    async function writeOnAll(): Promise<void> {
      for (const session of opened) {
        session.n = (session.n ?? 0) + 1
        expect(await session.save()).toBe(true)
      }
    }

    test('when a connection is opened as it is due, and writes after the next request', async () => {
      const before = cookie
      for (let hour = 0; hour < 5; hour++) {
        now += 3_600_000
        await connect(cookie)
        expect(await visit()).toBe('alice')
        await writeOnAll()
        now += 120_000
        expect(await visit()).toBe('alice')
      }
      expect(cookie).not.toBe(before)
    })

    test('when a connection is the first to bring the new token, and the next one is lost on its way', async () => {
      now += 3_600_000
      expect(await visit()).toBe('alice')
      await connect(cookie)
      expect(await visit()).toBe('alice')
      now += 3_600_000
      expect(await visit({ isLost: true })).toBe('alice')
      await writeOnAll()
      expect(await visit()).toBe('alice')
    })

    test('and the old token is dead soon after a connection has brought the new one', async () => {
      const old = cookie
      now += 3_600_000
      await visit()
      await connect(cookie)
      now += 61_000
      cookie = old
      expect(await visit()).toBe(null)
    })
  })

  test('traffic keeps the session alive, one write for each tenth of the idle timeout', async () => {
    await serve()
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const socket = await connect(cookie)
    const patch = vi.spyOn(store, 'patch')
    for (let hour = 0; hour < 48; hour++) {
      now += 3_600_000
      await answer(socket, 'still here')
      await vi.waitFor(async () =>
        expect((await store.read(session.id))?.expiresAt).toBeGreaterThan(now + 20 * 3_600_000),
      )
    }
    expect(patch.mock.calls.length).toBeGreaterThan(10)
    expect(patch.mock.calls.length).toBeLessThanOrEqual(20)
  })

  test('messages in an outage queue no writes one behind another', async () => {
    await serve()
    const { cookie } = await sessions.create({ userId: 'alice' })
    const socket = await connect(cookie)
    now += 12 * 3_600_000
    const calls: ReturnType<typeof deferred>[] = []
    vi.spyOn(store, 'patch').mockImplementation(() => {
      const call = deferred()
      calls.push(call)
      return call.promise as never
    })
    for (let message = 0; message < 30; message++) await answer(socket, 'still here')
    expect(calls).toHaveLength(1)
    calls[0]?.reject(new Error('the store is down'))
    await vi.waitFor(() => expect(calls).toHaveLength(2))
    calls[1]?.reject(new Error('the store is down'))
    await sessions.close()
    expect(calls).toHaveLength(2)
  })

  test('is closed when the session is ended in this process', async () => {
    await serve()
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const sockets = [await connect(cookie), await connect(cookie)]
    const other = await connect((await sessions.create({ userId: 'bob' })).cookie)
    const closed = Promise.all(sockets.map(closing))
    await sessions.end(session.id)
    expect(await closed).toEqual([4401, 4401])
    expect(other.readyState).toBe(WebSocket.OPEN)
  })

  test('brings nothing any more once the session has ended, though its client does not close it', async () => {
    const heard: string[] = []
    let pinged = () => {}
    await serve({}, sessions, (socket) => {
      socket.on('message', (text) => heard.push(String(text)))
      socket.on('ping', () => pinged())
    })
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const socket = await connect(cookie)
    await answer(socket, 'before')
    // So it does not even read that it is to close.
    socket.pause()
    await sessions.end(session.id)
    socket.send('after')
    const arrived = new Promise<void>((resolve) => {
      pinged = resolve
    })
    socket.ping()
    await arrived
    expect(heard).toEqual(['before'])
  })

  test('is closed when the session is ended in another process, and the store can tell', async () => {
    let tell: (id: string | null) => void = () => {}
    const stop = vi.fn()
    store.watch = (ended) => {
      tell = ended
      return stop
    }
    await serve()
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const told = closing(await connect(cookie))
    await store.delete(session.id)
    tell(session.id)
    expect(await told).toBe(4401)
    const second = await sessions.create({ userId: 'alice' })
    const missed = closing(await connect(second.cookie))
    await store.delete(second.session.id)
    tell(null)
    expect(await missed).toBe(4401)
    await sessions.close()
    expect(stop).toHaveBeenCalledOnce()
  })

  test('is closed within five seconds when the store cannot tell', async () => {
    await serve()
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const socket = await connect(cookie)
    const closed = closing(socket)
    await store.delete(session.id)
    const start = Date.now()
    expect(await closed).toBe(4401)
    expect(Date.now() - start).toBeLessThan(6500)
  })

  test('is closed when the session expires', async () => {
    sessions = createSessions<Data>({ store, lifetime: { idle: 400 } })
    await serve({}, sessions)
    const { cookie } = await sessions.create({ userId: 'alice' })
    expect(await closing(await connect(cookie))).toBe(4401)
  })
})

describe('Socket.IO', () => {
  let served: SocketIoServer
  afterEach(() => served.close())

  async function serveSocketIo(options: SocketSessionsOptions = {}, rest: Partial<ServerOptions> = {}) {
    server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    port = (server.address() as AddressInfo).port
    const sockets = socketSessions(sessions, options)
    served = new SocketIoServer(server, rest)
    served.use((socket, next) => sockets.socketIo(socket, next))
    served.on('connection', (socket) => {
      socket.on('who', (reply: (user: string) => void) => reply(socket.data.session.userId))
      socket.on('count', async (reply: (n: number) => void) => {
        reply(await socket.data.session.update('n', (n = 0) => n + 1))
      })
    })
    return sockets
  }
  const client = (
    cookie: string,
    headers: Record<string, string> = {},
    auth: Record<string, boolean> = {},
    reconnection = false,
  ): SocketIoClient => {
    const extraHeaders = { cookie, ...headers }
    const options = { extraHeaders, auth, reconnection, reconnectionDelay: 10, forceNew: true }
    return io(`http://127.0.0.1:${port}`, options)
  }
  const refusal = (socket: SocketIoClient) => refused(socket).then(({ message }) => message)
  const refused = (socket: SocketIoClient) =>
    new Promise<Error & { data?: unknown }>((resolve) => socket.once('connect_error', resolve))

  test('as middleware of its engine, the session of Express is saved, and leaves the socket open', async () => {
    const slow: SessionStore = { ...store, patch: async (id, patch) => store.patch(id, patch) }
    const { cookie, session: created } = await sessions.create({ userId: 'alice', values: { n: 1 } })
    await serveSocketIo()
    const middleware = expressSession(make({ store: slow }))
    served.engine.use((request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
      middleware(request, response, (error) => {
        const { session } = request as IncomingMessage & { session: Visitor }
        session.n = 2
        next(error)
      })
    })
    const options = { transports: ['websocket'], extraHeaders: { cookie }, reconnection: false }
    const socket = io(`http://127.0.0.1:${port}`, options)
    const lost = vi.fn()
    socket.on('connect_error', lost).on('disconnect', lost)
    await vi.waitFor(async () => expect((await store.read(created.id))?.values.n).toBe('2'))
    await expect(socket.emitWithAck('who')).resolves.toBe('alice')
    expect(lost).not.toHaveBeenCalled()
    socket.close()
  })

  test('the session is socket.data.session, and its end closes the socket', async () => {
    await serveSocketIo({ requireUser: true })
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const visitor = client(cookie)
    expect(await visitor.emitWithAck('who')).toBe('alice')
    const gone = new Promise((resolve) => visitor.once('disconnect', resolve))
    await sessions.end(session.id)
    expect(await gone).toBe('io server disconnect')
    expect(await refusal(client(''))).toMatch(/signed-in user/)
  })

  test('pages of other origins are refused, but for those on the list', async () => {
    await serveSocketIo({ origins: ['https://app.example.com'] })
    const { cookie } = await sessions.create({ userId: 'alice' })
    const listed = client(cookie, { origin: 'https://app.example.com' })
    expect(await listed.emitWithAck('who')).toBe('alice')
    expect(await refusal(client(cookie, { origin: 'https://evil.example' }))).toMatch(
      /another origin .* was refused. If it is yours, add its origin to origins of socketSessions/,
    )
    listed.close()
  })

  test('of an outage a client learns no more than that there is one', async () => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => logged.mockRestore())
    await serveSocketIo()
    const { cookie } = await sessions.create({ userId: 'alice' })
    store.read = () => {
      throw new Error('connect ECONNREFUSED 10.0.0.5:6379')
    }
    expect(await refusal(client(cookie))).toBe('The server cannot answer at present')
    expect(logged.mock.calls).toEqual([[expect.objectContaining({ code: 'store_unavailable' })]])
  })

  test.each<[number, SocketSessionsOptions, Record<string, string>]>([
    [401, { requireUser: true }, {}],
    [403, {}, { origin: 'https://evil.example' }],
    [503, {}, {}],
  ])('a client that is refused learns the status %i', async (status, options, headers) => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => logged.mockRestore())
    await serveSocketIo(options)
    const { cookie } = await sessions.create({ userId: 'alice' })
    store.read = () => {
      throw new Error('down')
    }
    expect(await refused(client(status === 503 ? cookie : '', headers))).toMatchObject({ data: { status } })
  })

  test('what other middleware refuses, and what has left again, costs nothing more', async () => {
    let tell: (id: string | null) => void = () => {}
    store.watch = (ended) => {
      tell = ended
      return () => {}
    }
    await serveSocketIo()
    served.use((socket, next) => next(socket.handshake.auth.isWelcome ? undefined : new Error('not you')))
    served.prependListener('connection', (socket) => socket.handshake.auth.isBrief && socket.disconnect())
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const stays = client(cookie, {}, { isWelcome: true })
    expect(await stays.emitWithAck('who')).toBe('alice')
    for (let turn = 0; turn < 3; turn++) expect(await refusal(client(cookie))).toBe('not you')
    const brief = client(cookie, {}, { isWelcome: true, isBrief: true })
    await new Promise((resolve) => brief.once('disconnect', resolve))
    const read = vi.spyOn(store, 'read')
    tell(null)
    expect(read.mock.calls).toEqual([[session.id]])
    stays.close()
  })

  test('who is recovered past all middleware has a session that lives, or is not let in', async () => {
    await serveSocketIo({ requireUser: true }, { connectionStateRecovery: {} })
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const visitor = client(cookie, {}, {}, true)
    const connected = () => new Promise((resolve) => visitor.once('connect', () => resolve(visitor.recovered)))
    const dropped = () => new Promise((resolve) => visitor.once('disconnect', resolve))
    await connected()
    // From then on there is something to be recovered.
    served.emit('hello')
    await new Promise((resolve) => visitor.once('hello', resolve))
    visitor.io.engine.close()
    expect(await connected()).toBe(true)
    expect(await visitor.emitWithAck('who')).toBe('alice')
    served.emit('hello')
    await new Promise((resolve) => visitor.once('hello', resolve))
    const told = dropped()
    visitor.io.engine.close()
    await told
    await sessions.end(session.id)
    const refused = dropped()
    expect(await connected()).toBe(true)
    expect(await refused).toBe('io server disconnect')
    visitor.close()
  })

  test.each<[string, boolean, string[]]>([
    ['waits until its session was read', false, ['alice: hi']],
    ['is not heard where its session has ended', true, []],
  ])('what a client that is recovered says %s', async (_what, hasEnded, expected) => {
    await serveSocketIo({ requireUser: true }, { connectionStateRecovery: {} })
    const heard: string[] = []
    const arrived = deferred()
    served.on('connection', (socket) => {
      socket.on('say', (text) => heard.push(`${socket.data.session.userId}: ${text}`))
      if (socket.recovered) socket.onAny(arrived.resolve)
    })
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const visitor = client(cookie, {}, {}, true)
    onTestFinished(() => void visitor.close())
    await visitor.emitWithAck('who')
    // From then on there is something to be recovered.
    served.emit('hello')
    await new Promise((resolve) => visitor.once('hello', resolve))
    const reading = deferred()
    const { read } = store
    store.read = async (id) => {
      await reading.promise
      return read(id)
    }
    visitor.io.engine.close()
    if (hasEnded) await store.delete(session.id)
    visitor.once('connect', () => visitor.emit('say', 'hi'))
    await arrived.promise
    expect(heard).toEqual([])
    const gone = new Promise((resolve) => visitor.once('disconnect', resolve))
    reading.resolve()
    expect(await (hasEnded ? gone : visitor.emitWithAck('who'))).toBe(hasEnded ? 'io server disconnect' : 'alice')
    expect(heard).toEqual(expected)
  })

  test('who is recovered in an outage comes back by itself when it is over', async () => {
    const logged = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => logged.mockRestore())
    await serveSocketIo({ requireUser: true }, { connectionStateRecovery: {} })
    const { cookie } = await sessions.create({ userId: 'alice' })
    const visitor = client(cookie, {}, {}, true)
    onTestFinished(() => void visitor.close())
    expect(await visitor.emitWithAck('who')).toBe('alice')
    // From then on there is something to be recovered.
    served.emit('hello')
    await new Promise((resolve) => visitor.once('hello', resolve))
    const reasons: string[] = []
    visitor.on('disconnect', (reason) => reasons.push(reason))
    const { read } = store
    store.read = () => Promise.reject(new Error('down'))
    visitor.io.engine.close()
    await vi.waitFor(() => expect(reasons.length).toBeGreaterThan(2), 5000)
    store.read = read
    await vi.waitFor(async () => expect(await visitor.timeout(500).emitWithAck('who')).toBe('alice'), 5000)
    expect(reasons).not.toContain('io server disconnect')
    expect(logged).toHaveBeenCalledWith(expect.objectContaining({ code: 'store_unavailable' }))
  })

  describe('with a namespace beside the first, over one connection', () => {
    /** Tells whose sockets are open, by namespace. */
    async function serveTwo(rest: Partial<ServerOptions> = {}): Promise<() => Promise<unknown[]>> {
      const sockets = await serveSocketIo({}, rest)
      const chat = served.of('/chat')
      chat.use((socket, next) => sockets.socketIo(socket, next))
      return () =>
        Promise.all(
          [served.of('/'), chat].map(async (namespace) => {
            const [socket] = await namespace.fetchSockets()
            return socket && (socket.data.session.userId ?? 'a guest')
          }),
        )
    }

    test('a client that comes back to both has the session that it brings in both', async () => {
      const userOf = await serveTwo({ connectionStateRecovery: {} })
      const { cookie } = await sessions.create({ userId: 'alice' })
      const first = client(cookie)
      const both = [first, first.io.socket('/chat')]
      const heard = (event: string) =>
        Promise.all(both.map((it) => new Promise((resolve) => it.once(event, () => resolve(it.recovered)))))
      await heard('connect')
      const told = heard('hello')
      for (const name of ['/', '/chat']) served.of(name).emit('hello')
      await told
      expect(await userOf()).toEqual(['alice', 'alice'])
      first.io.engine.close()
      await vi.waitFor(async () => expect(await userOf()).toEqual([undefined, undefined]))
      await sessions.endAll('alice')
      const back = heard('connect')
      for (const socket of both) socket.connect()
      expect(await back).toEqual([true, true])
      await vi.waitFor(async () => expect(await userOf()).toEqual(['a guest', 'a guest']))
      first.close()
    })

    test('a namespace that is joined when the token was renewed has the session too, as long as it lives', async () => {
      sessions = make({ lifetime: { renewal: { every: '1h', overlap: '1m' } } })
      const refused = vi.fn()
      sessions.on('refused', refused)
      const userOf = await serveTwo()
      const { cookie, session } = await sessions.create({ userId: 'alice' })
      const first = client(cookie)
      expect(await first.emitWithAck('who')).toBe('alice')
      now += 2 * 3_600_000
      const renewed = await sessions.load({ cookie })
      const [setCookie] = await sessions.commit(renewed)
      await sessions.commit(await sessions.load({ cookie: setCookie as string }))
      now += 600_000
      const second = first.io.socket('/chat')
      await new Promise((resolve) => second.once('connect', () => resolve(null)))
      expect(await userOf()).toEqual(['alice', 'alice'])
      expect(refused).not.toHaveBeenCalled()
      const gone = new Promise((resolve) => second.once('disconnect', resolve))
      await sessions.end(session.id)
      expect(await gone).toMatch(/disconnect|close/)
      first.close()
    })

    test('a namespace with sessions for sockets of its own has the session of the connection, and lets in whom these let in', async () => {
      sessions = make({ lifetime: { renewal: { every: '1h', overlap: '1m' } } })
      const refusals = vi.fn()
      sessions.on('refused', refusals)
      await serveSocketIo({ origins: ['https://app.example.com'] })
      const strict = socketSessions(sessions, { requireUser: true })
      const users = served.of('/users')
      users.use((socket, next) => strict.socketIo(socket, next))
      users.on('connection', (socket) => socket.emit('hello', socket.data.session.userId))
      const { cookie } = await sessions.create({ userId: 'alice' })
      const guest = await sessions.create()
      const joins = [client(cookie), client(guest.cookie), client(cookie, { origin: 'https://app.example.com' })]
      onTestFinished(() => {
        for (const first of joins) first.close()
      })
      for (const first of joins) await first.emitWithAck('who')
      now += 2 * 3_600_000
      const [setCookie] = await sessions.commit(await sessions.load({ cookie }))
      await sessions.commit(await sessions.load({ cookie: setCookie as string }))
      now += 600_000
      const joined = joins.map((first) => {
        const socket = first.io.socket('/users')
        return Promise.race([refused(socket), new Promise((resolve) => socket.once('hello', resolve))])
      })
      const withStatus = (status: number) => expect.objectContaining({ data: { status } })
      expect(await Promise.all(joined)).toEqual(['alice', withStatus(401), withStatus(403)])
      expect(refusals).not.toHaveBeenCalled()
    })

    test('a namespace that is joined after a new sign-in, or in an outage, is refused', async () => {
      const userOf = await serveTwo()
      const refused = vi.fn()
      sessions.on('refused', refused)
      const { cookie } = await sessions.create({ userId: 'alice' })
      const first = client(cookie)
      expect(await first.emitWithAck('who')).toBe('alice')
      const join = () => refusal(first.io.socket('/chat').connect())
      const logged = vi.spyOn(console, 'error').mockReturnValue()
      onTestFinished(() => logged.mockRestore())
      const { read } = store
      store.read = () => Promise.reject(new Error('down'))
      expect(await join()).toBe('The server cannot answer at present')
      store.read = read
      now += 1000
      const again = await sessions.load({ cookie })
      again.signIn('alice')
      await sessions.commit(again)
      expect(await join()).toMatch(/session ended/)
      expect(await userOf()).toEqual(['alice', undefined])
      expect(refused).not.toHaveBeenCalled()
      first.close()
    })
  })

  test('traffic keeps the session alive, and update works while it is open', async () => {
    await serveSocketIo()
    const { cookie, session } = await sessions.create({ userId: 'alice' })
    const visitor = client(cookie)
    for (let hour = 1; hour <= 30; hour++) {
      now += 3_600_000
      expect(await visitor.emitWithAck('count')).toBe(hour)
    }
    await vi.waitFor(async () =>
      expect((await store.read(session.id))?.expiresAt).toBeGreaterThan(now + 20 * 3_600_000),
    )
    expect((await sessions.load({ cookie })).n).toBe(30)
    visitor.close()
  })
})

test('other long connections follow their session too', async () => {
  const { cookie, session } = await sessions.create({ userId: 'alice' })
  const events = vi.fn()
  const stopped = vi.fn()
  sessions.follow(await sessions.load({ cookie }), events)
  sessions.follow(await sessions.load({ cookie }), stopped)()
  await sessions.end(session.id)
  expect(events).toHaveBeenCalledOnce()
  expect(stopped).not.toHaveBeenCalled()
})

test.each<[object, RegExp]>([
  [{ requireUsers: true }, /^socketSessions: "requireUsers" is not an option; there are "origins", "requireUser"/],
  [{ requireUser: 'yes' }, /^requireUser of socketSessions must be false or true/],
  [{ origins: 'https://app.example.com' }, /^origins must be a list of origins/],
  [{ origins: ['https://app.example.com/'] }, /^Each of origins must be an origin such as/],
])('socketSessions with %j is refused', (options, message) => {
  expect(() => socketSessions(createSessions({ store: memoryStore() }), options as SocketSessionsOptions)).toThrow(
    message,
  )
})

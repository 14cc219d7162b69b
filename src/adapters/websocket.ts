/**
 * Sessions for WebSockets: with `ws`, and with Socket.IO.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { directHost } from '../core/cookie.js'
import { refuseOtherOrigins, trustedOrigins } from '../core/cross-origin.js'
import { isSojournError, publicError, SojournError } from '../core/errors.js'
import { oneOf, refuseOtherThanFunctions, refuseUnknownOptions } from '../core/option-checks.js'
import type { SessionsOptions } from '../core/options.js'
import type { RequestFacts } from '../core/request-facts.js'
import { signedInUser } from '../core/require-user.js'
import type { Session, SessionData } from '../core/session.js'
import { sessionOf } from '../core/session-object.js'
import { type Sessions, type Visits, visitsFrom } from '../core/sessions.js'
import { type Held, Visit } from '../core/visit.js'

/** Who may open a socket, and what only the app knows of its connection. */
export interface SocketSessionsOptions {
  /**
   * Origins beside the server's own from which pages may connect, such as `'https://app.example.com'`. A WebSocket is not
   * bound by CORS, so without this check any page could connect as its visitor (ASVS 4.4.2). `crossOrigin`, which is for
   * requests, is not asked.
   */
  origins?: readonly string[]
  /** Whether the request came over TLS; needed behind a proxy that ends it. Default: whether this connection is TLS. */
  secure?(request: IncomingMessage): boolean
  /** The client's address. Default: that of the connection, and unknown behind a proxy. */
  address?(request: IncomingMessage): string | undefined
  /** Refuse visitors who are not signed in, with 401. Default `false`. */
  requireUser?: boolean
}

/** What is called of a socket of `ws`. */
export interface Socket {
  close(code: number, reason: string): void
  on(event: 'message' | 'close' | 'error', listener: () => void): unknown
  removeAllListeners(event: 'message'): unknown
}

/** What is called of a server of `ws`, made with `noServer: true`. */
export interface SocketServer<S extends Socket> {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, ready: (socket: S) => void): void
  emit(event: 'connection', socket: S, request: IncomingMessage): boolean
}

/** What is called of a socket of Socket.IO. */
export interface SocketIoSocket {
  readonly request: IncomingMessage
  readonly nsp: SocketIoNamespace
  readonly connected: boolean
  readonly conn: { close(): unknown }
  data: { session?: Session }
  disconnect(close: boolean): unknown
  use(middleware: (event: unknown, next: () => void) => void): unknown
  onAny(listener: () => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

/** What is called of a namespace of Socket.IO. */
export interface SocketIoNamespace {
  on(event: 'connection', listener: (socket: SocketIoSocket) => void): unknown
}

/** Sessions for sockets, made by {@link socketSessions}. */
export interface SocketSessions<Data = SessionData> {
  /** The listener for a server's `upgrade` event. */
  upgrade<S extends Socket>(server: SocketServer<S>): (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** The session of the request that opened a socket, which `ws` hands to `connection`. */
  sessionOf(request: IncomingMessage): Session<Data>
  /**
   * Middleware for `io.use()`; the session is `socket.data.session`. The `connect_error` of a client that is refused has the
   * HTTP status as `data.status`.
   */
  socketIo(socket: SocketIoSocket, next: (error?: Error) => void): void
}

// Not imported from there, for the reason that gate/node-http.ts gives.
const { STATUS_CODES } = process.getBuiltinModule('node:http')

/** Whose session goes on in the next namespace, where several `socketSessions` guard those of one connection. */
const openedBy = new WeakMap<Visits, WeakMap<IncomingMessage, Visit>>()

/** The close code that a page sees when its session has ended. */
const sessionEnded = 4401

/**
 * Sessions for sockets. The session is read at the upgrade, by the rules of any request; traffic keeps it alive; and when it
 * ends, in this process or another, its sockets are closed: at once where the store can tell, else within five seconds.
 *
 * No cookie can be set on an open socket: what would need one (`signIn`, a first value) throws `headers_sent`.
 *
 * @throws `invalid_option`
 */
export function socketSessions<Data extends object = SessionData>(
  sessions: Sessions<Data> | SessionsOptions,
  options: SocketSessionsOptions = {},
): SocketSessions<Data> {
  refuseUnknownOptions('socketSessions', options, ['origins', 'requireUser', 'secure', 'address'])
  const { origins = [], requireUser, ...connection } = options
  refuseOtherThanFunctions('socketSessions', connection, ['secure', 'address'])
  oneOf(requireUser, [false, true], 'requireUser of socketSessions')
  const visits = visitsFrom(sessions)
  const guard = signedInUser()
  const opened = openedBy.get(visits) ?? new WeakMap<IncomingMessage, Visit>()
  openedBy.set(visits, opened)
  /** Not by their request, which the namespaces of a connection share. */
  const entered = new WeakMap<SocketIoSocket, Visit>()
  const attended = new WeakSet<SocketIoNamespace>()
  const trusted = trustedOrigins({ trusted: origins }, 'origins')

  async function open(request: IncomingMessage): Promise<Visit> {
    const facts = handshake(request, connection)
    refuseOtherOrigins(facts, trusted, 'origins of socketSessions')
    const before = opened.get(request)
    const visit = before?.held ? await goOn(before, before.held) : await visits.open(facts)
    // Else its client would be a stranger for as long as the socket is open.
    if (visit.outage) throw visit.outage
    if (requireUser) guard({ session: sessionOf(visit) })
    // A renewal needs a response, which tells the client. What else loading noted is written now: hours later it would undo
    // what requests have written meanwhile, and log the client out.
    visit.plan({ tokenChange: 'none' })
    await visits.commit(visit)
    visit.isConnection = true
    opened.set(request, visit)
    return visit
  }

  async function enter(socket: SocketIoSocket): Promise<Visit> {
    const visit = await open(socket.request)
    entered.set(socket, visit)
    socket.data.session = sessionOf(visit) as Session
    return visit
  }

  /** Of sockets that middleware below refuses, or that are gone by then, none is followed: they tell of no end. */
  function attend(namespace: SocketIoNamespace): void {
    if (attended.has(namespace)) return
    attended.add(namespace)
    namespace.on('connection', async (socket) => {
      try {
        // Without its session is who was recovered by Socket.IO, past all middleware.
        let visit = entered.get(socket)
        if (!visit) {
          const reading = enter(socket)
          // What it says meanwhile waits, and is not heard where there is no session any more.
          socket.use((_event, next) => {
            reading.then(
              () => next(),
              () => {},
            )
          })
          visit = await reading
        }
        if (!socket.connected) return
        const stop = visits.following.follow(visit, () => socket.disconnect(true))
        socket.onAny(() => keepAlive(visits, visit))
        socket.on('disconnect', stop)
      } catch (error) {
        // In an outage the client is to come back, as by itself it does to a connection that broke.
        if (told(error).status === 503) socket.conn.close()
        else socket.disconnect(true)
      }
    })
  }

  return {
    sessionOf(request) {
      const visit = opened.get(request)
      if (visit) return sessionOf<Data>(visit)
      throw new SojournError('invalid_value', 'This request opened no socket')
    },

    upgrade: (server) => (request, socket, head) => {
      socket.on('error', () => socket.destroy())
      open(request).then(
        (visit) =>
          server.handleUpgrade(request, socket, head, (connected) => {
            const stop = visits.following.follow(visit, () => {
              // A client need not answer the close, and could go on for half a minute.
              connected.removeAllListeners('message')
              connected.close(sessionEnded, 'The session ended')
            })
            connected.on('message', () => keepAlive(visits, visit))
            connected.on('close', stop)
            // After a bad frame `ws` closes the socket by itself. Heard by nobody, it would end the process.
            connected.on('error', () => {})
            server.emit('connection', connected, request)
          }),
        (error: unknown) => refuse(socket, error),
      )
    },

    socketIo(socket, next) {
      attend(socket.nsp)
      enter(socket).then(
        () => next(),
        (error: unknown) => {
          const { text, status } = told(error)
          // Socket.IO sends the client the message, whatever it says, and `data`.
          next(Object.assign(new Error(text, { cause: error }), { data: { status } }))
        },
      )
    },
  }
}

/**
 * The session of a connection that is open goes on in the next namespace, though its token may have been renewed since. Where it
 * has ended, or somebody has signed in again, the client has to connect anew.
 */
async function goOn({ engine, request, form, sealed, token }: Visit, held: Held): Promise<Visit> {
  const visit = new Visit(engine, request, form, sealed)
  visit.isConnection = true
  visit.hold(held, token)
  await sessionOf(visit).reload()
  return visit
}

/** Traffic is use of the session. Its expiry is moved once for each tenth of the idle timeout. */
function keepAlive(visits: Visits, visit: Visit): void {
  if (!visit.touchIsDue(visits.settings.clock())) return
  visit.mayChange()
  // A failure was reported as an outage; the next message tries again.
  void (async () => visits.commit(visit))().catch(() => {})
}

/** What a client may learn of an error. The rest is printed, for nobody else hears of it. */
function told(error: unknown): ReturnType<typeof publicError> {
  const shown = publicError(error)
  if (shown.status >= 500) console.error(error)
  return shown
}

function refuse(socket: Duplex, error: unknown): void {
  const { status, text } = told(error)
  const headers = Object.entries((isSojournError(error) && error.headers) || {}).map((header) => header.join(': '))
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    ...headers,
    '',
    text,
  ]
  // Else a client that ends nothing on its side would hold it for good.
  socket.end(lines.join('\r\n'), () => socket.destroy())
}

/** The request that opens a socket. */
function handshake(request: IncomingMessage, { secure, address }: SocketSessionsOptions): RequestFacts {
  /** Not that it is an upgrade: `origins` says whose pages may ask for one, and `crossOrigin` is for requests. */
  const header = (name: string) => (name === 'upgrade' ? undefined : (request.headers[name] as string | undefined))
  const host = directHost({ header })
  return {
    method: 'GET',
    headersSent: true,
    headIsOut: true,
    cookie: request.headers.cookie,
    secure: secure?.(request) ?? (request.socket as Partial<TLSSocket>).encrypted === true,
    host,
    header,
    get address() {
      if (address) return address(request)
      // A proxy's own would look like a client that has moved.
      return host === undefined ? undefined : request.socket.remoteAddress
    },
  }
}

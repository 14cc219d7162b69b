import { SojournError } from '../../core/errors.js'
import { answer, type Commands, refuseWithoutMarks } from './commands.js'

interface Response {
  header: { status: number; cas: Uint8Array }
  val: Uint8Array
}

/** What Sojourn calls of a `Client` of `memjs`: not its own `set`, which cannot compare, but what that is made of. */
export interface MemjsClient {
  readonly seq: number
  readonly servers: readonly MemjsServer[]
  incrSeq(): void
  perform(
    key: string,
    request: Buffer,
    seq: number,
    callback: (error: Error | null, response: Response) => void,
    retries: number,
  ): void
}

/** One of its servers, over one connection. */
interface MemjsServer {
  connected: boolean
  responseBuffer: Buffer
  /** By the sequence number of a request that waits for its answer. */
  readonly responseCallbacks?: { readonly [seq: number]: unknown }
  _socket?: MemjsSocket | undefined
  /** Closes the connection, and fails what waits for it. */
  error(error: Error): void
  removeAllListeners(event: 'authenticated'): unknown
}

interface MemjsSocket {
  readonly connecting: boolean
  readonly readableEnded: boolean
  on(event: 'error', listener: () => void): unknown
  once(event: 'finish' | 'close' | 'error', listener: () => void): unknown
  removeAllListeners(event?: 'close'): unknown
  destroy(): unknown
}

export function isMemjs(client: object): client is MemjsClient {
  const { perform, incrSeq, servers } = client as Partial<MemjsClient>
  return typeof perform === 'function' && typeof incrSeq === 'function' && Array.isArray(servers)
}

// https://github.com/memcached/memcached/wiki/BinaryProtocolRevamped
// Not `set`: where the server finds no room for it, what is there goes.
const opcode = { get: 0x00, add: 0x02, replace: 0x03, delete: 0x04 }
const status = { done: 0x00, notFound: 0x01, exists: 0x02, tooLarge: 0x03, notStored: 0x05 }

export function overMemjs(client: MemjsClient): Commands {
  async function request(key: string, build: (sequence: number) => Buffer): Promise<Response> {
    client.incrSeq()
    // It counts with signed 32 bits, and looks an answer up by unsigned ones.
    const seq = client.seq >>> 0
    try {
      // One try: where the first may have been done, the answer to a second would not be the truth.
      return await answer((callback) => {
        client.perform(key, build(seq), seq, callback, 1)
        for (const server of client.servers) attend(server)
      })
    } catch (error) {
      for (const server of client.servers) if (server.responseCallbacks?.[seq]) giveUp(server, error)
      for (const server of client.servers) if (!server.connected) forgetPart(server)
      throw error
    }
  }

  /** Whether a change was made; `false` where the answer is one of the refusals. */
  async function change(key: string, refusals: readonly number[], build: (sequence: number) => Buffer) {
    const { header } = await request(key, build)
    if (header.status === status.done) return true
    if (refusals.includes(header.status)) return false
    throw failure(header.status)
  }

  return {
    async find(key) {
      const { header, val } = await request(key, (sequence) => packet(opcode.get, sequence, key))
      if (header.status === status.notFound) return null
      if (header.status !== status.done) throw failure(header.status)
      const mark = Buffer.from(header.cas)
      if (mark.every((byte) => byte === 0)) refuseWithoutMarks()
      return {
        text: Buffer.from(val).toString(),
        replace: (text, expiry) =>
          change(key, [status.notFound, status.exists], (sequence) =>
            packet(opcode.replace, sequence, key, { text, expiry, mark }),
          ),
      }
    },
    add: (key, text, expiry) =>
      change(key, [status.exists, status.notStored], (sequence) => packet(opcode.add, sequence, key, { text, expiry })),
    delete: (key) => change(key, [status.notFound], (sequence) => packet(opcode.delete, sequence, key)),
  }
}

/**
 * Closes a connection that hangs. Its own time limit does so only where nothing was sent meanwhile. The listener is one
 * that would take the connection which follows for the one that closed.
 */
function giveUp(server: MemjsServer, error: unknown): void {
  server._socket?.removeAllListeners('close')
  server.connected = false
  server.error(error instanceof Error ? error : new Error(String(error)))
}

/** The client keeps the part of an answer that a lost connection left, and takes what comes over the next for the rest. */
function forgetPart(server: MemjsServer): void {
  server.responseBuffer = Buffer.alloc(0)
}

/** The socket of each server that was attended last. */
const lastOf = new WeakMap<MemjsServer, MemjsSocket>()

/** Does for a socket what the client leaves undone. */
function attend(server: MemjsServer): void {
  const socket = server._socket
  const last = lastOf.get(server)
  if (!socket || socket === last) return
  if (last) silence(last)
  lastOf.set(server, socket)
  if (socket.connecting) {
    forgetPart(server)
    // What was given up while it was to sign in would be sent once this one has, answers to which nobody waits.
    server.removeAllListeners('authenticated')
  }
  // Its `close` comes after its `error`, when another may have taken its place already.
  socket.once('error', () => {
    socket.removeAllListeners('close')
    if (server._socket) return
    server.connected = false
    forgetPart(server)
  })
  // Where the server closes in good order, the client tells nobody that waits.
  socket.once('close', () => {
    if (server._socket || !socket.readableEnded) return
    forgetPart(server)
    server.error(new Error('Memcached closed the connection'))
  })
  // Once the client has ended it, as it does at its own time limit, it would wait for the server to do so too, and where
  // that one hangs there would be more of them with each attempt.
  socket.once('finish', () => {
    if (server._socket !== socket) socket.removeAllListeners('close')
    socket.destroy()
  })
}

/**
 * One that the client gave up while it was connecting goes on with that: it would close the connection that took its place
 * when it fails, and send the old request over it when it succeeds.
 */
function silence(socket: MemjsSocket): void {
  socket.removeAllListeners()
  socket.on('error', () => {})
  socket.destroy()
}

/** One request: a header of 24 bytes, the flags and the expiry where there is text, the key, the text. */
function packet(
  code: number,
  sequence: number,
  key: string,
  item?: { text: string; expiry: number; mark?: Buffer },
): Buffer {
  const text = Buffer.from(item?.text ?? '')
  const extras = Buffer.alloc(item ? 8 : 0)
  if (item) extras.writeUInt32BE(item.expiry, 4)
  const header = Buffer.alloc(24)
  header.writeUInt8(0x80, 0)
  header.writeUInt8(code, 1)
  header.writeUInt16BE(Buffer.byteLength(key), 2)
  header.writeUInt8(extras.length, 4)
  header.writeUInt32BE(extras.length + Buffer.byteLength(key) + text.length, 8)
  header.writeUInt32BE(sequence, 12)
  item?.mark?.copy(header, 16)
  return Buffer.concat([header, extras, Buffer.from(key), text])
}

function failure(code: number): Error {
  if (code === status.tooLarge) {
    return new SojournError(
      'record_too_large',
      'memcachedStore: the server holds no item of this size: raise its limit (-I), or lower "maxItemBytes"',
    )
  }
  return new Error(`Memcached answered with the status 0x${code.toString(16)}`)
}

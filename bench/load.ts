/**
 * Loads a server from a process of its own, so that the server's CPU time is the server's alone.
 *
 * It writes requests that were made beforehand, which costs far less than any server here, and unless told otherwise never
 * sleeps. Who waits for the other is woken up by it, at a price: a slow client charges it to the fastest side, one that
 * sleeps to the slowest.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Work } from './visitor.ts'

export interface Load {
  readonly port: number
  readonly work: Work
  /** How many requests. */
  readonly amount: number
  readonly connections: number
  /** `Cookie` headers, one for each session. */
  readonly cookies: readonly string[]
  /** Whether this process may sleep while nothing has arrived, for the others of the machine to have its core. */
  readonly maySleep?: boolean
}

export interface Outcome {
  /** Why the run does not count. */
  readonly failure?: string
  /** Milliseconds. */
  readonly p99: number
}

process.on('message', async (load: Load) => {
  process.send?.(await run(load))
})
process.once('disconnect', () => process.exit())

async function run({ port, work, amount, connections, cookies, maySleep = false }: Load): Promise<Outcome> {
  const requests = (work.hasCookie ? cookies : ['']).map((cookie) => requestOf(work, port, cookie))
  const times: number[] = []
  const rest = maySleep ? () => {} : stayAwake()
  let asked = 0
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)))
  try {
    const visitors = sockets.map(async (socket, index) => {
      // Each connection begins with another session, as visitors do.
      for (let next = index * 7; asked < amount; next++) {
        asked++
        const began = performance.now()
        await answered(socket, requests[next % requests.length] as Buffer)
        times.push(performance.now() - began)
      }
    })
    await Promise.all(visitors)
    return { p99: times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0 }
  } catch (error) {
    return { p99: 0, failure: `${times.length} of ${amount} requests succeeded: ${(error as Error).message}` }
  } finally {
    rest()
    for (const socket of sockets) socket.destroy()
  }
}

function requestOf({ method, path }: Work, port: number, cookie: string): Buffer {
  const body = method === 'POST' ? ['Content-Length: 0'] : []
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...(cookie ? [`Cookie: ${cookie}`] : []),
    ...body,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

/** Resolves when the whole response is there, and rejects where it is no success. */
function answered(socket: Socket, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const settle = (error?: Error) => {
      socket.off('data', take).off('error', settle).off('close', lost)
      if (error) reject(error)
      else resolve()
    }
    const lost = () => settle(new Error('the connection was closed'))
    const take = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end === -1) return
      const length = lengthOf(text)
      if (!text.startsWith('HTTP/1.1 2')) settle(new Error(text.slice(0, text.indexOf('\r\n'))))
      else if (length === undefined) settle(new Error('a response without Content-Length'))
      else if (text.length >= end + 4 + length) settle()
    }
    socket.on('data', take).on('error', settle).on('close', lost)
    socket.write(request)
  })
}

/** Of the body. All servers here say it beforehand. */
function lengthOf(response: string): number | undefined {
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(response)?.[1]
  return length === undefined ? undefined : Number(length)
}

/** Keeps this process from sleeping until the returned function is called. */
function stayAwake(): () => void {
  let next = setImmediate(function again() {
    next = setImmediate(again)
  })
  return () => clearImmediate(next)
}

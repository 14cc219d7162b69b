import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { createSessions } from 'sojourn'
import { start } from '../child.ts'
import type { Load, Outcome } from '../load.ts'
import { works } from '../visitor.ts'

export interface Requests {
  /** The 99th percentile, in milliseconds, of that many requests over 32 connections. Rejects if one fails. */
  p99(amount: number): Promise<number>
  end(): Promise<void>
}

/** Serves requests in this process that load one of 500 sessions and do some work, and asks for them from another process. */
export async function requestsTo(sessions: ReturnType<typeof createSessions>, work: () => unknown): Promise<Requests> {
  const created = await Promise.all(Array.from({ length: 500 }, () => sessions.create({ values: { views: 1 } })))
  const cookies = created.map(({ cookie }) => cookie)
  const server = createServer(async (request, response) => {
    try {
      await sessions.load({ cookie: request.headers.cookie ?? '', host: 'localhost', secure: false })
      await work()
    } catch {
      response.statusCode = 503
    }
    response.end('done')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const load = start<Load, Outcome>('load.ts')
  return {
    async p99(amount) {
      const connections = Math.min(32, amount)
      const { failure, p99 } = await load.ask({ port, work: works.read, amount, connections, cookies, maySleep: true })
      if (failure !== undefined) throw new Error(failure)
      return p99
    },
    async end() {
      await load.end()
      server.closeAllConnections()
      server.close()
    },
  }
}

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ServedApp } from '../../src/conformance/adapter.js'

/** Serves on a free port of the loopback. */
export async function served(listener: RequestListener): Promise<ServedApp> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Two cookies, in an array that all responses share. */
export const twoCookies = ['first=1', 'second=2']

/** A million bytes in a hundred parts. */
export function* manyParts(): Generator<string> {
  for (let part = 0; part < 100; part++) yield 'x'.repeat(10_000)
}

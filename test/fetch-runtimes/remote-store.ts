import type { Server } from 'node:http'
import type { SessionStore } from '../../src/core/store.js'

const methods = ['read', 'create', 'patch', 'delete'] as const

/** A store that another process serves, so that a test can watch it and make it fail. */
export function storeAt(url: string): SessionStore {
  const call =
    (method: string) =>
    async (...args: unknown[]) => {
      const response = await fetch(url, { method: 'POST', body: JSON.stringify({ method, args }) })
      if (!response.ok) throw new Error(await response.text())
      return response.json()
    }
  return Object.fromEntries(methods.map((method) => [method, call(method)])) as unknown as SessionStore
}

/** Serves a store to such. */
export function serveStore(server: Server, store: SessionStore): void {
  server.on('request', async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    try {
      const { method, args } = JSON.parse(body) as { method: (typeof methods)[number]; args: never[] }
      const result = await (store[method] as (...args: never[]) => unknown)(...args)
      response.end(JSON.stringify(result))
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  })
}

import { answer, type Commands } from './commands.js'

/** What Sojourn calls of a client of the package `memcached`. */
export interface NodeMemcachedClient {
  gets(key: string, callback: (error: unknown, found: { [key: string]: unknown; cas: string }) => void): void
  add(key: string, text: string, expiry: number, callback: (error: unknown, done: boolean) => void): void
  cas(key: string, text: string, mark: string, expiry: number, callback: (error: unknown, done: boolean) => void): void
  del(key: string, callback: (error: unknown, done: boolean) => void): void
}

export function isNodeMemcached(client: object): client is NodeMemcachedClient {
  const { gets, cas } = client as Partial<NodeMemcachedClient>
  return typeof gets === 'function' && typeof cas === 'function'
}

export function overNodeMemcached(client: NodeMemcachedClient): Commands {
  return {
    async find(key) {
      const found = await answer<Record<string, unknown> | undefined>((callback) => client.gets(key, callback))
      if (!found) return null
      const { cas, ...item } = found
      // The key is told with the namespace of the client, if it has one.
      const [text] = Object.values(item)
      return {
        text: String(text),
        replace: (text, expiry) => answer((callback) => client.cas(key, text, String(cas), expiry, callback)),
      }
    },
    async add(key, text, expiry) {
      try {
        // It hides an error of the server behind a plain `false`; that there is one already is an error to it.
        if (await answer((callback) => client.add(key, text, expiry, callback))) return true
      } catch (error) {
        if ((error as { notStored?: boolean }).notStored) return false
        throw error
      }
      throw new Error('Memcached answered with an error')
    },
    delete: (key) => answer((callback) => client.del(key, callback)),
  }
}

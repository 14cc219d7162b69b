import { answer, type Commands, patience, refuseWithoutMarks } from './commands.js'

/** What Sojourn calls of a client of the package `memcached`. */
export interface NodeMemcachedClient {
  gets(key: string, callback: (error: unknown, found: { [key: string]: unknown; cas: string }) => void): void
  add(key: string, text: string, expiry: number, callback: (error: unknown, done: boolean) => void): void
  cas(key: string, text: string, mark: string, expiry: number, callback: (error: unknown, done: boolean) => void): void
  del(key: string, callback: (error: unknown, done: boolean) => void): void
  /** By server. */
  readonly connections?: { readonly [server: string]: ConnectionPool }
}

/** Its connections to one server, each with what it waits for, in the order in which it was sent. */
interface ConnectionPool {
  readonly pool: { readonly metaData: readonly { readonly start: number }[] }[]
  release(connection: object, atOnce: boolean): void
}

export function isNodeMemcached(client: object): client is NodeMemcachedClient {
  const { gets, cas } = client as Partial<NodeMemcachedClient>
  return typeof gets === 'function' && typeof cas === 'function'
}

export function overNodeMemcached(client: NodeMemcachedClient): Commands {
  async function ask<T>(call: Parameters<typeof answer<T>>[0]): Promise<T> {
    try {
      return await answer(call)
    } catch (error) {
      giveUpHanging(client)
      throw error
    }
  }

  async function gets(key: string): Promise<Record<string, unknown> | undefined> {
    const found = await ask<Record<string, unknown> | false | undefined>((callback) => client.gets(key, callback))
    // It hides an error of the server behind a plain `false`, here and below. What is not there is `undefined`.
    if (found === false) throw serverError()
    return found
  }

  return {
    async find(key) {
      const found = await gets(key)
      if (!found) return null
      const { cas, ...item } = found
      if (!Number(cas)) refuseWithoutMarks()
      // The key is told with the namespace of the client, if it has one.
      const [text] = Object.values(item)
      return {
        text: String(text),
        replace: (text, expiry) => ask((callback) => client.cas(key, text, String(cas), expiry, callback)),
      }
    },
    async add(key, text, expiry) {
      try {
        // That there is one already is an error to it.
        if (await ask((callback) => client.add(key, text, expiry, callback))) return true
      } catch (error) {
        if ((error as { notStored?: boolean }).notStored) return false
        throw error
      }
      throw serverError()
    },
    async delete(key) {
      if (await ask((callback) => client.del(key, callback))) return true
      if (await gets(key)) throw serverError()
      return false
    },
  }
}

function serverError(): Error {
  return new Error('Memcached answered with an error')
}

/** Closes connections that hang. The client itself does so only where nothing is sent for a while. */
function giveUpHanging({ connections = {} }: NodeMemcachedClient): void {
  const lately = Date.now() - patience
  for (const server of Object.values(connections)) {
    for (const connection of [...server.pool]) {
      const [oldest] = connection.metaData
      if (oldest && oldest.start <= lately) server.release(connection, true)
    }
  }
}

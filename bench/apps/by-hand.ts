/**
 * The floor: the least that a program written by hand does to keep a session. It finds the cookie, looks up its SHA-256,
 * parses the record, and writes it whole when the handler says so. No expiry, no check, no protection from a race.
 */
import { hash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import type { Visitor } from '../visitor.ts'

/** What hangs on a request. */
interface Extended extends IncomingMessage {
  visitor?: Visitor
  key?: string | undefined
}

/** Text by key, which is there at once. */
interface Shelf {
  get(key: string): string | undefined
  set(key: string, text: string): unknown
}

/** Text by key, on another server. */
interface RemoteShelf {
  get(key: string): Promise<string | null>
  set(key: string, text: string): Promise<unknown>
}

/** Middleware, and how a handler reaches the visitor and saves what it changed. */
export function byHand(shelf: Shelf) {
  return {
    middleware(request: Extended, _response: ServerResponse, next: () => void): void {
      const key = keyIn(request)
      take(request, key, key && shelf.get(key))
      next()
    },
    ...access((key, text) => shelf.set(key, text)),
  }
}

/** The same over a database server. */
export function byHandRemotely(shelf: RemoteShelf) {
  return {
    middleware(request: Extended, _response: ServerResponse, next: (error?: unknown) => void): void {
      const key = keyIn(request)
      if (!key) {
        take(request, undefined, undefined)
        next()
        return
      }
      shelf.get(key).then((text) => {
        take(request, key, text)
        next()
      }, next)
    },
    ...access((key, text) => shelf.set(key, text)),
  }
}

function keyIn(request: Extended): string | undefined {
  const token = /(?:^|; )sid=([\w-]{43})(?:;|$)/.exec(request.headers.cookie ?? '')?.[1]
  return token && hash('sha256', token)
}

function take(request: Extended, key: string | undefined, text: string | null | undefined): void {
  request.key = text ? key : undefined
  request.visitor = text ? JSON.parse(text) : {}
}

function access(set: (key: string, text: string) => unknown) {
  return {
    of: (request: Extended) => request.visitor as Visitor,
    save(request: Extended, response: ServerResponse): unknown {
      if (!request.key) {
        const token = randomBytes(32).toString('base64url')
        request.key = hash('sha256', token)
        response.setHeader('Set-Cookie', `sid=${token}; Path=/; HttpOnly; SameSite=Lax`)
      }
      return set(request.key, JSON.stringify(request.visitor))
    },
  }
}

/** With the durability that `sqliteStore` has: a write-ahead log, and no flush to the disk for each write. */
export function sqliteShelf(path: string): Shelf {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  database.exec('CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID')
  const select = database.prepare('SELECT data FROM sessions WHERE id = ?')
  const upsert = database.prepare('INSERT INTO sessions VALUES (?, ?) ON CONFLICT DO UPDATE SET data = excluded.data')
  return {
    get: (key) => (select.get(key) as { data: string } | undefined)?.data,
    set: (key, text) => upsert.run(key, text),
  }
}

import { inherits } from 'node:util'
import { defer } from './defer.js'
import type { SessionData } from './session-data.js'
import { Store } from './store.js'

export declare class RecordsInMemory extends Store {
  /** The records as JSON text, by id. */
  sessions: { [id: string]: string }
  // biome-ignore-start lint/suspicious/noExplicitAny: as in Store.
  get(id: string, callback: (error: any, record?: SessionData | null) => void): void
  set(id: string, session: SessionData, callback?: (error?: any) => void): void
  destroy(id: string, callback?: (error?: any) => void): void
  override all(callback: (error: any, records?: { [id: string]: SessionData } | null) => void): void
  override length(callback: (error: any, length?: number) => void): void
  override clear(callback?: (error?: any) => void): void
  override touch(id: string, session: SessionData, callback?: () => void): void
  // biome-ignore-end lint/suspicious/noExplicitAny: as in Store.
}

export type MemoryStore = RecordsInMemory

/**
 * Sessions in the memory of this process: for development and tests. An expired session takes up room until somebody asks
 * for it, and nothing outlives the process.
 */
export const MemoryStore = {
  // Named by its property, as Session is.
  MemoryStore: function (this: RecordsInMemory) {
    ;(Store as unknown as () => void).call(this)
    this.sessions = Object.create(null)
  },
}.MemoryStore as unknown as typeof RecordsInMemory

inherits(MemoryStore, Store)

MemoryStore.prototype.get = function get(id, callback) {
  defer(callback, null, read(this, id))
}

MemoryStore.prototype.set = function set(id, session, callback) {
  this.sessions[id] = JSON.stringify(session)
  if (callback) defer(callback)
}

MemoryStore.prototype.touch = function touch(id, session, callback) {
  const text = this.sessions[id]
  // A cookie that ends with the browser has no expiry to move.
  if (!text?.startsWith(`{"cookie":${JSON.stringify(session.cookie)}`) || session.cookie.expires) {
    const record = read(this, id)
    if (record) {
      record.cookie = session.cookie
      this.sessions[id] = JSON.stringify(record)
    }
  }
  if (callback) defer(callback)
}

MemoryStore.prototype.destroy = function destroy(id, callback) {
  delete this.sessions[id]
  if (callback) defer(callback)
}

MemoryStore.prototype.all = function all(callback) {
  const records: { [id: string]: SessionData } = Object.create(null)
  for (const id of Object.keys(this.sessions)) {
    const record = read(this, id)
    if (record) records[id] = record
  }
  if (callback) defer(callback, null, records)
}

MemoryStore.prototype.length = function length(callback) {
  this.all((error, records) => {
    if (error) return callback(error)
    callback(null, Object.keys(records ?? {}).length)
  })
}

MemoryStore.prototype.clear = function clear(callback) {
  this.sessions = Object.create(null)
  if (callback) defer(callback)
}

function read(store: RecordsInMemory, id: string): SessionData | undefined {
  const text = store.sessions[id]
  if (!text) return undefined
  const record = JSON.parse(text) as SessionData
  const expires = record.cookie?.expires as string | null | undefined
  if (expires && new Date(expires).getTime() <= Date.now()) {
    delete store.sessions[id]
    return undefined
  }
  return record
}

import { byKey, valuesOf } from '../core/json-keys.js'
import type { Awaitable, ListPage, SessionRecord, SessionStore } from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import { backgroundThread, pagesOfSweptRow, removeExpired } from './sqlite/background-thread.js'
import { queryOf } from './sqlite/database.js'
import { numberOf } from './sqlite/number.js'
import { openDatabase, type SqliteStoreOptions } from './sqlite/opening.js'
import { endSnapshots, readingTogether } from './sqlite/reading-together.js'
import { updates } from './sqlite/updates.js'
import { writingTogether } from './sqlite/writing-together.js'

export type { SqliteDatabase, SqliteParameter, SqliteStatement } from './sqlite/database.js'
export type { SqliteStoreOptions } from './sqlite/opening.js'

type Row = readonly [
  userId: string | null,
  createdAt: number,
  expiresAt: number,
  /** A JSON object of JSON texts. That values are texts here is what makes `json_patch` replace and never merge. */
  data: string,
]

/**
 * Keeps sessions in one SQLite file, for the processes of one machine. They may share the file; it must not lie on a
 * network share. Takes the file's path, or options.
 *
 * Uses `node:sqlite`, or on a Node that lacks it (before 22.13) a database of `libsql` or `better-sqlite3` handed over.
 * Reads answer at once; those of one turn of the event loop may share a snapshot, of at most a millisecond. The writes of a
 * turn share a transaction, and are answered once it is on record.
 *
 * Throws `client_missing` without a driver, and `store_misconfigured` for a file that cannot be used, which stays as it is.
 */
export function sqliteStore(fileOrOptions: string | URL | SqliteStoreOptions): SessionStore {
  const { database, own } = openDatabase(fileOrOptions)
  // As REAL: for an INTEGER beyond 2^53, which only others can have written, `node:sqlite` throws, for all rows of a listing.
  const columns = 'user_id, CAST(created_at AS REAL), CAST(expires_at AS REAL), data'
  const select = queryOf<Row>(database, `SELECT ${columns} FROM sessions WHERE number = ? AND id = ?`)
  const insert = database.prepare(
    `INSERT INTO sessions (user_id, created_at, expires_at, data, id, number) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`,
  )
  const selectLiving = database.prepare('SELECT 1 FROM sessions WHERE number = ? AND id = ? AND expires_at > ?')
  const remove = database.prepare('DELETE FROM sessions WHERE number = ? AND id = ?')
  const selectPage = queryOf<[...Row, id: string]>(
    database,
    `SELECT ${columns}, id FROM sessions WHERE id > ? ORDER BY id LIMIT ?`,
  )
  const selectPageOfUser = queryOf<[...Row, id: string]>(
    database,
    `SELECT ${columns}, id FROM sessions WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?`,
  )
  const sweepSome = database.prepare(removeExpired)
  const update = updates(database)
  // One that was handed over the app may use as well, and knows how it wants it.
  const shareSnapshot = own && readingTogether(database)
  const background = own && own.path !== ':memory:' ? backgroundThread(database, own.path) : undefined
  const { write, flush, beforeRead } = writingTogether(database, {
    written: (count) => background?.note(count),
    writingElsewhere: () => background?.isWriting,
  })
  let isMoreExpired = false

  function sweepHere(before: number, limit: number): number {
    endSnapshots()
    const removed = Number(sweepSome.run(before, limit).changes)
    isMoreExpired = removed === limit
    background?.note(pagesOfSweptRow * removed)
    return removed
  }

  function read(id: string): Awaitable<SessionRecord | null> {
    const delay = beforeRead(id)
    if (delay) return delay.then(() => read(id))
    shareSnapshot?.()
    const row = select.get(numberOf(id), id)
    return row ? recordOf(row) : null
  }

  function list(page: ListPage): Awaitable<[id: string, record: SessionRecord][]> {
    const delay = beforeRead()
    if (delay) return delay.then(() => list(page))
    endSnapshots()
    const { userId, after = '', limit } = page
    const rows = userId === undefined ? selectPage.all(after, limit) : selectPageOfUser.all(userId, after, limit)
    return rows.map((row) => [row[4], recordOf(row)])
  }

  return {
    read,
    list,

    create(id, record) {
      refuseIllFormed(record)
      const { values, userId, createdAt, expiresAt } = record
      const data = JSON.stringify(byKey(values))
      return write(id, () => Number(insert.run(userId, createdAt, expiresAt, data, id, numberOf(id)).changes) === 1)
    },

    patch(id, patch) {
      refuseIllFormed(patch)
      return write(id, () => {
        if (update(id, patch)) return 'applied'
        return patch.when && selectLiving.get(numberOf(id), id, patch.now) ? 'conflict' : 'absent'
      })
    },

    delete(id) {
      return write(id, () => Number(remove.run(numberOf(id), id).changes) === 1)
    },

    sweep(before, limit) {
      // A thread takes time to start, and what little expires now and then takes none.
      if (!background || !isMoreExpired) return sweepHere(before, limit)
      return background.sweep(before, limit).then((removed) => {
        endSnapshots()
        isMoreExpired = removed === limit
        return removed ?? sweepHere(before, limit)
      })
    },

    ...(own && {
      close() {
        flush()
        endSnapshots()
        const gone = background?.close()
        return gone ? gone.then(own.close) : own.close()
      },
    }),
  }
}

function recordOf([userId, createdAt, expiresAt, data]: readonly [...Row, id?: string]): SessionRecord {
  return { values: valuesOf(data), userId, createdAt, expiresAt }
}

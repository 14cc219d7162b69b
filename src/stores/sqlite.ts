import { byKey, byName } from '../core/json-keys.js'
import type { SessionRecord, SessionStore } from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import { queryOf, scalar } from './sqlite/database.js'
import { openDatabase, type SqliteStoreOptions } from './sqlite/opening.js'
import { endSnapshots, readingTogether } from './sqlite/reading-together.js'
import { numberOf } from './sqlite/schema.js'
import { updates } from './sqlite/updates.js'
import { writingTogether } from './sqlite/writing-together.js'

export type { SqliteDatabase, SqliteParameter, SqliteStatement } from './sqlite/database.js'
export type { SqliteStoreOptions } from './sqlite/opening.js'

type Row = readonly [
  userId: string | null,
  createdAt: number | bigint,
  expiresAt: number | bigint,
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
  const { database, close } = openDatabase(fileOrOptions)
  const columns = 'user_id, created_at, expires_at, data'
  const select = queryOf<Row>(database, `SELECT ${columns} FROM sessions WHERE number = ? AND id = ?`)
  const insert = database.prepare(
    `INSERT INTO sessions (${columns}, id, number) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
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
  const removeExpired = database.prepare(
    'DELETE FROM sessions WHERE number IN (SELECT number FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)',
  )
  const usualCheckpoint = Number(scalar(database, 'PRAGMA wal_autocheckpoint'))
  const update = updates(database)
  const { write, flush, beforeRead } = writingTogether(database)
  // One that was handed over the app may use as well.
  const shareSnapshot = close && readingTogether(database)

  return {
    read(id) {
      beforeRead(id)
      shareSnapshot?.()
      const row = select.get(numberOf(id), id)
      return row ? recordOf(row) : null
    },

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

    list({ userId, after = '', limit }) {
      beforeRead()
      endSnapshots()
      const rows = userId === undefined ? selectPage.all(after, limit) : selectPageOfUser.all(userId, after, limit)
      return rows.map(([userId, createdAt, expiresAt, data, id]) => [
        id,
        recordOf([userId, createdAt, expiresAt, data]),
      ])
    },

    sweep(before, limit) {
      endSnapshots()
      // Each row that goes lies on a page of its own: the usual thousand of them would be brought into the file at once.
      database.exec('PRAGMA wal_autocheckpoint = 200')
      try {
        return Number(removeExpired.run(before, limit).changes)
      } finally {
        database.exec(`PRAGMA wal_autocheckpoint = ${usualCheckpoint}`)
      }
    },

    ...(close && {
      close() {
        flush()
        endSnapshots()
        close()
      },
    }),
  }
}

function recordOf([userId, createdAt, expiresAt, data]: Row): SessionRecord {
  return { values: byName(JSON.parse(data)), userId, createdAt: Number(createdAt), expiresAt: Number(expiresAt) }
}

import { readingTogether } from '../core/calling-together.js'
import { byKey, valuesOf } from '../core/json-keys.js'
import type { ListPage, SessionPatch, SessionRecord, SessionStore } from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import {
  isIndexThere,
  isTaken,
  type Parameter,
  refuseOtherTable,
  refuseUncommitted,
  statementsOf,
} from './mysql/client.js'
import { checked, type MysqlStoreOptions } from './mysql/options.js'
import { indexes, isIdUnique, schemaOf } from './mysql/schema.js'

export type { MysqlPool } from './mysql/client.js'
export type { MysqlStoreOptions } from './mysql/options.js'

/** A store over MySQL or MariaDB, which also makes its table. */
export interface MysqlStore extends SessionStore {
  /**
   * Creates the table where it is not there, and the indexes that it lacks. Safe to call at every start, and from several
   * processes at once.
   */
  migrate(): Promise<void>
  /** The SQL that `migrate` runs, for those who run it by other means. */
  readonly schema: string
}

/**
 * Keeps sessions in one table of MySQL 8.0.16 or MariaDB 10.6, or newer, through a promise pool of `mysql2`. The table is
 * made by `migrate()`. A pool that reads from a replica does not serve: what a request wrote, the next one has to read.
 *
 * Each call is one statement outside of any transaction; a sweep, and a patch whose `when` did not hold, are two. The reads
 * of one turn of the event loop share a statement.
 * Rejects with `store_misconfigured` where the table is missing or may not be used.
 */
export function mysqlStore(options: MysqlStoreOptions): MysqlStore {
  const { pool, table } = checked(options)
  const { rows, change } = statementsOf(pool, table)
  const columns = 'id, user_id, created_at, expires_at, CONVERT(data USING binary)'
  const schema = schemaOf(table)

  const rowOf = readingTogether(async (ids) => {
    // A limit, lest the connection has a lower one (`sql_select_limit`).
    const found = await rows(`SELECT ${columns} FROM ${table} WHERE id IN (?) LIMIT ?`, [ids.map(bytes), ids.length])
    return new Map(found.map((row) => [String(row[0]), row]))
  })

  async function addIndex(statement: string): Promise<void> {
    try {
      await change(statement)
    } catch (error) {
      if (!isIndexThere(error)) throw error
    }
  }

  return {
    async read(id) {
      const row = await rowOf(id)
      return row ? recordOf(row) : null
    },

    async create(id, record) {
      refuseIllFormed(record)
      const { userId, createdAt, expiresAt, values } = record
      const insertion = `INSERT INTO ${table} (id, user_id, created_at, expires_at, data) VALUES (?, ?, ?, ?, _utf8mb4 ?)`
      try {
        await change(insertion, [
          bytes(id),
          bytesOrNull(userId),
          createdAt,
          expiresAt,
          bytes(JSON.stringify(byKey(values))),
        ])
        return true
      } catch (error) {
        if (isTaken(error)) return false
        throw error
      }
    },

    async patch(id, patch) {
      refuseIllFormed(patch)
      if ((await change(...patchStatement(table, id, patch))) === 1) return 'applied'
      if (!patch.when) return 'absent'
      const living = `SELECT 1 FROM ${table} WHERE id = ? AND expires_at > ?`
      return (await rows(living, [bytes(id), patch.now])).length === 1 ? 'conflict' : 'absent'
    },

    async delete(id) {
      return (await change(`DELETE FROM ${table} WHERE id = ?`, [bytes(id)])) === 1
    },

    async list({ userId, after = '', limit }: ListPage) {
      const page =
        userId === undefined
          ? await rows(`SELECT ${columns} FROM ${table} WHERE id > ? ORDER BY id LIMIT ?`, [bytes(after), limit])
          : await rows(`SELECT ${columns} FROM ${table} WHERE user_id = ? AND id > ? ORDER BY id LIMIT ?`, [
              bytes(userId),
              bytes(after),
              limit,
            ])
      return page.map((row) => [String(row[0]), recordOf(row)])
    },

    async sweep(before, limit) {
      // Found without a lock and removed by id. A removal by expiry would lock the gaps between, and whoever expires
      // next: measured, those who write beside it would wait three times as long.
      const expired = `SELECT id FROM ${table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?`
      const ids = (await rows(expired, [before, limit])).map(([id]) => bytes(String(id)))
      if (ids.length === 0) return 0
      return change(`DELETE FROM ${table} WHERE id IN (?) AND expires_at <= ?`, [ids, before])
    },

    schema,

    async migrate() {
      await change(schema)
      // A table of this name may have been there, with other columns.
      await rows(`SELECT ${columns}, rev FROM ${table} LIMIT 0`)
      const indexed = await rows(`SHOW INDEX FROM ${table}`)
      if (!isIdUnique(indexed)) refuseOtherTable(table)
      const present = indexed.map((row) => String(row[2]))
      for (const [name, indexed] of Object.entries(indexes)) {
        if (!present.includes(name)) await addIndex(`CREATE INDEX ${name} ON ${table} ${indexed}`)
      }
      const [commits] = await rows('SELECT @@autocommit')
      if (Number(commits?.[0]) === 0) refuseUncommitted()
    },
  }
}

/** A column comes as a `Buffer`, whose text is UTF-8. */
function recordOf([, userId, createdAt, expiresAt, data]: unknown[]): SessionRecord {
  return {
    values: valuesOf(String(data)),
    userId: userId === null ? null : String(userId),
    createdAt: Number(createdAt),
    expiresAt: Number(expiresAt),
  }
}

function bytes(text: string): Buffer {
  return Buffer.from(text)
}

function bytesOrNull(text: string | null): Buffer | null {
  return text === null ? null : bytes(text)
}

function patchStatement(table: string, id: string, patch: SessionPatch): [sql: string, parameters: Parameter[]] {
  const { now, userId, expiresAt, when } = patch
  const parameters: Parameter[] = []
  const assignments = ['rev = rev + 1']
  const changes = mergePatches(patch)
  if (changes.length > 0) {
    assignments.push(`data = JSON_MERGE_PATCH(data${', _utf8mb4 ?'.repeat(changes.length)})`)
    parameters.push(...changes.map(bytes))
  }
  if (userId !== undefined) {
    assignments.push('user_id = ?')
    parameters.push(bytesOrNull(userId))
  }
  if (expiresAt !== undefined) {
    assignments.push('expires_at = ?')
    parameters.push(expiresAt)
  }
  let condition = 'id = ? AND expires_at > ?'
  parameters.push(bytes(id), now)
  if (when) {
    // The values read as `when` says if to merge it would change nothing. MariaDB compares text: both sides are merged, and
    // compared as bytes, for a table may have been given another collation.
    const merged = (patch: string) => `CONVERT(JSON_MERGE_PATCH(data, _utf8mb4 ${patch}) USING binary)`
    condition += ` AND ${merged('?')} = ${merged("'{}'")}`
    parameters.push(bytes(JSON.stringify(byKey(when))))
  }
  return [`UPDATE ${table} SET ${assignments.join(', ')} WHERE ${condition}`, parameters]
}

/**
 * RFC 7396: a null removes, and as every value is text here, a merge replaces it whole. Each removal is a patch of its
 * own: after one, MariaDB 10.11 overlooks other members of the same patch.
 */
function mergePatches({ set = {}, unset = [] }: SessionPatch): string[] {
  const removals = unset.map((name) => Object.fromEntries([[name, null]]))
  const patches = Object.keys(set).length > 0 ? [set, ...removals] : removals
  return patches.map((patch) => JSON.stringify(byKey<string | null>(patch)))
}

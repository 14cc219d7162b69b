import { keyOf, mergePatch } from '../../core/json-keys.js'
import type { SessionPatch } from '../../core/store.js'
import type { SqliteDatabase, SqliteParameter, SqliteStatement } from './database.js'
import { numberOf } from './number.js'

/** One `UPDATE` for each kind of patch, prepared when it first comes. Tells whether there was a row to change. */
export function updates(database: SqliteDatabase) {
  const statements = new Map<string, SqliteStatement>()
  return (id: string, patch: SessionPatch): boolean => {
    const { now, userId, expiresAt, when } = patch
    const assignments: string[] = []
    const parameters: SqliteParameter[] = []
    const changes = mergePatch(patch)
    if (changes !== '{}') {
      assignments.push('data = json_patch(data, ?)')
      parameters.push(changes)
    }
    if (userId !== undefined) {
      assignments.push('user_id = ?')
      parameters.push(userId)
    }
    if (expiresAt !== undefined) {
      assignments.push('expires_at = ?')
      parameters.push(expiresAt)
    }
    // An empty patch asks whether there is a living session, in the same words.
    let sql = `UPDATE sessions SET ${assignments.join(', ') || 'created_at = created_at'} WHERE number = ? AND id = ? AND expires_at > ?`
    parameters.push(numberOf(id), id, now)
    for (const [name, text] of Object.entries(when ?? {})) {
      sql += ' AND data ->> ? IS ?'
      parameters.push(pathOf(name), text)
    }
    let statement = statements.get(sql)
    if (!statement) {
      statement = database.prepare(sql)
      statements.set(sql, statement)
    }
    return Number(statement.run(...parameters).changes) === 1
  }
}

/** Where in the JSON a value stands; `null` stands there where it is absent. Keys need no escape. */
function pathOf(name: string): string {
  return `$."${keyOf(name)}"`
}

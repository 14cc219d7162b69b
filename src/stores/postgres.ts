import { readingTogether } from '../core/calling-together.js'
import { byKey, byName, keyOf, mergePatch } from '../core/json-keys.js'
import type { ListPage, PatchOutcome, SessionPatch, SessionRecord, SessionStore } from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import { type Parameter, queryOf, type Result } from './postgres/client.js'
import { watchOver } from './postgres/listening.js'
import { checked, type PostgresStoreOptions } from './postgres/options.js'
import { missingFrom, schemaOf } from './postgres/schema.js'

export type { PostgresClient, PostgresPool, PostgresSql } from './postgres/client.js'
export type { PostgresListener, PostgresListenerPool } from './postgres/listening.js'
export type { PostgresStoreOptions } from './postgres/options.js'

/** A store over PostgreSQL, which also makes its table. */
export interface PostgresStore extends SessionStore {
  /**
   * Creates the table, or brings it up to date. Safe to call at every start, and from several processes at once: where all
   * is there, it only looks.
   */
  migrate(): Promise<void>
  /**
   * The SQL that `migrate` runs where nothing is there, for those who run it by other means. Without a schema in `table` it makes
   * the table in the first one of the search path.
   */
  readonly schema: string
}

/**
 * Keeps sessions in one table of PostgreSQL (13 or newer), through a pool of `pg` or `postgres`. The table is made by
 * `migrate()`. A pool that reads from a replica does not serve: what a request wrote, the next one has to read.
 *
 * Each call is one statement without a transaction or a name, so that a proxy which pools by transaction (PgBouncer)
 * may stand between. The reads of one turn of the event loop share a statement. Rejects with `store_misconfigured` where the
 * table is missing or may not be used.
 */
export function postgresStore(options: PostgresStoreOptions): PostgresStore {
  const { pool, listen, table, channel } = checked(options)
  const query = queryOf(pool, table)
  // One column as text: clients take several times as long to read a row of five.
  const row = 'json_build_array(id, user_id, created_at, expires_at, data)::text'
  const schema = schemaOf(table)

  const textOf = readingTogether(async (ids) => {
    const condition = ids.length === 1 ? 'id = $1' : "id = ANY (string_to_array($1, ','))"
    const { rows } = await query(`SELECT ${row} FROM ${table} WHERE ${condition}`, [ids.join(',')])
    return new Map(rows.map((text) => [idIn(text), text]))
  })
  const isThere = (text: string, parameters: Parameter[]) => query(text, parameters).then(isSome)

  /** Asked only now: to tell the two apart in the same statement would make every patch half as slow again. */
  async function whyNot(id: string, { when, now }: SessionPatch): Promise<PatchOutcome> {
    if (!when) return 'absent'
    const isLiving = await isThere(`SELECT 1 FROM ${table} WHERE id = $1 AND expires_at > $2`, [id, now])
    return isLiving ? 'conflict' : 'absent'
  }

  return {
    read(id) {
      return textOf(id).then(recordIn)
    },

    async create(id, record) {
      refuseIllFormed(record)
      const { values, userId, createdAt, expiresAt } = record
      return isThere(
        `INSERT INTO ${table} (id, user_id, created_at, expires_at, data) VALUES ($1, $2, $3, $4, $5::text::jsonb)
        ON CONFLICT (id) DO NOTHING`,
        [id, userId, createdAt, expiresAt, JSON.stringify(byKey(values))],
      )
    },

    patch(id, patch) {
      refuseIllFormed(patch)
      const [text, parameters] = patchStatement(table, id, patch)
      return query(text, parameters).then(({ count }) => (count > 0 ? 'applied' : whyNot(id, patch)))
    },

    async delete(id) {
      const removal = `DELETE FROM ${table} WHERE id = $1 RETURNING id`
      if (!listen) return isThere(removal, [id])
      return isThere(`WITH ended AS (${removal}) SELECT pg_notify($2, id) FROM ended`, [id, channel])
    },

    async list({ userId, after = '', limit }: ListPage) {
      const { rows } =
        userId === undefined
          ? await query(`SELECT ${row} FROM ${table} WHERE id > $1 ORDER BY id LIMIT $2`, [after, limit])
          : await query(`SELECT ${row} FROM ${table} WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3`, [
              userId,
              after,
              limit,
            ])
      return rows.map(recordOf)
    },

    async sweep(before, limit) {
      // As an array the ids are looked up once. A row that someone is writing is left for the next sweep.
      const expired = `SELECT id FROM ${table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED`
      const { count } = await query(`DELETE FROM ${table} WHERE id = ANY (ARRAY(${expired}))`, [before, limit])
      return count
    },

    ...(listen && watchOver(listen, channel)),

    schema,

    async migrate() {
      const { rows } = await query(missingFrom(table), [])
      if (rows.length > 0) await query(schemaOf(String(rows[0])), [])
      // A table of this name may have been there, with other columns, or with columns of other types.
      const typed = `user_id > id AND created_at + expires_at > 0 AND (data || '{}'::jsonb) ->> '' > ''`
      await query(`SELECT ${row} FROM ${table} WHERE ${typed} LIMIT 0`, [])
    },
  }
}

function isSome({ count }: Result): boolean {
  return count > 0
}

/** The row begins with it, and it needs no escape. */
function idIn(text: unknown): string {
  return String(text).split('"', 2)[1] as string
}

function recordIn(text: unknown): SessionRecord | null {
  return text === undefined ? null : recordOf(text)[1]
}

function recordOf(text: unknown): [id: string, record: SessionRecord] {
  const [id, userId, createdAt, expiresAt, data] = JSON.parse(String(text))
  return [id, { values: byName(data ?? {}), userId, createdAt, expiresAt }]
}

function patchStatement(table: string, id: string, patch: SessionPatch): [text: string, parameters: Parameter[]] {
  const { now, userId, expiresAt, when = {} } = patch
  const parameters: Parameter[] = [id, now]
  const parameter = (value: Parameter) => `$${parameters.push(value)}`

  const assignments: string[] = []
  const changes = mergePatch(patch)
  // RFC 7396: a null in the change removes. No value is null or an object, so there is nothing deeper to merge or strip.
  const merged = () => `data || ${parameter(changes)}::text::jsonb`
  if (changes !== '{}') assignments.push(`data = ${patch.unset?.length ? `jsonb_strip_nulls(${merged()})` : merged()}`)
  if (userId !== undefined) assignments.push(`user_id = ${parameter(userId)}`)
  if (expiresAt !== undefined) assignments.push(`expires_at = ${parameter(expiresAt)}`)

  let condition = 'id = $1 AND expires_at > $2'
  for (const [name, text] of Object.entries(when)) {
    const value = `data ->> ${parameter(keyOf(name))}::text`
    condition += text === null ? ` AND (${value}) IS NULL` : ` AND (${value}) = ${parameter(text)}::text COLLATE "C"`
  }
  if (assignments.length === 0) return [`SELECT 1 FROM ${table} WHERE ${condition}`, parameters]
  return [`UPDATE ${table} SET ${assignments.join(', ')} WHERE ${condition}`, parameters]
}

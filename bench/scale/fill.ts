import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { newVisitor } from '../visitor.ts'

const day = 86_400_000

/** The values of one record, as the engine writes them: 190 bytes of a visitor, and the digest of a token. */
export function recordValues(): Record<string, string> {
  const { profile, views } = newVisitor()
  return {
    profile: JSON.stringify(profile),
    views: JSON.stringify(views),
    __token: JSON.stringify(randomBytes(32).toString('base64url')),
  }
}

export function newId(): string {
  return randomBytes(18).toString('base64url')
}

/**
 * Makes a file with that many sessions, of which one in `expiredOneIn` expired an hour ago, by plain SQL: through the store
 * it would take an hour. Resolves to some of the ids that live.
 */
export function fillSqlite(path: string, count: number, expiredOneIn: number): string[] {
  void sqliteStore(path).close?.()
  const database = new DatabaseSync(path)
  database.exec('PRAGMA synchronous = OFF')
  const insert = database.prepare(
    'INSERT INTO sessions (id, user_id, created_at, expires_at, data) VALUES (?, ?, ?, ?, ?)',
  )
  const living: string[] = []
  const now = Date.now()
  const data = JSON.stringify(recordValues())
  for (let done = 0; done < count; ) {
    database.exec('BEGIN')
    for (const end = Math.min(count, done + 50_000); done < end; done++) {
      const isExpired = done % expiredOneIn === 0
      const id = newId()
      insert.run(
        id,
        done % 4 === 0 ? `user-${done % 100_000}` : null,
        now - day,
        isExpired ? now - day / 24 : now + day,
        data,
      )
      if (!isExpired && living.length < 100_000) living.push(id)
    }
    database.exec('COMMIT')
  }
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  return living
}

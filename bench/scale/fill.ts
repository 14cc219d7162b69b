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
 * Makes a file with that many sessions, of which one in `expiredOneIn` expired an hour or two ago, by plain SQL: through the
 * store it would take an hour. Tells on the standard error output how far it is. Returns some of the ids that live.
 */
export function fillSqlite(path: string, count: number, expiredOneIn: number): string[] {
  void sqliteStore(path).close?.()
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA threads = 2')
  const indexes = database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").all()
  for (const { name } of indexes) database.exec(`DROP INDEX ${name}`)
  const now = Date.now()
  // In the order of the ids, so that each row goes to the end of the table.
  const insert = database.prepare(`
    WITH RECURSIVE series (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM series WHERE n + 1 < :end)
    INSERT INTO sessions (id, user_id, created_at, expires_at, data)
    SELECT printf('%08x', n * :step) || lower(hex(randomblob(8))), iif(n % 4 = 0, 'user-' || (n % 100000), NULL), :created,
      iif(n % :expiredOneIn = 0, :now - 3600000 - abs(random() % 3600000), :now + 3600000 + abs(random() % 86400000)), :data
    FROM series`)
  const step = Math.floor(2 ** 32 / count)
  const data = JSON.stringify(recordValues())
  for (let first = 0; first < count; first += 500_000) {
    const end = Math.min(count, first + 500_000)
    insert.run({ first, end, step, expiredOneIn, created: now - day, now, data })
    process.stderr.write(`${end} of ${count} sessions\n`)
  }
  for (const { name, sql } of indexes) {
    database.exec(String(sql))
    process.stderr.write(`${name}\n`)
  }
  const next = database.prepare('SELECT id FROM sessions WHERE id >= ? AND expires_at > ? ORDER BY id LIMIT 1')
  const living: string[] = []
  while (living.length < Math.min(count, 100_000)) {
    const from = Math.floor(Math.random() * count * step).toString(16)
    const row = next.get(from.padStart(8, '0'), now)
    if (row) living.push(String(row.id))
  }
  database.close()
  return living
}

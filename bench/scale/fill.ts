import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { numberOf } from '../../src/stores/sqlite/number.ts'
import { sqliteShelf } from '../apps/by-hand.ts'
import { newVisitor } from '../visitor.ts'

const hour = 3_600_000
const day = 24 * hour

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
  const salt = randomBytes(8).toString('hex')
  const idOf = (n: number) => n.toString(16).padStart(8, '0') + salt
  const insert = database.prepare('INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)')
  const data = JSON.stringify(recordValues())
  // In the order of their numbers, so that each row goes to the end of the table.
  const order = inOrderOfNumber(count, idOf)
  database.exec('BEGIN')
  for (const [done, n] of order.entries()) {
    const userId = n % 4 === 0 ? `user-${n % 100_000}` : null
    const since = Math.floor(Math.random() * hour)
    const expiresAt = n % expiredOneIn === 0 ? now - hour - since : now + hour + 24 * since
    insert.run(numberOf(idOf(n)), idOf(n), userId, now - day, expiresAt, data)
    if ((done + 1) % 500_000 === 0) process.stderr.write(`${done + 1} of ${count} sessions\n`)
  }
  database.exec('COMMIT')
  for (const { name, sql } of indexes) {
    database.exec(String(sql))
    process.stderr.write(`${name}\n`)
  }
  database.close()
  flushToDisk(path)
  const living: string[] = []
  while (living.length < Math.min(count, 100_000)) {
    const n = Math.floor(Math.random() * count)
    if (n % expiredOneIn !== 0) living.push(idOf(n))
  }
  const store = sqliteStore(path)
  if (!store.read(living[0] as string)) throw new Error('The store does not find what was filled in')
  void store.close?.()
  return living
}

/** The same many records as a program by hand keeps them: one text by the SHA-256 of a token. Returns some of the keys. */
export function fillByHand(path: string, count: number): string[] {
  sqliteShelf(path)
  const database = new DatabaseSync(path)
  database.exec('PRAGMA synchronous = OFF')
  const salt = randomBytes(28).toString('hex')
  const keyOf = (n: number) => n.toString(16).padStart(8, '0') + salt
  const insert = database.prepare('INSERT INTO sessions VALUES (?, ?)')
  const data = JSON.stringify(newVisitor())
  database.exec('BEGIN')
  for (let n = 0; n < count; n++) insert.run(keyOf(n), data)
  database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
  flushToDisk(path)
  return Array.from({ length: 100_000 }, () => keyOf(Math.floor(Math.random() * count)))
}

/** All numbers below `count`, nearly in the order in which their ids stand in the table. */
function inOrderOfNumber(count: number, idOf: (n: number) => string): Uint32Array {
  const places = Int32Array.from({ length: count }, (_, n) => Math.floor(numberOf(idOf(n)) / 2 ** 22))
  return Uint32Array.from({ length: count }, (_, n) => n).sort((a, b) => (places[a] as number) - (places[b] as number))
}

/** Else the first checkpoint of the store would have to write all of it. */
function flushToDisk(path: string): void {
  const file = openSync(path, 'r+')
  fsyncSync(file)
  closeSync(file)
}

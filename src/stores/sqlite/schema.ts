import { SojournError } from '../../core/errors.js'
import { type SqliteDatabase, scalar } from './database.js'

/** Stands in the header of our files, so that no other program's file is taken for one: "SJRN" in ASCII. */
export const applicationId = 0x534a524e

/** Stands in the header likewise. To be raised with every change of the schema. */
const version = 2

/*
 * A tree of rows by number is flatter than one by id, whose every node holds rows: among two million sessions a read takes a
 * third less. The indexes cost writes: the one of users only where there is a user, and none when a patch changes values
 * alone, which is what most do.
 */
const schema = `
  CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    user_id TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX sessions_by_id ON sessions (id);
  CREATE INDEX sessions_by_user ON sessions (user_id, id) WHERE user_id IS NOT NULL;
  CREATE INDEX sessions_by_expiry ON sessions (expires_at);
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};
`

/**
 * Makes the table in an empty database. Throws `store_misconfigured`, and changes nothing, where it is not empty and not ours.
 *
 * @param what the database, as a message calls it
 */
export function ensureSchema(database: SqliteDatabase, what: string): void {
  // The write lock is taken at once, so that of several processes that start one makes the table and the others see it.
  database.exec('BEGIN IMMEDIATE')
  try {
    if (isEmpty(database)) database.exec(schema)
    else refuseForeign(database, what)
    // SQLite begins on a database that it may only read as if nothing were wrong; this is refused there.
    database.exec('DELETE FROM sessions WHERE false')
    database.exec('COMMIT')
  } catch (error) {
    rollBack(database)
    throw error
  }
}

function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // SQLite has done so itself, as it does when the disk is full.
  }
}

/** Whether a database has nothing in it, and is nobody's. */
export function isEmpty(database: SqliteDatabase): boolean {
  const holdsNothing = Number(scalar(database, 'SELECT count(*) FROM sqlite_schema')) === 0
  return holdsNothing && Number(scalar(database, 'PRAGMA application_id')) === 0
}

function refuseForeign(database: SqliteDatabase, what: string): void {
  if (Number(scalar(database, 'PRAGMA application_id')) !== applicationId) {
    throw new SojournError(
      'store_misconfigured',
      `sqliteStore: ${what} belongs to another program. Give the sessions a file of their own`,
    )
  }
  const found = Number(scalar(database, 'PRAGMA user_version'))
  if (found !== version) {
    throw new SojournError(
      'store_misconfigured',
      `sqliteStore: ${what} has schema version ${found}, and this version of Sojourn knows ${version}. ` +
        (found > version ? 'Update sojourn' : 'Name a new file: no release of Sojourn made this one'),
    )
  }
}

import { closeSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { SojournError } from '../../core/errors.js'
import { type SqliteDatabase, scalar } from './database.js'
import { applicationId, isEmpty } from './schema.js'

/**
 * Opens a file with the runtime's own SQLite. `close` may be called again. Throws `client_missing` where it has none, and
 * refuses what is not ours.
 */
export function openFile(path: string): { database: SqliteDatabase; close(): void } {
  const sqlite = process.getBuiltinModule?.('node:sqlite')
  if (!sqlite) {
    throw new SojournError(
      'client_missing',
      `sqliteStore: Node ${process.versions.node} has no SQLite of its own (22.13 and newer have). Install a driver with ` +
        '`npm install libsql`, and hand over its database: ' +
        "`import Database from 'libsql'`, then `sqliteStore({ database: new Database('sessions.db') })`",
    )
  }
  if (path !== ':memory:' && holdsSomething(path)) refuseForeign(path, sqlite)
  try {
    const database = new sqlite.DatabaseSync(path)
    let isOpen = true
    function close(): void {
      if (isOpen) database.close()
      isOpen = false
    }
    return { database, close }
  } catch (cause) {
    refuse(path, `cannot be opened (${(cause as Error).message})`, cause)
  }
}

/**
 * Whether there is a file that is not empty. Does not open it: to close it would drop all locks that the process has on it,
 * also those of a store that has it open, here or in another thread.
 */
function holdsSomething(path: string): boolean {
  const found = statsOf(path)
  if (found?.isDirectory()) refuse(path, 'is a directory')
  if (!found && !statsOf(dirname(path))?.isDirectory()) refuse(path, 'is in a folder that does not exist')
  if (!found?.size) return false
  if (found.size < smallestDatabase) refuse(path, 'is not a SQLite database')
  return true
}

/** `undefined` where there is nothing. */
function statsOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (cause) {
    // Such as in a folder that this process may not enter.
    refuse(path, `cannot be found (${(cause as NodeJS.ErrnoException).code})`, cause)
  }
}

/** One page. https://www.sqlite.org/fileformat.html section 1.3.2 */
const smallestDatabase = 512

/**
 * Looks at a database before it is opened for writing: to open and close another program's may already write to it, to
 * finish what that program began. What keeps from looking keeps from opening as well, which then says so.
 */
function refuseForeign(path: string, sqlite: typeof import('node:sqlite')): void {
  let database: DatabaseSync | undefined
  let isForeign = false
  try {
    database = new sqlite.DatabaseSync(path, { readOnly: true })
    isForeign = scalar(database, 'PRAGMA application_id') !== applicationId && !isEmpty(database)
  } catch (cause) {
    const { errcode } = cause as { errcode?: number }
    if (errcode === notDatabase) refuse(path, 'is not a SQLite database', cause)
    if (errcode === cannotOpen) refuseUnreadable(path)
  } finally {
    database?.close()
  }
  if (isForeign) refuse(path, 'is the database of another program')
}

/** Result codes of https://www.sqlite.org/rescode.html */
const cannotOpen = 14
const notDatabase = 26

function refuseUnreadable(path: string): void {
  try {
    closeSync(openSync(path, 'r'))
  } catch (cause) {
    refuse(path, `cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause)
  }
}

function refuse(path: string, what: string, cause?: unknown): never {
  const fix = 'Name a new file in a folder that this process may write to, or one that Sojourn made'
  throw new SojournError('store_misconfigured', `sqliteStore: "${path}" ${what}. ${fix}`, { cause })
}

import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { SojournError } from '../../core/errors.js'
import type { SqliteDatabase } from './database.js'
import { applicationId } from './schema.js'

/** Opens a file with the runtime's own SQLite. Throws `client_missing` where it has none, and refuses what is not ours. */
export function openFile(path: string): SqliteDatabase & { close(): void } {
  const sqlite = process.getBuiltinModule?.('node:sqlite')
  if (!sqlite) {
    throw new SojournError(
      'client_missing',
      `sqliteStore: Node ${process.versions.node} has no SQLite of its own (22.13 and newer have). Install a driver with ` +
        '`npm install libsql`, and hand over its database: ' +
        "`import Database from 'libsql'`, then `sqliteStore({ database: new Database('sessions.db') })`",
    )
  }
  if (path !== ':memory:') refuseForeignFile(path)
  try {
    return new sqlite.DatabaseSync(path)
  } catch (cause) {
    refuse(path, `cannot be opened (${(cause as Error).message})`, cause)
  }
}

/**
 * Looks at the header before SQLite does: opening and closing another program's database may already write to it, to
 * finish what that program began. https://www.sqlite.org/fileformat.html section 1.3
 */
function refuseForeignFile(path: string): void {
  const header = readHeader(path)
  if (header.length === 0) return
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') refuse(path, 'is not a SQLite database')
  if (header.readUInt32BE(68) !== applicationId) refuse(path, 'is the database of another program')
}

/** The first 100 bytes; none of a file that is new or empty. */
function readHeader(path: string): Buffer {
  const header = Buffer.alloc(100)
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    const length = readSync(file, header, 0, header.length, 0)
    return header.subarray(0, length && header.length)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EISDIR') refuse(path, 'is a directory', cause)
    if (code !== 'ENOENT') refuse(path, `cannot be read (${code})`, cause)
    if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory())
      refuse(path, 'is in a folder that does not exist', cause)
    return header.subarray(0, 0)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function refuse(path: string, what: string, cause?: unknown): never {
  const fix = 'Name a new file in a folder that this process may write to, or one that Sojourn made'
  throw new SojournError('store_misconfigured', `sqliteStore: "${path}" ${what}. ${fix}`, { cause })
}

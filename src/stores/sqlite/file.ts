import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { SojournError } from '../../core/errors.js'
import type { SqliteDatabase } from './database.js'
import { applicationId } from './schema.js'

/** How many stores of this process have a file open, by its device and number. */
const openFiles = new Map<string, number>()

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
  // To close a file drops all locks that the process has on it, also those of a store that has it open.
  if (path !== ':memory:' && !openFiles.has(identityOf(path))) refuseForeignFile(path)
  try {
    const database = new sqlite.DatabaseSync(path)
    return { database, close: noted(path, () => database.close()) }
  } catch (cause) {
    refuse(path, `cannot be opened (${(cause as Error).message})`, cause)
  }
}

/** Notes that a file is open, until it is closed. */
function noted(path: string, close: () => void): () => void {
  const identity = identityOf(path)
  openFiles.set(identity, (openFiles.get(identity) ?? 0) + 1)
  let isOpen = true
  return () => {
    if (!isOpen) return
    isOpen = false
    const left = (openFiles.get(identity) ?? 1) - 1
    if (left > 0) openFiles.set(identity, left)
    else openFiles.delete(identity)
    close()
  }
}

function identityOf(path: string): string {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    // It is not there, or not to be seen, of which who opens it will tell.
    return path
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

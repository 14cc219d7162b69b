import { fileURLToPath, pathToFileURL } from 'node:url'
import { isSojournError, SojournError } from '../../core/errors.js'
import { refuseUnknownOptions } from '../../core/option-checks.js'
import { type SqliteDatabase, scalar } from './database.js'
import { openFile } from './file.js'
import { ensureSchema } from './schema.js'

/** What `sqliteStore` takes, in place of a path alone. Either `path` or `database` is needed. */
export interface SqliteStoreOptions {
  /** The file or its `file:` URL. It is made if it is not there; its folder has to be. `:memory:` for one that is gone on close. */
  path?: string | URL
  /** An open database of `better-sqlite3` or `libsql`, instead of a path. It stays the app's to close. */
  database?: SqliteDatabase
  /**
   * What an answered write outlives. `'normal'` (unless said): a crash of the process; a power cut may take the last
   * moments. `'full'`: a power cut too, at the price of a disk flush for each write.
   */
  durability?: 'normal' | 'full'
  /** How long to wait for another process that is writing, in milliseconds. 5000 unless said. The process stands still meanwhile. */
  busyTimeout?: number
}

/** A database that has our table; `own` where it was opened here. */
export interface OpenDatabase {
  database: SqliteDatabase
  own?: { path: string; close(): void }
}

/** Opens what the options of `sqliteStore` name, and sets it up. */
export function openDatabase(fileOrOptions: string | URL | SqliteStoreOptions): OpenDatabase {
  const { path, database, ...settings } = checked(fileOrOptions)
  if (database) {
    setUp(database, settings, 'the database handed over')
    return { database }
  }
  const { database: opened, close } = openFile(path)
  try {
    setUp(opened, settings, `"${path}"`)
    return { database: opened, own: { path, close } }
  } catch (error) {
    close()
    throw error
  }
}

type Settings = Required<Pick<SqliteStoreOptions, 'durability' | 'busyTimeout'>>
type Source = { path: string; database?: never } | { path?: never; database: SqliteDatabase }

function setUp(database: SqliteDatabase, { durability, busyTimeout }: Settings, what: string): void {
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeout}`)
    ensureSchema(database, what)
    // With a write-ahead log readers never wait for a writer.
    const mode = patiently(database, busyTimeout, () => scalar(database, 'PRAGMA journal_mode = WAL'))
    if (mode !== 'wal' && mode !== 'memory') throw new Error('it allows no write-ahead log, as on a network share')
    database.exec(`PRAGMA synchronous = ${durability}`)
  } catch (cause) {
    if (isSojournError(cause)) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    if (isBusy(cause)) {
      const fix = 'another process held it for longer than "busyTimeout"'
      throw new SojournError('store_unavailable', `sqliteStore: ${what} cannot be used: ${fix}`, { cause })
    }
    const fix = 'Let this process write to it and to its folder, or name another file'
    throw new SojournError('store_misconfigured', `sqliteStore: ${what} cannot be used: ${why}. ${fix}`, { cause })
  }
}

/** For what SQLite refuses at once where another process is writing, or does the same. */
function patiently<T>(database: SqliteDatabase, busyTimeout: number, attempt: () => T): T {
  const deadline = performance.now() + busyTimeout
  for (;;) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error
      // This does wait for one that writes, for as long as SQLite was told; and the pause for one that reads.
      database.exec('BEGIN IMMEDIATE')
      database.exec('ROLLBACK')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

/** SQLITE_BUSY, as `node:sqlite` and as the other drivers tell it. */
function isBusy(error: unknown): boolean {
  const { errcode, code } = error as { errcode?: number; code?: string }
  return (errcode !== undefined && (errcode & 0xff) === 5) || code?.startsWith('SQLITE_BUSY') === true
}

function checked(fileOrOptions: string | URL | SqliteStoreOptions): Settings & Source {
  const isFile = typeof fileOrOptions === 'string' || fileOrOptions instanceof URL
  const options: SqliteStoreOptions = isFile ? { path: fileOrOptions } : fileOrOptions
  if (typeof (options as Partial<SqliteDatabase> | null)?.prepare === 'function') {
    refuse('a database was given in place of the options: write { database } around it')
  }
  refuseUnknownOptions('sqliteStore', options, ['path', 'database', 'durability', 'busyTimeout'])
  const { path, database, durability = 'normal', busyTimeout = 5000 } = options ?? {}
  if (durability !== 'normal' && durability !== 'full') refuse(`"durability" must be 'normal' or 'full'`)
  if (!Number.isInteger(busyTimeout) || busyTimeout < 0 || busyTimeout >= 2 ** 31) {
    refuse('"busyTimeout" must be a whole number of milliseconds')
  }
  const settings = { durability, busyTimeout }
  if (path !== undefined && database !== undefined) refuse('give a "path" or a "database", not both')
  if (database !== undefined) return { ...settings, database: checkedDatabase(database) }
  return { ...settings, path: checkedPath(path) }
}

function checkedDatabase(database: SqliteDatabase): SqliteDatabase {
  if (typeof database?.prepare !== 'function' || typeof database.exec !== 'function') {
    refuse('"database" must be an open database of node:sqlite, better-sqlite3 or libsql')
  }
  return database
}

function checkedPath(path: string | URL | undefined): string {
  const isUrl = path instanceof URL || (typeof path === 'string' && path.startsWith('file:'))
  if (typeof path === 'string' && path !== '' && !isUrl) return path
  if (path === 'file::memory:') return ':memory:'
  try {
    // As text it may be relative. SQLite would take it, but a file is looked at before SQLite opens it.
    const url = isUrl ? new URL(path, pathToFileURL('./')) : null
    if (url?.search === '') return fileURLToPath(url)
  } catch {
    // Another scheme, or a file of another machine.
  }
  refuse('"path" must name a file, such as "sessions.db", or be its "file:" URL without parameters')
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `sqliteStore: ${what}`)
}

// Not the global one, which tests replace.
import { setImmediate } from 'node:timers'
import type { SqliteDatabase } from './database.js'

/** The snapshots that are open in this process. */
const snapshots = new Set<() => void>()

/** Has the next read of every store in this process see what is about to be written. */
export function endSnapshots(): void {
  for (const end of snapshots) end()
}

/**
 * Has the reads of one turn of the event loop share a snapshot: to take and give back the locks costs three times what
 * reading does. The first read of a turn, often the only one, has none. A snapshot lasts a millisecond at most, for what
 * other processes write meanwhile, and ends before anything is written in this one.
 *
 * @param database must be used by nobody else: a transaction may be open when a turn is handed on
 */
export function readingTogether(database: SqliteDatabase) {
  const begin = database.prepare('BEGIN')
  const commit = database.prepare('COMMIT')
  let hasRead = false
  let openedAt: number | null = null

  function end(): void {
    if (openedAt === null) return
    openedAt = null
    snapshots.delete(end)
    try {
      commit.run()
    } catch {
      // SQLite ended it itself, as it does when the file cannot be read; who read was told.
    }
  }

  function endTurn(): void {
    hasRead = false
    end()
  }

  /** To be called before each read. */
  return function beforeRead(): void {
    if (!hasRead) {
      hasRead = true
      setImmediate(endTurn)
      return
    }
    const now = Date.now()
    if (openedAt === now) return
    end()
    begin.run()
    openedAt = now
    snapshots.add(end)
  }
}

// Not the global one, which tests replace.
import { setImmediate } from 'node:timers'
import type { SqliteDatabase } from './database.js'
import { endSnapshots } from './reading-together.js'

interface Write {
  readonly id: string
  readonly work: () => unknown
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Surroundings {
  /** Is told how many writes were done. */
  written(count: number): void
  /** While another thread of this process is writing: resolves when it has ended that. */
  writingElsewhere(): Promise<unknown> | undefined
}

/** The stores of this process whose writes wait for the turn of the event loop to end. */
const waitingStores = new Set<() => void>()

/** After so many reads without a turn, somebody reads in a loop that never lets one end: then the writes go first. */
const patience = 200
let reads = 0

/**
 * Has the writes of one turn of the event loop share a transaction, whose commit costs more than all of them. Each is
 * answered when the transaction is on record, so that what an answer promises is what it would promise alone.
 *
 */
export function writingTogether(database: SqliteDatabase, { written, writingElsewhere }: Surroundings) {
  // The write lock is taken at once: a transaction that began by reading could not get it after another process wrote.
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const rollback = database.prepare('ROLLBACK')
  let waiting: Write[] = []

  function endTurn(): void {
    // SQLite would have the process stand still until then.
    const elsewhere = waiting.length > 0 ? writingElsewhere() : undefined
    if (elsewhere) void elsewhere.then(endTurn)
    else flush()
  }

  function flush(): void {
    const writes = waiting
    waiting = []
    waitingStores.delete(endTurn)
    endSnapshots()
    const [only] = writes
    if (writes.length === 1 && only) runAlone(only)
    else if (only) runTogether(writes)
    written(writes.length)
  }

  function runAlone({ work, resolve, reject }: Write): void {
    try {
      resolve(work())
    } catch (error) {
      reject(error)
    }
  }

  function runTogether(writes: readonly Write[]): void {
    for (let rest = writes; rest.length > 0; ) {
      const results: unknown[] = []
      let isBegun = false
      try {
        begin.run()
        isBegun = true
        for (const { work } of rest) results.push(work())
        commit.run()
        for (const [index, { resolve }] of rest.entries()) resolve(results[index])
        return
      } catch (error) {
        if (isBegun) rollBack()
        const culprit = isBegun ? rest[results.length] : undefined
        for (const write of culprit ? [culprit] : rest) write.reject(error)
        if (!culprit) return
        // What one of them did wrong is not the others' fault. Those before it were taken back with it; they go first again.
        runTogether(rest.slice(0, results.length))
        rest = rest.slice(results.length + 1)
      }
    }
  }

  function rollBack(): void {
    try {
      rollback.run()
    } catch {
      // SQLite has done so itself, as it does when the disk is full.
    }
  }

  return {
    /** Does the work on a session with the others of this turn. Rejects with what it throws, or why nothing could be written. */
    write<Result>(id: string, work: () => Result): Promise<Result> {
      if (waiting.length === 0) {
        setImmediate(endTurn)
        waitingStores.add(endTurn)
        reads = 0
      }
      return new Promise((resolve, reject) => {
        waiting.push({ id, work, resolve: resolve as Write['resolve'], reject })
      })
    },
    /** Does what waits now. */
    flush,
    /**
     * Does what waits now if it concerns what is about to be read: one session, or any. A promise where that has to wait, which
     * resolves when it can be asked again.
     */
    beforeRead(id?: string): Promise<unknown> | undefined {
      if (waitingStores.size === 0) return undefined
      if (waiting.some((write) => id === undefined || write.id === id)) {
        const elsewhere = writingElsewhere()
        if (elsewhere) return elsewhere
        flush()
      }
      if (++reads > patience) for (const endOne of waitingStores) endOne()
      return undefined
    },
  }
}

import { resolve } from 'node:path'
// Not the global one, which tests replace.
import { setImmediate } from 'node:timers'
import type { Worker } from 'node:worker_threads'
import { type SqliteDatabase, scalar } from './database.js'

/** SQLite's own measure of when to bring the write-ahead log into the file, in pages. */
const usual = 1000
/** Where checkpoints are made in the background: for when the writes never pause long enough for one to end. In pages. */
const backstop = 8000
/** Beyond it, writers are made to begin the log anew: where they never pause, it would grow without end. In pages. */
const crowded = 4000
/** For how long they may be held up for that, by who reads an old part of the log. In milliseconds. */
const longestHold = 20
/** Only those who wait so long for a lock are held up at all, for what is copied then has to reach the disk as well. */
const leastPatience = 500
/** So many rows are swept at a time, between which the writes of the process get their turn. */
const sweptTogether = 30
/** Each row, and each entry of an index, lies on a page of its own. */
export const pagesOfSweptRow = 4

const expired = 'FROM sessions s WHERE expires_at <= ? ORDER BY expires_at LIMIT ?'
export const removeExpired = `DELETE FROM sessions WHERE number IN (SELECT number ${expired})`
/** What removing them needs: read from the disk before, it is no longer read while others wait for the lock. */
const readExpired =
  'SELECT length(data), (SELECT 1 FROM sessions WHERE id = s.id), ' +
  `(SELECT 1 FROM sessions WHERE user_id = s.user_id AND id = s.id) ${expired}`

/**
 * A checkpoint writes its pages all over the file and waits for the disk, thirty milliseconds and more; a sweep reads pages
 * from all over the file that nobody has read for long. A thread with a connection of its own does both while this one goes
 * on; readers wait for it never, and writers no more than for each other.
 *
 * To open a file that is gone would make a new one. A sweep that a power cut takes back is made again, and checkpoints wait
 * for the disk all the same. When the log is made to begin anew, little is left to be copied. Whatever fails here, whoever does
 * the same next meets it again, and in the end the other thread, which can tell.
 */
const program = `
const { existsSync } = require('node:fs')
const { DatabaseSync } = require('node:sqlite')
const { parentPort, workerData: { file, busyTimeout } } = require('node:worker_threads')
if (!existsSync(file)) throw new Error('no file')
const database = new DatabaseSync(file)
database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0')
const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
const restart = database.prepare('PRAGMA wal_checkpoint(RESTART)')
const read = database.prepare('${readExpired}')
const sweep = database.prepare('${removeExpired}')
function work(limits) {
database.exec('PRAGMA busy_timeout = ' + (limits ? busyTimeout : ${longestHold}))
if (limits) {
read.all(...limits)
return sweep.run(...limits).changes
}
const { log } = checkpoint.get()
if (busyTimeout >= ${leastPatience} && log > ${crowded}) restart.get()
}
parentPort.on('message', (task) => {
if (task === 'close') {
database.close()
parentPort.close()
return
}
let result
try {
result = work(task)
} catch {}
parentPort.postMessage(result)
})`

/** What to sweep: those that expired before, and so many. None: a checkpoint. */
type Task = readonly [before: number, limit: number] | null

/** Makes the checkpoints and large sweeps of a file that was opened here. Until there is much to do, nothing is started. */
export function backgroundThread(database: SqliteDatabase, path: string) {
  // The process may go to another folder before the thread is started.
  const file = resolve(path)
  let worker: Worker | undefined
  let pages = 0
  let underWay: Promise<unknown> | undefined
  let answer = (_result?: unknown) => {}
  let sweeping: Promise<unknown> | undefined
  let isGivenUp = false
  let gone: Promise<unknown> | undefined

  function start(): Worker | undefined {
    try {
      const threads = process.getBuiltinModule('node:worker_threads')
      const workerData = { file, busyTimeout: Number(scalar(database, 'PRAGMA busy_timeout')) }
      // Else Node prints once more that its SQLite is experimental.
      const execArgv = ['--disable-warning=ExperimentalWarning']
      const started = new threads.Worker(program, { eval: true, workerData, execArgv, name: 'sojourn sqlite' })
      started.on('message', (result) => answer(result))
      started.on('error', giveUp)
      started.on('exit', giveUp)
      // Last, for whoever listens to a thread waits for it.
      started.unref()
      database.exec(`PRAGMA wal_autocheckpoint = ${backstop}`)
      return started
    } catch {
      // Such as where the process may not start threads.
      giveUp()
      return undefined
    }
  }

  function giveUp(): void {
    isGivenUp = true
    worker = undefined
    answer()
    try {
      database.exec(`PRAGMA wal_autocheckpoint = ${usual}`)
    } catch {
      // It was closed meanwhile.
    }
  }

  /** To be called when nothing is under way. Resolves to `undefined` where the thread failed at it, or there is none. */
  function ask(task: Task): Promise<unknown> {
    if (!isGivenUp) worker ??= start()
    if (isGivenUp || !worker) return Promise.resolve()
    const asked = worker
    underWay = new Promise((resolve) => {
      answer = (result) => {
        underWay = undefined
        if (!gone) asked.unref()
        answer = () => {}
        resolve(result)
      }
    })
    if (task) asked.ref()
    asked.postMessage(task)
    return underWay
  }

  function note(changed: number): void {
    pages += changed
    if (pages < usual || underWay || isGivenUp) return
    pages = 0
    void ask(null)
  }

  async function sweep(before: number, limit: number): Promise<number | undefined> {
    let total = 0
    for (;;) {
      while (underWay) {
        // Else a process in which nothing else is left to do would end here.
        worker?.ref()
        await underWay
      }
      const size = Math.min(sweptTogether, limit - total)
      sweeping = ask([before, size])
      const removed = await sweeping
      sweeping = undefined
      if (typeof removed !== 'number') return total > 0 || gone ? total : undefined
      total += removed
      note(pagesOfSweptRow * removed)
      if (removed < size || total === limit) return total
      // The writes that waited for this go first.
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  return {
    /** Notes how many pages a write may have changed. */
    note,
    /** Removes what expired, and resolves to how many; to `undefined` where that is to be done in this thread. */
    sweep,
    /** Resolves when the thread has ended what it is writing. `undefined` where this thread may write. */
    get isWriting(): Promise<unknown> | undefined {
      return sweeping
    },
    /** Resolves when the thread is gone; `undefined` where there is none. */
    close(): Promise<unknown> | undefined {
      isGivenUp = true
      if (worker && !gone) {
        const leaving = worker
        gone = new Promise((resolve) => leaving.once('exit', resolve))
        leaving.ref()
        leaving.postMessage('close')
      }
      return gone
    },
  }
}

import { resolve } from 'node:path'
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

/**
 * A checkpoint writes its pages all over the file and waits for the disk, thirty milliseconds and more. A thread with a
 * connection of its own does that while this one goes on; readers and writers wait for it no more than for each other.
 */
const program = `
const { existsSync } = require('node:fs')
const { DatabaseSync } = require('node:sqlite')
const { parentPort, workerData: { file, mayHoldUp } } = require('node:worker_threads')
// To open a file that is gone would make a new one.
if (!existsSync(file)) throw new Error('the file was removed')
const database = new DatabaseSync(file)
database.exec('PRAGMA busy_timeout = ${longestHold}; PRAGMA wal_autocheckpoint = 0')
const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
const restart = database.prepare('PRAGMA wal_checkpoint(RESTART)')
parentPort.on('message', (message) => {
  if (message === 'close') {
    database.close()
    parentPort.close()
    return
  }
  try {
    const { log } = checkpoint.get()
    // What is left to be copied is little by now.
    if (mayHoldUp && log > ${crowded}) restart.get()
  } catch {
    // Whatever it is, the next one meets it again, and in the end the writer, who can tell.
  }
  parentPort.postMessage('done')
})`

/** How long a sweep waits for a checkpoint at most, in milliseconds. */
const patience = 1000

/** Makes the checkpoints of a file that was opened here. Until there is much to write, nothing is started. */
export function checkpointInBackground(database: SqliteDatabase, path: string) {
  // The process may go to another folder before the thread is started.
  const file = resolve(path)
  let worker: Worker | undefined
  let pages = 0
  let underWay: Promise<void> | undefined
  let ended = () => {}
  let isGivenUp = false
  let gone: Promise<unknown> | undefined

  function start(): Worker | undefined {
    try {
      const threads = process.getBuiltinModule('node:worker_threads')
      const workerData = { file, mayHoldUp: Number(scalar(database, 'PRAGMA busy_timeout')) >= leastPatience }
      // Else Node prints once more that its SQLite is experimental.
      const execArgv = ['--disable-warning=ExperimentalWarning']
      const started = new threads.Worker(program, { eval: true, workerData, execArgv, name: 'sojourn checkpoints' })
      started.on('message', () => ended())
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
    ended()
    try {
      database.exec(`PRAGMA wal_autocheckpoint = ${usual}`)
    } catch {
      // It was closed meanwhile.
    }
  }

  return {
    /** Notes how many pages a write may have changed. */
    note(changed: number): void {
      pages += changed
      if (pages < usual || underWay || isGivenUp) return
      pages = 0
      worker ??= start()
      if (!worker) return
      underWay = new Promise((resolve) => {
        ended = () => {
          underWay = undefined
          resolve()
        }
      })
      worker.postMessage('checkpoint')
    },
    /** Resolves when the checkpoint that is under way has ended, or after a second. `undefined` where there is none. */
    rest(): Promise<void> | undefined {
      if (!underWay) return undefined
      const waitedFor = underWay
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, patience)
        void waitedFor.then(() => {
          clearTimeout(timer)
          resolve()
        })
      })
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

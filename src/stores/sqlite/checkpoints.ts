import type { Worker } from 'node:worker_threads'
import type { SqliteDatabase } from './database.js'

/** SQLite's own measure of when to bring the write-ahead log into the file, in pages. */
const usual = 1000
/** Where checkpoints are made in the background: for when the writes never pause long enough for one to end. In pages. */
const backstop = 8000

/**
 * A checkpoint writes its pages all over the file and waits for the disk, thirty milliseconds and more. A thread with a
 * connection of its own does that while this one goes on; readers and writers wait for it no more than for each other.
 */
const program = `
const { parentPort, workerData } = require('node:worker_threads')
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(workerData)
database.exec('PRAGMA busy_timeout = 0; PRAGMA wal_autocheckpoint = 0')
const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
parentPort.on('message', (message) => {
  if (message === 'close') {
    database.close()
    parentPort.close()
    return
  }
  try {
    checkpoint.get()
  } catch {
    // Whatever it is, the next one meets it again, and in the end the writer, who can tell.
  }
  parentPort.postMessage('done')
})`

/** Makes the checkpoints of a file that was opened here. Until there is much to write, nothing is started. */
export function checkpointInBackground(database: SqliteDatabase, path: string) {
  let worker: Worker | undefined
  let pages = 0
  let underWay: Promise<void> | undefined
  let ended = () => {}
  let isGivenUp = false

  function start(): Worker | undefined {
    try {
      const threads = process.getBuiltinModule('node:worker_threads')
      // Else Node prints once more that its SQLite is experimental.
      const execArgv = ['--disable-warning=ExperimentalWarning']
      const started = new threads.Worker(program, { eval: true, workerData: path, execArgv, env: {} })
      started.unref()
      started.on('message', () => ended())
      started.on('error', giveUp)
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
    /** Resolves when the checkpoint ends that is under way; `undefined` where there is none. */
    get underWay(): Promise<void> | undefined {
      return underWay
    },
    /** Resolves when the thread is gone; at once where there is none. */
    close(): Promise<unknown> | undefined {
      isGivenUp = true
      ended()
      if (!worker) return undefined
      const gone = new Promise((resolve) => worker?.once('exit', resolve))
      worker.ref()
      worker.postMessage('close')
      return gone
    },
  }
}

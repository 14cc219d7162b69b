import { setImmediate as nextTurn } from 'node:timers/promises'
import { memoryStore } from '../../core/memory-store.js'
import type { SessionStore } from '../../core/store.js'

/** Whether a store answers at once, as SQLite does, or later, as a server does. */
export type Pace = 'at once' | 'later'

type Operation = 'read' | 'create' | 'patch' | 'delete'

/** A store that tells what was asked of it, and that can be held up or made to fail. */
export interface Backend {
  readonly pace: Pace
  readonly store: SessionStore
  /** The calls so far, in order. */
  readonly calls: Operation[]
  /** The operations that fail. */
  readonly broken: Set<Operation>
  /** Holds every write back until what it returns is called. Only a store that answers later can be held. */
  holdWrites(): () => void
}

export function createBackend(pace: Pace): Backend {
  const memory = memoryStore()
  const calls: Operation[] = []
  const broken = new Set<Operation>()
  let released = Promise.resolve()

  function method<A extends unknown[], T>(operation: Operation, call: (...args: A) => T) {
    const perform = (...args: A): T => {
      if (broken.has(operation)) throw new Error(`The store was told to fail to ${operation}`)
      return call(...args)
    }
    return (...args: A): T | Promise<T> => {
      calls.push(operation)
      if (pace === 'at once') return perform(...args)
      return (operation === 'read' ? nextTurn() : released.then(() => nextTurn())).then(() => perform(...args))
    }
  }

  return {
    pace,
    calls,
    broken,
    store: {
      read: method('read', memory.read),
      create: method('create', memory.create),
      patch: method('patch', memory.patch),
      delete: method('delete', memory.delete),
    } as SessionStore,
    holdWrites() {
      let release = () => {}
      released = new Promise((resolve) => {
        release = resolve
      })
      return release
    },
  }
}

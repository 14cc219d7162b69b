import { setImmediate as turn } from 'node:timers/promises'
import type { SessionStore } from '../../src/core/store.js'
import { memoryStore } from '../../src/stores/memory.js'

/** Memory that can be made slow, or be made to fail, and tells what was asked of it. */
export interface SwitchableStore extends SessionStore {
  /** The calls so far, by name. */
  readonly calls: string[]
  /** Whether it answers in a later turn rather than at once. */
  isSlow: boolean
  /** The methods that fail. */
  readonly broken: Set<string>
  /** How many more writes of a session succeed; unless given, all. */
  failsAfter: number | undefined
}

export function switchableStore({ isSlow = true } = {}): SwitchableStore {
  const memory = memoryStore()
  const store = { calls: [] as string[], broken: new Set<string>(), isSlow } as unknown as SwitchableStore
  for (const name of ['read', 'create', 'patch', 'delete', 'list'] as const) {
    const method = memory[name] as (...args: unknown[]) => unknown
    const call = (...args: unknown[]) => {
      const isOver = name === 'patch' && store.failsAfter !== undefined && store.failsAfter-- <= 0
      if (isOver || store.broken.has(name)) throw new Error(`the disk is full: ${name}`)
      return method.apply(memory, args)
    }
    const answer = (...args: unknown[]) => {
      store.calls.push(name)
      return store.isSlow
        ? turn()
            .then(turn)
            .then(() => call(...args))
        : call(...args)
    }
    Object.assign(store, { [name]: answer })
  }
  return store
}

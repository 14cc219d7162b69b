import { SojournError } from '../../core/errors.js'

/** An item as it was found. */
export interface Found {
  text: string
  /** The command `cas`: writes it anew, or resolves to `false` where it was changed since or is gone. */
  replace(text: string, expiry: number): Promise<boolean>
}

/**
 * What a store needs of a client. An expiry is a Unix time in seconds. Each promise settles,
 * also where the client gets no answer.
 */
export interface Commands {
  /** The command `gets`. */
  find(key: string): Promise<Found | null>
  /** `false`: there is one already. */
  add(key: string, text: string, expiry: number): Promise<boolean>
  /** `false`: there was none. */
  delete(key: string): Promise<boolean>
}

/** How long to wait for an answer, in milliseconds. */
export const patience = 3_000

/** What a client calls back with. Neither client answers for a connection that was lost, so this does. */
export function answer<T>(call: (callback: (error: unknown, answer: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Memcached gave no answer within ${patience} ms`)), patience)
    call((error, answer) => {
      clearTimeout(timer)
      if (error) reject(error instanceof Error ? error : new Error(String(error)))
      else resolve(answer)
    })
  })
}

/** Where items have no mark that changes with them, a write would go over any other, and could not be told from it. */
export function refuseWithoutMarks(): never {
  throw new SojournError(
    'store_misconfigured',
    'memcachedStore: the server gives items no CAS, without which changes are lost: start it without -C (cas_disabled)',
  )
}

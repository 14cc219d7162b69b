import type { SessionStore } from '../../src/core/store.js'

/** A store to be tortured. Beside `stores/redis.ts`, to plug one in is a file and a line in `stores.ts`. */
export interface Contestant {
  /** The ways to run its backend, by name. */
  readonly arenas: { readonly [name: string]: () => Promise<Arena> }
  /** Opens a store in one of the processes, at a seat of the arena. */
  open(seat: Seat): Promise<{ store: SessionStore; close(): unknown }>
}

/** What a process has to know to open its store, such as the URL of a server. Travels between processes as JSON. */
export type Seat = { readonly [name: string]: unknown }

/** A backend that is running. */
export interface Arena {
  /** One for each process. */
  readonly seats: readonly Seat[]
  readonly faults: readonly Fault[]
  /** Figures that may be above zero here even when all is calm, each with the reason. */
  readonly exceptions?: Exceptions
  stop(): Promise<void>
}

/** Something that goes wrong while requests are under way. */
export interface Fault {
  readonly name: string
  /** Also in the short form, which CI runs. */
  readonly short?: boolean
  /** Makes it go wrong once, and resolves when all is well again. Called several times. */
  strike(facts: { sessionIds: readonly string[] }): Promise<void>
  readonly exceptions?: Exceptions
}

/** What may be broken, and why nothing can be done about it. */
export type Exceptions = { readonly [figure in Promised]?: string }

/** Figures that are promised to be zero. */
export const promised = [
  'lost',
  'repeated',
  'revived',
  'strangers',
  'unlisted',
  'hung',
  'wrong errors',
  'stuck',
] as const

export type Promised = (typeof promised)[number]

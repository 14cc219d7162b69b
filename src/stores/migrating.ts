/**
 * From one store to another, while the app runs.
 *
 * @module
 */

import { SojournError } from '../core/errors.js'
import { isMigrating, markAsMigrating } from '../core/migrating-store.js'
import { refuseOtherThanFunction, refuseUnknownOptions } from '../core/option-checks.js'
import type { ListPage, SessionRecord, SessionStore } from '../core/store.js'
import { both, watchBoth } from './migrating/both.js'
import {
  carry,
  change,
  close,
  copy,
  isRefusal,
  isSettled,
  keepSame,
  placeFor,
  type State,
  stateOf,
} from './migrating/moving.js'

/** What `migrating` takes. `from` and `to` are needed. */
export interface MigratingOptions {
  /** Where sessions are until now. */
  from: SessionStore
  /** Where they are to be. */
  to: SessionStore
  /**
   * Whether sessions move. `false`: they are found in both stores and stay where they are, and new ones begin in `from`.
   * Default `true`.
   */
  moves?: boolean
  /** The clock, in milliseconds since the epoch; for tests. Default `Date.now`. */
  clock?: () => number
}

/** An attempt fails only when somebody else got a step further, so this many is out of reach. */
const maxAttempts = 50

/**
 * A store made of two. A session moves at its first write: a place for it is made in the new store, the old record is
 * closed to writers, copied, and deleted. Whoever meets a session on its way helps it along, so that none is stuck whose
 * mover died. No session, write or ending is lost, as long as both stores keep to the contract; a store from
 * `fromConnectStore` does so within one process. One that the new store cannot hold stays in the old one.
 *
 * Every process has to know both stores before the first of them moves a session. So deploy `moves: false`, then
 * `moves: true`, then, when the old store is empty or what is left in it has expired, the new store alone. To go back,
 * deploy `moves: false`, and then the two stores exchanged.
 *
 * @throws `invalid_option` unless two different stores are given, for one that comes from `migrating` itself, and for an
 * option that is unknown or wrong
 */
export function migrating(options: MigratingOptions): SessionStore {
  const { from, to, moves, clock } = checked(options)

  /** Resolves once an attempt comes to something; where somebody is a step ahead, it is made again. */
  async function attempt<T>(id: string, once: () => Promise<T | typeof again>): Promise<T> {
    for (let count = 0; count < maxAttempts; count++) {
      const result = await once()
      if (result !== again) return result
    }
    throw new SojournError('contention', `Session ${id} was moved by others too often`)
  }

  /** Helps a session along that is on its way. Whether there was one. */
  async function help(id: string, inNew: State, inOld: State, now: number): Promise<boolean> {
    if (inNew === 'place' && inOld === 'left') await carry(id, from, to, now)
    else if (inNew === 'left' && inOld === 'place') await carry(id, to, from, now)
    else return false
    return true
  }

  /** Moves a living session out of the old store. */
  async function moveOut(id: string, now: number): Promise<State | 'moved' | 'stays'> {
    const record = await from.read(id)
    if (!record || record.expiresAt <= now) return 'absent'
    if (stateOf(record) !== 'home') return stateOf(record)
    // A new store may drop at once what expired long ago, a place as well: who writes that all the same writes it here.
    if (record.expiresAt <= clock()) return 'stays'
    const by = await placeFor(id, to, record)
    if (by === null) return 'moved'
    if (!(await close(id, from, now))) return 'moved'
    return (await copy(id, from, to, by, now)) ? 'moved' : 'stays'
  }

  async function list(page: ListPage): Promise<[id: string, record: SessionRecord][]> {
    const found: [id: string, record: SessionRecord][] = []
    for (let { after } = page; ; ) {
      const part = after === undefined ? page : { ...page, after }
      // In this order: what moves meanwhile is in both rather than in none. Others may move it back only where we move none.
      const records = new Map<string, SessionRecord>()
      for (const listed of moves ? [from, to] : [from, to, from]) {
        for (const [id, record] of (await listed.list?.(part)) ?? []) records.set(id, record)
      }
      const ids = [...records.keys()].sort().slice(0, page.limit)
      for (const id of ids) {
        const record = records.get(id) as SessionRecord
        const current = stateOf(record) === 'home' ? record : await store.read(id)
        if (current && (page.userId === undefined || current.userId === page.userId)) found.push([id, current])
        if (found.length === page.limit) return found
      }
      if (ids.length < page.limit) return found
      after = ids.at(-1)
    }
  }

  /** What a session left that could not be moved is no hindrance when it has expired: its place may have been dropped. */
  async function isTaken(id: string, store: SessionStore): Promise<boolean> {
    const record = await store.read(id)
    return record !== null && !(stateOf(record) === 'left' && record.expiresAt <= clock())
  }

  async function isOver(id: string): Promise<boolean> {
    const record = await store.read(id)
    return !record || record.expiresAt <= clock()
  }

  const store: SessionStore = {
    read: (id) =>
      attempt(id, async () => {
        const first = await to.read(id)
        if (stateOf(first) === 'home') return first
        const old = await from.read(id)
        if (stateOf(old) === 'home') return old
        const last = await to.read(id)
        if (stateOf(last) === 'home') return last
        const isOver = (old ?? last ?? { expiresAt: 0 }).expiresAt <= clock()
        // Only where the new store did not change in between were the two seen at one moment.
        if (stateOf(first) !== stateOf(last)) return again
        return !isOver && (await help(id, stateOf(last), stateOf(old), clock())) ? again : null
      }),

    async create(id, record) {
      const [home, other] = moves ? [to, from] : [from, to]
      if ((await isTaken(id, other)) || !(await home.create(id, record))) return false
      // Where some processes move sessions and others do not yet, two may have come so far, one in each store.
      if (!(await isTaken(id, other))) return true
      const isSame = await keepSame(id, home, other)
      await home.delete(id)
      if (isSame) refuseSame()
      return false
    },

    patch(id, patch) {
      // One that does not fit is tried once, or those who try would keep those out who write.
      let isMoving = moves
      /** A store may refuse a patch for its own values, unseen, where the session is not there at all: then it stays where it is. */
      async function changeNew() {
        try {
          return await change(to, id, patch)
        } catch (error) {
          const state = isRefusal(error) ? stateOf(await to.read(id)) : 'home'
          if (state === 'home') throw error
          isMoving = false
          return state
        }
      }
      return attempt(id, async () => {
        const first = await changeNew()
        if (isSettled(first)) return first
        const old = isMoving ? await moveOut(id, patch.now) : await change(from, id, patch)
        if (isSettled(old)) return old
        if (old === 'stays') isMoving = false
        if (first === 'raced' || old === 'raced' || old === 'moved' || old === 'stays') return again
        if (await help(id, first, old, patch.now)) return again
        const last = await changeNew()
        if (isSettled(last)) return last
        return first === last ? 'absent' : again
      })
    },

    async delete(id) {
      // Whichever way a session is moving, one of these deletes its source and one after it the place.
      const first = await from.delete(id)
      // Once its source is gone, a place is no session: whoever took the source away says that there was one.
      const isSession = first || stateOf(await to.read(id)) !== 'place'
      const second = (await to.delete(id)) && isSession
      const third = await from.delete(id)
      return first || second || third
    },
  }
  if (from.list && to.list) store.list = list
  if (from.sweep || to.sweep) {
    store.sweep = async (before, limit) => {
      const swept = (await from.sweep?.(before, limit)) ?? 0
      return swept < limit ? swept + ((await to.sweep?.(before, limit - swept)) ?? 0) : swept
    }
  }
  // With one that cannot, whoever follows a session there has to look by himself.
  if (from.watch && to.watch) {
    const watches = [from.watch.bind(from), to.watch.bind(to)] as const
    store.watch = (ended) => watchBoth(watches, isOver, ended)
  }
  if (from.close || to.close) {
    store.close = () =>
      both(
        () => from.close?.(),
        () => to.close?.(),
      )
  }
  return markAsMigrating(store)
}

/** Else a misspelt `moves: false` would move sessions that other processes do not find any more. */
function checked(options: MigratingOptions): Required<MigratingOptions> {
  refuseUnknownOptions('migrating', options, ['from', 'to', 'moves', 'clock'])
  const { from, to, moves = true, clock = () => Date.now() } = options ?? ({} as MigratingOptions)
  const areStores = typeof from?.patch === 'function' && typeof to?.patch === 'function'
  if (!areStores) {
    refuse(
      '"from" and "to" must be stores of Sojourn, such as await openStore(), or fromConnectStore() of another kind',
    )
  }
  if (from === to) refuse('"from" and "to" must be two different stores')
  // Both moves would mark the same records, and each take the marks of the other for its own.
  if (isMigrating(from) || isMigrating(to)) {
    refuse('"from" and "to" must not come from migrating() themselves: finish the first move before the next')
  }
  if (typeof moves !== 'boolean') refuse('"moves" must be true or false')
  refuseOtherThanFunction('clock', clock)
  return { from, to, moves, clock }
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `migrating: ${what}`)
}

/** Else each new session would find its id taken, by itself. */
function refuseSame(): never {
  const what = '"from" and "to" keep the same records, so there is nothing to move: use "to" alone'
  throw new SojournError('store_misconfigured', `migrating: ${what}`)
}

const again = Symbol('again')

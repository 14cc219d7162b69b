import type { GuardedStore } from './guarded-store.js'

/** A store's own expiry only reclaims space. It comes this late, so that a skewed clock ends nobody's session. */
const reclaimDelay = 5 * 60_000
const interval = 5 * 60_000
/** The process stands still for a batch of a store within it: for the first one of SQLite one or two milliseconds. */
const smallestBatch = 30
const largestBatch = 1000
/** For how long a batch may stop this process, and a server, which has others to answer meanwhile. In milliseconds. */
const blocking = { little: 1, long: 4 }
const waiting = { little: 20, long: 40 }
/** For other work between two batches, in milliseconds, and no less than three times what a batch took. */
const pause = 10

export interface Sweeper {
  /** Begins to sweep now and then. Does nothing when it has begun. */
  start(): void
  /**
   * Sweeps once, in batches between which other work gets its turn; resolves to how many records went. Who asks while a
   * sweep is under way joins it.
   */
  sweep(): Promise<number>
  /** Resolves when the store is not asked any more. */
  stop(): Promise<void>
}

/** Removes what expired a while ago, and never keeps the process alive for it. */
export function createSweeper(store: GuardedStore, clock: () => number): Sweeper {
  let timer: ReturnType<typeof setTimeout> | undefined
  let stopped = false
  let underWay: Promise<number> | undefined
  let isAwaited = false
  let resting: ReturnType<typeof setTimeout> | undefined
  let endRest = () => {}

  function sweep(): Promise<number> {
    underWay ??= removeExpired().finally(() => {
      underWay = undefined
      isAwaited = false
    })
    return underWay
  }

  function rest(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      resting = setTimeout(resolve, milliseconds)
      if (!isAwaited) resting.unref?.()
      endRest = resolve
    })
  }

  async function removeExpired(): Promise<number> {
    const before = clock() - reclaimDelay
    let batch = smallestBatch
    for (let total = 0; ; ) {
      const began = performance.now()
      const answer = store.sweep(before, batch)
      const blocked = performance.now() - began
      const removed = await answer
      const took = performance.now() - began
      total += removed
      // So also where the store does not say how many.
      if (!(removed >= batch) || stopped) return total
      if (blocked > blocking.long || took > waiting.long) batch = Math.max(Math.floor(batch / 2), smallestBatch)
      else if (blocked < blocking.little && took < waiting.little) batch = Math.min(2 * batch, largestBatch)
      await rest(Math.max(pause, 3 * took))
      if (stopped) return total
    }
  }

  function schedule(): void {
    // Jitter keeps the processes of a fleet from sweeping at the same moment.
    timer = setTimeout(
      () =>
        void sweep()
          .catch(() => {})
          .then(() => !stopped && schedule()),
      interval * (0.5 + Math.random()),
    )
    timer.unref?.()
  }

  return {
    sweep() {
      isAwaited = true
      resting?.ref?.()
      return sweep()
    },
    start() {
      if (!timer && !stopped) schedule()
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      clearTimeout(resting)
      endRest()
      await underWay?.catch(() => {})
    },
  }
}

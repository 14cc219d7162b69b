import { SojournError } from './errors.js'
import { createTurns } from './turns.js'

/** How long to go on trying while others change the same session, in milliseconds. */
const patience = 3_000

/**
 * For a store whose backend changes a record only by compare and set: runs an attempt until nobody else came between,
 * which it says by another result than `undefined`. Attempts on one session take turns within the process, and pause for
 * a random time when they met one of another process. Gives up with `contention`.
 */
export function compareAndSet(storeName: string) {
  const inTurn = createTurns()
  return function untilAlone<T>(id: string, attempt: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + patience
    return inTurn(id, async () => {
      for (let tries = 0; performance.now() < deadline; tries++) {
        const result = await attempt()
        if (result !== undefined) return result
        await pause(Math.random() * 2 ** Math.min(tries, 6))
      }
      throw new SojournError(
        'contention',
        `${storeName}: a session was changed from elsewhere again and again for ${patience} ms; nothing was written`,
      )
    })
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

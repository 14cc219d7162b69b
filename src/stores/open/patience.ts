/**
 * Gives up connections that hang. One over which nothing comes back may look open for a quarter of an hour, until TCP
 * gives it up: the server hangs, or something between has forgotten it.
 *
 * @module
 */
import type { Awaitable } from '../../core/store.js'

/** How long to wait for a connection, or for an answer on one, in milliseconds. */
export const patience = 5_000

/** How many calls may wait for a server that hangs. */
export const queueLimit = 10_000

class Late extends Error {
  constructor(limit: number) {
    super(`no answer within ${limit} ms`)
  }
}

/** Rejects where there is no answer in time. */
export async function inTime<T>(answer: Awaitable<T>, limit = patience): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Late(limit)), limit)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Asks a server that all calls reach over one connection whether it is there, and has the client connect anew where no
 * answer comes, or where it has not come to connect for a while. Returns a function that stops it. `ask` has to be
 * something that the server's permissions allow.
 */
export function keepAnswering(ask: () => Promise<unknown>, reconnect: () => void): () => void {
  let isAsking = false
  let isStopped = false
  let failures = 0
  const timer = setInterval(async () => {
    if (isAsking) return
    isAsking = true
    try {
      await inTime(ask())
      failures = 0
    } catch (error) {
      failures++
      // Once stopped, the client was closed, and is to stay so.
      if (!isStopped && (error instanceof Late || failures % 4 === 0)) reconnect()
    }
    isAsking = false
  }, patience / 2)
  timer.unref()
  return () => {
    isStopped = true
    clearInterval(timer)
  }
}

/** What is called of a pool of `mysql2/promise`, of which nobody else need have the types. */
interface Pool<Statement, Result> {
  getConnection(): Promise<Connection<Statement, Result>>
}

interface Connection<Statement, Result> {
  query(statement: Statement): Promise<Result>
  release(): void
  destroy(): void
}

/**
 * A pool whose connections have to answer in time, and to take writes: `mysql2` itself keeps one that hangs, and what waits
 * for it.
 */
export function impatient<Statement, Result>(pool: Pool<Statement, Result>) {
  return {
    async query(statement: Statement): Promise<Result> {
      const connection = await connectionOf(pool)
      try {
        const answer = await inTime(connection.query(statement))
        connection.release()
        return answer
      } catch (error) {
        if (error instanceof Late || isReadOnly(error)) connection.destroy()
        else connection.release()
        throw error
      }
    },
  }
}

/** Said by a server that was demoted. As in `mysql2`, whose pool leaves it likewise, so that its name is looked up anew. */
function isReadOnly(error: unknown): boolean {
  return [1290, 1792, 1836].includes((error as { errno?: number } | null)?.errno ?? 0)
}

/** A connection that comes too late goes back to the pool. */
async function connectionOf<Statement, Result>(pool: Pool<Statement, Result>): Promise<Connection<Statement, Result>> {
  const asked = pool.getConnection()
  try {
    return await inTime(asked)
  } catch (error) {
    asked.then(
      (connection) => connection.release(),
      () => {},
    )
    throw error
  }
}

import { setTimeout as sleep } from 'node:timers/promises'

/** What Sojourn calls of a `Pool` of `pg` to listen. */
export interface PostgresListenerPool {
  connect(): Promise<PostgresConnection>
}

/** One connection of a pool, taken out of it. */
export interface PostgresConnection {
  query(text: string): Promise<unknown>
  on(event: 'notification', heard: (message: { payload?: string | undefined }) => void): unknown
  on(event: 'error' | 'end', over: (error?: Error) => void): unknown
  release(destroy: Error | boolean): void
}

/** What Sojourn calls of `sql` of the package `postgres` to listen. */
export interface PostgresSqlListener {
  listen(
    channel: string,
    heard: (payload: string) => void,
    listening: () => void,
  ): PromiseLike<{ unlisten(): PromiseLike<void> }>
}

export type PostgresListener = PostgresListenerPool | PostgresSqlListener

type Heard = (id: string | null) => void
type Stop = () => Promise<void>

/** How often a connection that listens is asked whether it is still there, in milliseconds. */
const heartbeat = 30_000

/** `watch` over one connection, however many watch: taken for the first, given back after the last, or by `close`. */
export function watchOver(listener: PostgresListener, channel: string) {
  const watchers = new Set<Heard>()
  let listening: Promise<Stop> | null = null

  async function giveBack(): Promise<void> {
    const ending = listening
    listening = null
    const stop = await ending?.catch(() => null)
    await stop?.()
  }

  return {
    async watch(ended: Heard): Promise<Stop> {
      const watcher: Heard = (id) => ended(id)
      watchers.add(watcher)
      listening ??= listenTo(listener, channel, (id) => {
        for (const tell of watchers) tell(id)
      })
      const mine = listening
      try {
        await mine
      } catch (error) {
        watchers.delete(watcher)
        if (listening === mine) listening = null
        throw error
      }
      return async () => {
        if (watchers.delete(watcher) && watchers.size === 0) await giveBack()
      }
    },

    async close(): Promise<void> {
      watchers.clear()
      await giveBack()
    },
  }
}

function listenTo(listener: PostgresListener, channel: string, heard: Heard): Promise<Stop> {
  return 'listen' in listener ? listenBySql(listener, channel, heard) : listenByPool(listener, channel, heard)
}

/** `sql` connects again by itself, and says so. It goes on trying where it said that it could not listen. */
async function listenBySql(sql: PostgresSqlListener, channel: string, heard: Heard): Promise<Stop> {
  let state: 'starting' | 'listening' | 'over' = 'starting'
  const tell: Heard = (id) => {
    if (state === 'listening') heard(id)
  }
  try {
    const { unlisten } = await sql.listen(channel, tell, () => tell(null))
    state = 'listening'
    return async () => {
      state = 'over'
      // Once `sql` was ended it listens no more, and says so.
      await Promise.resolve(unlisten()).catch(() => {})
    }
  } catch (error) {
    state = 'over'
    throw error
  }
}

/** A connection taken out of the pool, and another one when it is lost. */
async function listenByPool(pool: PostgresListenerPool, channel: string, heard: Heard): Promise<Stop> {
  let connection = await openConnection(pool, channel, heard)
  let isStopped = false

  async function stayConnected(): Promise<void> {
    while (!isStopped) {
      await connection.over
      for (let pause = 100; !isStopped; pause = Math.min(2 * pause, 5000)) {
        await sleep(pause, undefined, { ref: false })
        const opened = await openConnection(pool, channel, heard).catch(() => null)
        if (!opened) continue
        connection = opened
        break
      }
      if (isStopped) connection.end()
      else heard(null)
    }
  }

  void stayConnected()
  return async () => {
    isStopped = true
    connection.end()
  }
}

/** Resolves once it listens. `over` resolves when the connection is lost or was ended, and given back to the pool. */
async function openConnection(pool: PostgresListenerPool, channel: string, heard: Heard) {
  const connection = await pool.connect()
  let end: (error?: Error) => void = () => {}
  const over = new Promise<Error | undefined>((resolve) => {
    end = resolve
  }).then((error) => {
    clearInterval(beat)
    connection.release(error ?? true)
  })
  const beat = startHeartbeat(connection, end)
  connection.on('error', end)
  connection.on('end', end)
  connection.on('notification', ({ payload }) => heard(payload ?? null))
  try {
    await connection.query(`LISTEN "${channel}"`)
  } catch (error) {
    end(error as Error)
    throw error
  }
  return { over, end }
}

/** A connection may go without a word, as when a firewall forgets it; one that only listens would never know. */
function startHeartbeat(connection: PostgresConnection, lost: (error: Error) => void): NodeJS.Timeout {
  let isAnswered = true
  const answered = () => {
    isAnswered = true
  }
  const beat = setInterval(() => {
    if (!isAnswered) return lost(new Error('The connection that listens for ended sessions does not answer'))
    isAnswered = false
    connection.query('SELECT 1').then(answered, lost)
  }, heartbeat)
  return beat.unref()
}

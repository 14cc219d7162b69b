import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { RedisClient } from './client.js'
import { publish } from './scripts.js'
import { type Hear, subscribe } from './subscription.js'
import type { Run } from './user-index.js'

export interface Listening {
  readonly client: RedisClient
  readonly run: Run
  readonly channel: string
  heard(message: string): void
  /** Called when it listens again after it did not for a while. */
  missed(): void
  /** How often to try whether it still hears, and how long a connection may take, in milliseconds. */
  readonly heartbeat?: number
}

/**
 * Listens to a channel on a connection of its own, until the function that it resolves to is called. When the connection
 * breaks or goes deaf it makes another, in a cluster perhaps to another node.
 */
export async function listen({
  client,
  run,
  channel,
  heard,
  missed,
  heartbeat = 10_000,
}: Listening): Promise<() => void> {
  // A connection that hangs does not break until TCP gives up on it, a quarter of an hour later. So it talks to itself.
  const echo = `${channel}:${randomUUID()}`
  let state: 'listening' | 'reconnecting' | 'stopped' = 'listening'
  let echoed = true

  const hear: Hear = (message, from) => {
    if (from === echo) echoed = true
    else if (state !== 'stopped') heard(message)
  }
  const connect = () => subscribe(client, [channel, echo], hear, reconnect, heartbeat)
  let hangUp = await connect()

  async function reconnect(): Promise<void> {
    if (state !== 'listening') return
    state = 'reconnecting'
    hangUp()
    for (let wait = 50; state === 'reconnecting'; wait = Math.min(2 * wait, 5000)) {
      await delay(wait * (0.5 + Math.random()), undefined, { ref: false })
      try {
        hangUp = await connect()
        break
      } catch {}
    }
    if (wasStopped()) return hangUp()
    state = 'listening'
    echoed = true
    missed()
  }
  const wasStopped = () => state === 'stopped'

  const beat = setInterval(() => {
    if (!echoed) return void reconnect()
    echoed = false
    run(publish, channel, echo, '').catch(() => {})
  }, heartbeat)
  beat.unref()

  return () => {
    state = 'stopped'
    clearInterval(beat)
    hangUp()
  }
}

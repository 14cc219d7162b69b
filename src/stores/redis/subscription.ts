import { canDuplicate, isIoRedis, type RedisClient } from './client.js'
import { primariesOf } from './every-id.js'

export type Hear = (message: string, channel: string) => void

/** A connection for listening alone. */
interface Connection {
  subscribe(channels: string[], hear: Hear): Promise<unknown>
  /** Safe to call when it has closed by itself. */
  close(): void
}

/**
 * Listens to channels at a primary, taken at random, on a connection of its own. Resolves to what closes it; calls
 * `broken` when it ends otherwise. Rejects when it cannot begin within `patience` milliseconds.
 */
export async function subscribe(
  client: RedisClient,
  channels: string[],
  hear: Hear,
  broken: () => void,
  patience: number,
): Promise<() => void> {
  let state: 'beginning' | 'listening' | 'over' = 'beginning'
  let fail = (_error: Error) => {}
  const failure = new Promise<never>((_, reject) => {
    fail = reject
  })
  const ended = () => {
    if (state === 'listening') broken()
    if (state === 'beginning') fail(new Error('the connection broke'))
  }
  let connection: Connection | undefined
  const hangUp = () => {
    state = 'over'
    connection?.close()
  }
  const timer = setTimeout(() => fail(new Error(`no answer within ${patience} ms`)), patience)
  try {
    // A client may still be finding the server, or be trying to for ever.
    connection = await Promise.race([connectionLike(client, ended), failure])
    await Promise.race([connection.subscribe(channels, hear), failure])
    state = 'listening'
    return hangUp
  } catch (error) {
    hangUp()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** What listening calls of a duplicate of a client of `redis`. */
interface NodeRedisSubscriber {
  connect(): Promise<unknown>
  subscribe(channels: string[], hear: Hear): Promise<unknown>
  on(event: string, listener: (change?: { type?: string }) => void): unknown
  destroy(): unknown
}

/** The same of `ioredis` and `iovalkey`. */
interface IoRedisSubscriber {
  subscribe(...channels: string[]): Promise<unknown>
  on(event: string, listener: (channel: string, message: string) => void): unknown
  disconnect(): void
}

/** A new connection to the server of a client, or to one of its primaries. Not meant to come back when it broke. */
async function connectionLike(client: RedisClient, ended: () => void): Promise<Connection> {
  const primaries = primariesOf(client)
  const primary = await primaries[Math.floor(Math.random() * primaries.length)]?.()
  if (!primary || !canDuplicate(primary)) throw new Error('no server to listen to is known')
  if (!isIoRedis(primary)) return nodeRedisConnection(primary.duplicate() as NodeRedisSubscriber, ended)
  // It is told to subscribe before it is connected, which one without a queue would refuse.
  return ioRedisConnection(primary.duplicate({ enableOfflineQueue: true }) as IoRedisSubscriber, ended)
}

function nodeRedisConnection(subscriber: NodeRedisSubscriber, ended: () => void): Connection {
  let connected = false
  for (const event of ['error', 'end']) subscriber.on(event, ended)
  // Of Sentinel. It goes on to listen at the new primary by itself, but does not say what it missed.
  subscriber.on('topology-change', (change) => {
    if (connected && change?.type === 'MASTER_CHANGE') ended()
  })
  return {
    async subscribe(channels, hear) {
      await subscriber.connect()
      connected = true
      await subscriber.subscribe(channels, hear)
    },
    close() {
      new Promise((resolve) => resolve(subscriber.destroy())).catch(() => {})
    },
  }
}

function ioRedisConnection(subscriber: IoRedisSubscriber, ended: () => void): Connection {
  for (const event of ['error', 'close']) subscriber.on(event, ended)
  return {
    async subscribe(channels, hear) {
      subscriber.on('message', (channel, message) => hear(message, channel))
      await subscriber.subscribe(...channels)
    },
    close() {
      subscriber.disconnect()
    },
  }
}

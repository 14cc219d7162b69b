import { once } from 'node:events'
import { Cluster as IoCluster, Redis as IoRedis } from 'ioredis'
import { Cluster as ValkeyCluster, Redis as ValkeyRedis } from 'iovalkey'
import * as redis from 'redis'
import * as redis5 from 'redis5'
import type { RedisClient } from '../../src/stores/redis.js'

/** The libraries whose clients the store takes. */
export const libraries = ['redis', 'redis5', 'ioredis', 'iovalkey'] as const

export type Library = (typeof libraries)[number]

/** Where the server is: alone, a cluster by its nodes, or the primary that sentinels name. */
export type Place = { url: string } | { cluster: string[] } | { sentinels: string[]; name: string }

/** A connected client, made as an app would. Errors are left to the commands that meet them. */
export async function connectRedis(
  library: Library,
  place: Place,
): Promise<{ client: RedisClient; close(): Promise<void> }> {
  switch (library) {
    case 'redis':
      return opened(nodeRedis(redis, place))
    case 'redis5':
      // Its types name other type parameters; what is called here is the same.
      return opened(nodeRedis(redis5 as unknown as typeof redis, place))
    case 'ioredis':
      return ready(ioRedis(IoRedis, IoCluster, place))
    case 'iovalkey':
      return ready(
        ioRedis(ValkeyRedis as unknown as typeof IoRedis, ValkeyCluster as unknown as typeof IoCluster, place),
      )
  }
}

function nodeRedis({ createClient, createCluster, createSentinel }: typeof redis, place: Place) {
  if ('url' in place) return createClient({ url: place.url })
  if ('cluster' in place) return createCluster({ rootNodes: place.cluster.map((url) => ({ url })) })
  return createSentinel({ name: place.name, sentinelRootNodes: place.sentinels.map(address) })
}

async function opened(client: ReturnType<typeof nodeRedis>) {
  client.on('error', () => {})
  await client.connect()
  return {
    client,
    async close() {
      await client.destroy()
    },
  }
}

function ioRedis(Redis: typeof IoRedis, Cluster: typeof IoCluster, place: Place) {
  if ('url' in place) return new Redis(place.url)
  if ('cluster' in place) return new Cluster(place.cluster.map(address))
  return new Redis({ name: place.name, sentinels: place.sentinels.map(address) })
}

async function ready(client: ReturnType<typeof ioRedis>) {
  client.on('error', () => {})
  await once(client, 'ready')
  return {
    client,
    async close() {
      client.disconnect()
    },
  }
}

function address(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'redis'
import { redisStore } from '../../../src/stores/redis.js'
import { startProxy } from '../../harness/proxy.js'
import { startRedis, startRedisCluster, startRedisSentinel, startValkey } from '../../harness/redis.js'
import type { Server } from '../../harness/server.js'
import { connectRedis, type Library, libraries, type Place } from '../../stores/redis-clients.js'
import type { Arena, Contestant, Exceptions, Fault } from '../contestant.js'
import { networkFaults, restarts } from '../faults.js'

/** A process for each library. */
const seatsAt = (place: Place) => libraries.map((library) => ({ library, place }))

export const redis: Contestant = {
  arenas: {
    'one server': () => alone(startRedis),
    Valkey: () => alone(startValkey),
    async Sentinel() {
      const watched = await startRedisSentinel()
      const place = { name: watched.name, sentinels: watched.sentinels.map(({ url }) => url) }
      const servers = [watched.primary, watched.replica]
      // A machine that is as busy as this one makes a primary look dead sooner.
      for (const sentinel of watched.sentinels) {
        await command(sentinel, 'SENTINEL', 'SET', watched.name, 'down-after-milliseconds', '2500')
      }
      return { seats: seatsAt(place), faults: failovers(watched.sentinels, servers), stop: () => watched.stop() }
    },
    async 'a cluster'() {
      const cluster = await startRedisCluster()
      const place = { cluster: cluster.nodes.map(({ url }) => url) }
      return { seats: seatsAt(place), faults: [movesOfSlots(cluster.nodes)], stop: () => cluster.stop() }
    },
    async 'a replicated cluster'() {
      const cluster = await startRedisCluster({ replicas: 1 })
      const place = { cluster: cluster.nodes.map(({ url }) => url) }
      return { seats: seatsAt(place), faults: clusterFailovers(cluster.nodes), stop: () => cluster.stop() }
    },
  },

  async open({ library, place }) {
    const { client, close } = await connectRedis(library as Library, place as Place)
    return { store: redisStore({ client }), close }
  },
}

async function alone(start: typeof startRedis): Promise<Arena> {
  const server = await start({ own: true, durable: true })
  const proxy = await startProxy(server)
  return {
    seats: seatsAt({ url: proxy.url }),
    faults: [restarts(server), ...networkFaults(proxy)],
    async stop() {
      await proxy.stop()
      await server.stop()
    },
  }
}

/** A primary answers before its replica has heard of it, so a failover may take back what was answered last. */
const asynchronous: Exceptions = {
  lost: 'the replica had not heard of it',
  revived: 'the replica had not heard of the end',
  unlisted: 'the replica had not heard of the entry in the index',
  repeated: 'createSentinel() of redis repeats what the old primary may have done and passed on',
}

function failovers(sentinels: readonly Server[], servers: readonly Server[]): Fault[] {
  async function primaryNow(): Promise<Server> {
    const [, port] = (await command(sentinels[0], 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'sojourn')) as string[]
    return servers.find((server) => server.port === Number(port)) as Server
  }

  async function failOver(primary: Server): Promise<void> {
    await primary.kill()
    await until('the replica takes over', async () => (await primaryNow()) !== primary)
    await primary.restart()
    // The sentinels would see to it, after some time.
    const { host, port } = await primaryNow()
    await command(primary, 'REPLICAOF', host, String(port))
    await until('the old primary follows', async () =>
      /master_link_status:up/.test(String(await command(primary, 'INFO', 'replication'))),
    )
  }

  return [
    {
      name: 'the primary is killed',
      short: true,
      exceptions: asynchronous,
      strike: async () => failOver(await primaryNow()),
    },
    {
      name: 'the primary is killed while its replica is cut off',
      exceptions: asynchronous,
      async strike() {
        const primary = await primaryNow()
        const replica = servers.find((server) => server !== primary)
        // It cannot connect again as a user that there is not.
        await command(replica, 'CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'nothing')
        await command(primary, 'CLIENT', 'KILL', 'TYPE', 'replica')
        await delay(300)
        await failOver(primary)
        await command(replica, 'CONFIG', 'SET', 'masteruser', '', 'masterauth', '')
      },
    },
  ]
}

/** What befalls the primary that has the busiest session. */
function clusterFailovers(nodes: readonly Server[]): Fault[] {
  async function pairOf(sessionId: string): Promise<[primary: Server, replica: Server]> {
    const alive = nodes[0]
    const slot = Number(await command(alive, 'CLUSTER', 'KEYSLOT', `sojourn:session:${sessionId}`))
    type Range = [from: number, to: number, ...nodes: [host: string, port: number][]]
    for (const end = Date.now() + 30_000; Date.now() < end; await delay(50)) {
      const ranges = (await command(alive, 'CLUSTER', 'SLOTS')) as Range[]
      const [, , ...places] = ranges.find(([from, to]) => from <= slot && slot <= to) ?? [0, 0]
      const [primary, replica] = places.map(([, port]) => nodes.find((node) => node.port === port))
      if (primary && replica) return [primary, replica]
    }
    throw new Error('the primary has no replica')
  }
  const isPrimary = async (node: Server) => /role:master/.test(String(await command(node, 'INFO', 'replication')))
  const follows = async (node: Server) =>
    /master_link_status:up/.test(String(await command(node, 'INFO', 'replication').catch(() => '')))
  const isWell = async () => {
    const states = await Promise.all(nodes.map(async (node) => String(await command(node, 'CLUSTER', 'INFO'))))
    return states.every((state) => state.includes('cluster_state:ok'))
  }

  async function failOver(primary: Server, replica: Server): Promise<void> {
    await primary.kill()
    await until('the replica takes over', () => isPrimary(replica))
    // For a while the cluster does without it.
    await delay(1000)
    await primary.restart()
    await until('the old primary follows', () => follows(primary))
    await until('the cluster is well', isWell)
  }

  return [
    {
      name: 'the replica takes over from its primary, as asked',
      async strike({ sessionIds: [busiest = ''] }) {
        const [primary, replica] = await pairOf(busiest)
        // Where the two are not level within five seconds, nothing comes of it.
        await until('the replica takes over', async () => {
          await command(replica, 'CLUSTER', 'FAILOVER').catch(() => {})
          await delay(300)
          return isPrimary(replica)
        })
        await until('the old primary follows', () => follows(primary))
        await until('the cluster is well', isWell)
      },
    },
    {
      name: 'a primary is killed',
      short: true,
      exceptions: asynchronous,
      strike: async ({ sessionIds: [busiest = ''] }) => failOver(...(await pairOf(busiest))),
    },
    {
      name: 'a primary is killed while its replica is cut off',
      exceptions: asynchronous,
      async strike({ sessionIds: [busiest = ''] }) {
        const [primary, replica] = await pairOf(busiest)
        // It cannot connect again as a user that there is not.
        await command(replica, 'CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'nothing')
        await command(primary, 'CLIENT', 'KILL', 'TYPE', 'replica')
        await delay(300)
        await failOver(primary, replica)
        await command(replica, 'CONFIG', 'SET', 'masteruser', '', 'masterauth', '')
      },
    },
  ]
}

/** Moves the slots of some sessions, with what is in them, to another node. */
function movesOfSlots(nodes: readonly Server[]): Fault {
  async function move(slot: string): Promise<void> {
    const ids = await Promise.all(nodes.map(async (node) => String(await command(node, 'CLUSTER', 'MYID'))))
    const ranges = (await command(nodes[0], 'CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
    const [, , [, port]] = ranges.find(([from, to]) => from <= Number(slot) && Number(slot) <= to) ?? [0, 0, ['', 0]]
    const from = nodes.findIndex((node) => node.port === port)
    const to = (from + 1 + Math.floor(Math.random() * (nodes.length - 1))) % nodes.length
    const [source, target] = [nodes[from], nodes[to]] as [Server, Server]
    await command(target, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(ids[from]))
    await command(source, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(ids[to]))
    await delay(50)
    for (;;) {
      const keys = (await command(source, 'CLUSTER', 'GETKEYSINSLOT', slot, '10')) as string[]
      if (keys.length === 0) break
      await command(source, 'MIGRATE', target.host, String(target.port), '', '0', '5000', 'KEYS', ...keys)
    }
    await delay(50)
    for (const node of [target, source, ...nodes.filter((node) => node !== target && node !== source)]) {
      await command(node, 'CLUSTER', 'SETSLOT', slot, 'NODE', String(ids[to]))
    }
  }

  return {
    name: 'slots move to another node',
    short: true,
    async strike({ sessionIds }) {
      for (const id of sessionIds.slice(0, 3)) {
        await move(String(await command(nodes[0], 'CLUSTER', 'KEYSLOT', `sojourn:session:${id}`)))
      }
    },
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await isSo()); await delay(50)) {
    if (Date.now() > end) throw new Error(`waited for half a minute, in vain: ${what}`)
  }
}

async function connect(server: Server | undefined) {
  const client = createClient({ url: server?.url ?? '', RESP: 2 })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** One command, on a connection of its own. */
async function command(server: Server | undefined, ...parts: string[]): Promise<unknown> {
  const client = await connect(server)
  try {
    return await client.sendCommand(parts)
  } finally {
    client.destroy()
  }
}

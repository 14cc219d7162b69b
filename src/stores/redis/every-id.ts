import { SojournError } from '../../core/errors.js'
import type { Awaitable } from '../../core/store.js'
import { isRecordId } from '../../core/token.js'
import { type RedisClient, runScript } from './client.js'
import { readKeyName, readSlots, scanKeys } from './scripts.js'

/** What a listing of all calls of a cluster client of `redis`. */
interface NodeRedisCluster {
  readonly masters: readonly object[]
  nodeClient(node: object): Promise<RedisClient>
}

/** The same of `ioredis` and `iovalkey`. */
interface IoRedisCluster {
  nodes(role: 'master'): RedisClient[]
}

/** What gives a client for each primary of a cluster, or the one for the only server. */
export function primariesOf(client: RedisClient): (() => Awaitable<RedisClient>)[] {
  const cluster = client as Partial<NodeRedisCluster & IoRedisCluster>
  if (cluster.nodes) return cluster.nodes('master').map((node) => () => node)
  if (cluster.masters) return cluster.masters.map((node) => () => (cluster as NodeRedisCluster).nodeClient(node))
  return [() => client]
}

/**
 * The lowest ids above `after`, in ascending order; fewer than `limit` when there are no more. Goes through every key of
 * every server, a thousand at a time, because a server keeps keys in no order. It promises to show each that stays.
 */
export async function lowestIds(
  client: RedisClient,
  keyStart: string,
  after: string,
  limit: number,
): Promise<string[]> {
  // Clients can be told to put something before every key, which a scan shows.
  const start = (await runScript(client, readKeyName, [keyStart], [])) as string
  const pattern = `${start.replace(/[*?[\]\\]/g, '\\$&')}*`
  const primaries = await Promise.all(primariesOf(client).map((connect) => connect()))
  const slots = await slotsOf(client, primaries)
  let ids = new Set<string>()
  for (const primary of primaries) {
    for (let cursor = '0', run: string | undefined; ; ) {
      const step = await runScript(primary, scanKeys, [], [cursor, pattern])
      const [next, keys, runOfStep] = step as [string, string[], run?: string]
      // A cursor is a place in an order that each process draws for itself.
      if (cursor !== '0' && runOfStep !== run) refuseAnotherRun()
      run = runOfStep
      for (const key of keys) {
        const id = key.slice(start.length)
        // Another program may keep something beside the sessions.
        if (id > after && isRecordId(id)) ids.add(id)
      }
      if (ids.size > 4 * limit + 1000) ids = new Set([...ids].sort().slice(0, limit))
      if (next === '0') break
      cursor = next
    }
  }
  if ((await slotsOf(client, primaries)) !== slots) refuseWhileMoving()
  return [...ids].sort().slice(0, limit)
}

const slotCount = 16_384

/**
 * Which primary of a cluster has which slots. A key that moves to a node that was already scanned would be missed, so a
 * listing is refused unless every slot is at its place, before and after.
 */
async function slotsOf(client: RedisClient, primaries: readonly RedisClient[]): Promise<string> {
  // The one server is its client.
  if (primaries[0] === client) return ''
  const lines = await Promise.all(primaries.map((primary) => runScript(primary, readSlots, [], [])))
  // <id> <address> <flags> <primary> <ping> <pong> <epoch> <state> <slot> <from>-<to> [<slot>->-<node>] …
  const slots = lines.map((line) => String(line).split(' ').slice(8))
  let count = 0
  for (const range of slots.flat()) {
    if (range.startsWith('[')) refuseWhileMoving()
    const [from, to = from] = range.split('-')
    count += Number(to) - Number(from) + 1
  }
  if (count !== slotCount) refuseWhileMoving()
  return JSON.stringify(slots)
}

function refuseAnotherRun(): never {
  throw new SojournError(
    'store_unavailable',
    'redisStore: the server was restarted or replaced during a list of all sessions, which could miss some. Try again',
  )
}

function refuseWhileMoving(): never {
  throw new SojournError(
    'store_unavailable',
    'redisStore: the cluster is moving slots: a list of all sessions could miss some. Try again when it is done',
  )
}

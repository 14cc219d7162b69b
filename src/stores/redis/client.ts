import { SojournError } from '../../core/errors.js'
import type { Script } from './scripts.js'

/** What Sojourn calls of `redis` 5 and 6: `createClient`, `createClientPool`, `createCluster`, `createSentinel`. */
export interface NodeRedisClient {
  evalSha(sha: string, call: { keys?: string[]; arguments?: string[] }): Promise<unknown>
  eval(text: string, call: { keys?: string[]; arguments?: string[] }): Promise<unknown>
}

/** What Sojourn calls of `Redis` and `Cluster` of `ioredis` and `iovalkey`. */
export interface IoRedisClient {
  evalsha(sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  eval(text: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  on(event: string, listener: () => void): unknown
}

/** A client that the app made and connects. It stays the app's to close. */
export type RedisClient = NodeRedisClient | IoRedisClient

/** Told by how it spells its methods. */
export function isIoRedis(client: object): client is IoRedisClient {
  return typeof (client as Partial<IoRedisClient>).evalsha === 'function'
}

/**
 * Whether an object has what a store calls. A pipeline of `ioredis` has the same methods, and so has what `legacy()` of a
 * client of `redis` gives, but neither answers with promises; and neither has events.
 */
export function isClient(client: unknown): client is RedisClient {
  if (typeof client !== 'object' || client === null) return false
  const { on, evalSha, sendCommand } = client as Record<string, unknown>
  if (isIoRedis(client)) return on !== undefined
  return typeof evalSha === 'function' && (sendCommand === undefined || on !== undefined)
}

/** Whether listening can have a connection of its own. A pool cannot be duplicated, nor a sentinel of `redis` 5. */
export function canDuplicate<Client extends object>(
  client: Client,
): client is Client & { duplicate(changed?: object): object } {
  return typeof (client as { duplicate?: unknown }).duplicate === 'function'
}

/** What a script resolved to. Numbers come as text; an error is what one of several things that it did came to. */
export type Reply = string | null | Error | Reply[]

/**
 * Runs a script by its digest, and by its text where the server does not have it: new, restarted, or told to forget.
 * Clients send scripts to the primary, whatever they were told to do with reads.
 */
export function runScript(client: RedisClient, script: Script, keys: string[], args: string[]): Promise<Reply> {
  return call(client, 'evalsha', script.sha, keys, args).then(plain, (error: unknown) => {
    if (!messageOf(error).startsWith('NOSCRIPT')) throw explained(error)
    return call(client, 'eval', script.text, keys, args).then(plain, (error: unknown) => {
      throw explained(error)
    })
  })
}

function call(
  client: RedisClient,
  command: 'evalsha' | 'eval',
  script: string,
  keys: string[],
  args: string[],
): Promise<unknown> {
  if (isIoRedis(client)) return methodOf(client, command).call(client, script, keys.length, ...keys, ...args)
  return client[command === 'eval' ? 'eval' : 'evalSha'](script, { keys, arguments: args })
}

type Call = (script: string, keyCount: number, ...keysAndArguments: string[]) => Promise<unknown>

/** What is called of a `Cluster` besides. */
interface IoRedisCluster {
  readonly isCluster: true
  createBuiltinCommand(command: string): { string: Call }
}

/**
 * The method of a cluster that was made with `enableAutoPipelining` puts calls into a pipeline by what it takes for their key,
 * `iovalkey` 0.4 by the digest of the script. All of a pipeline whose keys turn out to be on several nodes are refused. What
 * that method is made from sends each as it is.
 */
function methodOf(client: IoRedisClient, command: 'evalsha' | 'eval'): Call {
  if (!(client as Partial<IoRedisCluster>).isCluster) return client[command]
  const known = methodsOf.get(client)?.[command]
  if (known) return known
  const made = (client as unknown as IoRedisCluster).createBuiltinCommand(command).string
  methodsOf.set(client, { ...methodsOf.get(client), [command]: made })
  return made
}

const methodsOf = new WeakMap<IoRedisClient, { readonly [command: string]: Call }>()

/** A client can be told to give buffers for text. */
function plain(reply: unknown): Reply {
  if (typeof reply === 'string') return reply
  if (Array.isArray(reply)) return reply.map(plain)
  if (reply instanceof Error) return explained(reply)
  return reply === null || reply === undefined ? null : String(reply)
}

/** How often a client lost a connection. */
export interface Losses {
  count: number
}

const lossesOf = new WeakMap<IoRedisClient, Losses>()

/**
 * Counts the connections that a client loses. `ioredis` and `iovalkey` send what was not answered once more on the next
 * connection, so that a script may run twice. What is refused the second time may have been done the first time.
 */
export function countLosses(client: RedisClient): Readonly<Losses> {
  if (!isIoRedis(client)) return { count: 0 }
  const known = lossesOf.get(client)
  if (known) return known
  const losses: Losses = { count: 0 }
  lossesOf.set(client, losses)
  // The first is of a single connection, the others of a cluster's.
  for (const event of ['close', '-node', 'node error']) {
    client.on(event, () => {
      losses.count++
    })
  }
  return losses
}

/** An error for which the app has to change something, in words that say what; any other as it is. */
function explained<Cause>(cause: Cause): Cause | SojournError {
  const message = messageOf(cause)
  const found = explanations.find(({ pattern }) => pattern.test(message))
  return found ? new SojournError(found.code, `redisStore: ${found.text}`, { cause }) : cause
}

const explanations = [
  {
    pattern: /^MOVED /,
    code: 'store_misconfigured',
    text: 'the server is a node of a cluster: make the client with createCluster() of redis or new Cluster() of ioredis or iovalkey, or begin the URL with redis+cluster:',
  },
  {
    pattern: /WRONGTYPE/,
    code: 'store_misconfigured',
    text: 'a key that begins with this "prefix" is in use by another program: choose another prefix',
  },
  {
    pattern: /^(NOPERM|NOAUTH|WRONGPASS)|executing the script can't/,
    code: 'store_misconfigured',
    text: "the server does not allow this user a command, a key or a channel: Sojourn's page Stores lists what is needed",
  },
  {
    pattern: /^EVICTS/,
    code: 'unsupported',
    text: 'this server may evict any key, so a list could miss sessions: set maxmemory-policy to noeviction, or to a volatile one',
  },
  { pattern: /^LATE/, code: 'store_unavailable', text: 'the write reached the server too late, and was not made' },
] as const

/**
 * Whether a cluster refused a script, and did nothing, because its keys are on several nodes: always, or while their slot
 * moves. `ioredis` and `iovalkey` put words of their own before it, once they have tried often enough; proxies before a cluster
 * have others altogether.
 */
export function isOfSeveralNodes(error: unknown): boolean {
  return /(^|: )(CROSSSLOT|TRYAGAIN|ASK|MOVED) |same slot/i.test(messageOf(error))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}

/**
 * Makes clients from URLs, each from a package that the app has installed.
 *
 * A client that is idle tells of a lost connection by an event which ends the process where nobody listens. Here the
 * next call tells of it, so the events are let go by.
 *
 * @module
 */
import { Socket } from 'node:net'
import { SojournError } from '../../core/errors.js'
import { wholeNumber } from '../../core/option-checks.js'
import { type Address, hostsOf } from './address.js'
import { impatient, inTime, keepAnswering, patience, queueLimit } from './patience.js'

/** Takes note of how a client is closed, before it is connected. */
export type Own = (close: () => unknown) => void

interface SqliteDriver {
  exec(sql: string): unknown
  prepare(sql: string): {
    get(...parameters: unknown[]): unknown
    all(...parameters: unknown[]): unknown[]
    run(...parameters: unknown[]): { changes: number | bigint }
  }
}

/** For a Node before 22.13, which has no SQLite of its own. */
export async function sqliteDriver(path: string, own: Own): Promise<SqliteDriver | undefined> {
  if (process.getBuiltinModule?.('node:sqlite')) return undefined
  const { default: Database } = await load.libsql()
  try {
    const database = new Database(path)
    own(() => database.close())
    return database
  } catch (cause) {
    throw new SojournError('store_misconfigured', `openStore: ${JSON.stringify(path)} cannot be opened`, { cause })
  }
}

export async function redisClient(address: Address, own: Own) {
  const { createClient } = await loadRedis()
  const url = address.urlFor(address.scheme)
  // What cannot be sent now fails now, and is not sent when its request is long over.
  const settings = { url, socket: persistent(), disableOfflineQueue: true, commandsQueueMaxLength: queueLimit }
  // To ask for news of maintenance, `redis` 6.3 looks an address of IPv6 up with its brackets, and fails to connect.
  const ipv6 = address.place.includes('[') ? ({ maintNotifications: 'disabled' } as const) : {}
  const client = made('redis', () => createClient({ ...settings, ...ipv6 }))
  const renew = () => connectAnew(client)
  const stop = keepAnswering(() => client.time(), renew)
  const close = () => {
    stop()
    if (client.isOpen) client.destroy()
  }
  return { client: await connected(client, close, own), renew }
}

export async function redisCluster(address: Address, own: Own) {
  const { createCluster } = await loadRedis()
  const { hosts, credentials } = hostsOf(address, 6379)
  const secured = address.scheme.startsWith('rediss') && { tls: true as const }
  const rootNodes = hosts.map(({ host, port }) => ({ socket: { host, port, ...secured } }))
  const defaults = { ...credentials, socket: { ...persistent(), ...secured }, commandsQueueMaxLength: queueLimit }
  const client = made('redis', () => createCluster({ rootNodes, defaults }))
  let unanswered = new Set<Awaited<ReturnType<typeof client.nodeClient>>>()
  const stop = keepAnswering(
    async () => {
      const nodes = await Promise.all(client.masters.map((master) => client.nodeClient(master)))
      unanswered = new Set(nodes)
      const ask = async (node: (typeof nodes)[number]) => {
        await node.time()
        unanswered.delete(node)
      }
      await Promise.all(nodes.map(ask))
    },
    () => {
      for (const node of unanswered) {
        connectAnew(node)
        // At this the client asks the other nodes who has its slots now: while it hangs, its replica takes over.
        node.emit('reconnecting')
      }
    },
  )
  const close = () => {
    stop()
    if (client.isOpen) client.destroy()
  }
  return { client: await connectedToAny(client, hosts.length, close, own) }
}

export async function redisSentinel(address: Address, own: Own) {
  const { createSentinel } = await loadRedis()
  const { hosts, credentials, name } = hostsOf(address, 26379)
  if (!name) {
    throw new SojournError(
      'invalid_option',
      'openStore: a redis+sentinel: URL ends with the name of the primary, such as /mymaster',
    )
  }
  const settings = {
    name,
    sentinelRootNodes: hosts,
    nodeClientOptions: credentials,
    // It does not close before its sentinel, or what was taken for one, has answered. One that it listens to says little but pings.
    sentinelClientOptions: { socket: { socketTimeout: 2 * patience }, pingInterval: patience },
  }
  const client = made('redis', () => createSentinel(settings))
  return { client: await connectedToAny(client, hosts.length, () => client.destroy(), own) }
}

export async function valkeyClient(address: Address, own: Own) {
  const { Redis } = await load.iovalkey()
  const settings = { enableOfflineQueue: false, lazyConnect: true, maxRetriesPerRequest: 0 }
  const scheme = address.scheme === 'valkeys' ? 'rediss' : 'redis'
  const client = made('iovalkey', () => new Redis(address.urlFor(scheme), settings))
  const stop = keepAnswering(
    () => client.time(),
    () => client.disconnect(true),
  )
  const close = () => {
    stop()
    client.disconnect()
  }
  // One that was closed is to stay so.
  const renew = () => void (client.status === 'ready' && client.disconnect(true))
  return { client: await connected(client, close, own), renew }
}

export async function pgPool(address: Address, own: Own) {
  const { default: pg } = await load.pg()
  // A pool has its size from its own options alone.
  const { max } = address.take('max')
  const settings = {
    ...(max !== undefined && { max: wholeNumber(Number(max), 'openStore: the parameter "max"') }),
    connectionString: address.urlFor('postgres'),
    connectionTimeoutMillis: patience,
    // A connection whose statement had no answer in time is closed, and another takes its place in the pool.
    query_timeout: patience,
    stream: () => goneOnceEnded(new Socket()),
  }
  // A pool does not look at its URL before it connects.
  made('pg', () => new pg.Client(settings))
  const pool = new pg.Pool(settings)
  own(() => pool.end())
  pool.on('error', () => {})
  return pool
}

/** As the event of a pool has it, whatever its types say. */
interface MysqlConnection {
  readonly stream: Socket
  query(sql: string, callback: () => void): unknown
}

/** How long a statement may wait for a lock, in seconds: it ends before its connection is closed. */
const lockPatience = patience / 1000 - 1

export async function mysqlPool(address: Address, own: Own) {
  const { createPool } = await load.mysql2()
  // In the URL, as what stands beside it would win over what the app says there.
  const uri = address.urlFor('mysql', { connectTimeout: patience, queueLimit })
  const pool = made('mysql2', () => createPool({ uri }))
  const sockets = new Set<Socket>()
  pool.on('connection', (ofPromises) => {
    const connection = ofPromises as unknown as MysqlConnection
    const { stream } = connection
    sockets.add(goneOnceEnded(stream))
    stream.once('close', () => sockets.delete(stream))
    // Closed from this side, one that waits for a lock stays in the server, which would run out of connections. Where the
    // server takes no such limits, its own hold.
    connection.query(`SET innodb_lock_wait_timeout = ${lockPatience}, lock_wait_timeout = ${lockPatience}`, () => {})
  })
  own(async () => {
    // One that hangs in the middle of a statement does not end.
    await inTime(pool.end()).catch(() => {})
    for (const socket of sockets) socket.destroy()
  })
  return impatient(pool)
}

export async function memjsClient(address: Address, own: Own) {
  const { default: memjs } = await load.memjs()
  const settings = { timeout: 2, logger: { log() {} } }
  // Its own way with a URL takes no address of IPv6, and nothing that is percent-encoded. Each server may have a user.
  const servers = address.place.split(',').flatMap((place) => {
    const { hosts, credentials } = hostsOf({ place }, 11211)
    const { username, password } = credentials
    return hosts.map(({ host, port }) => new memjs.Server(host, port, username, password, settings))
  })
  const client = new memjs.Client(servers, settings)
  own(() => client.close())
  return client
}

export async function mongoDatabase(address: Address, own: Own) {
  const { MongoClient } = await load.mongodb()
  const limits = { serverSelectionTimeoutMS: patience, connectTimeoutMS: patience, socketTimeoutMS: patience }
  const url = address.urlFor(address.scheme, limits)
  const client = made('mongodb', () => new MongoClient(url))
  // It waits for a last answer, and asks for it again.
  own(() => inTime(client.close()).catch(() => {}))
  return client.db()
}

export async function dynamodbClient(address: Address, own: Own) {
  const name = '@aws-sdk/client-dynamodb'
  const { DynamoDB } = await load.dynamodb()
  const requestHandler = { connectionTimeout: patience, socketTimeout: patience }
  const client = made(name, () => new DynamoDB({ ...address.take('region', 'endpoint'), requestHandler }))
  own(() => client.destroy())
  return client
}

/** Not owned yet: this client ends the process where it is closed while it waits for an answer. */
export async function firestoreClient(address: Address) {
  const name = '@google-cloud/firestore'
  const { Firestore } = await load.firestore()
  return made(name, () => new Firestore(address.take('projectId', 'databaseId')))
}

/**
 * A socket that is gone once this side has ended it. Clients wait for the other side to do so too, and a server that hangs
 * does not: the connection would stay, and keep the process from ending.
 */
function goneOnceEnded(socket: Socket): Socket {
  return socket.once('finish', () => socket.destroy())
}

/** Version 4 connects and reads, but its clients have no `destroy`. */
async function loadRedis() {
  const redis = await load.redis()
  if (typeof redis.createClientPool === 'function') return redis
  throw new SojournError('client_missing', 'openStore: this store needs version 5 or newer of the package redis')
}

/**
 * Each when a URL asks for it. A bundler takes it for an error of the app where a package is not there, unless the `import()`
 * itself stands in a `try`.
 */
const load = {
  async libsql() {
    try {
      return await import('libsql')
    } catch (cause) {
      return refuseMissing('libsql', cause)
    }
  },
  async redis() {
    try {
      return await import('redis')
    } catch (cause) {
      return refuseMissing('redis', cause)
    }
  },
  async iovalkey() {
    try {
      return await import('iovalkey')
    } catch (cause) {
      return refuseMissing('iovalkey', cause)
    }
  },
  async pg() {
    try {
      return await import('pg')
    } catch (cause) {
      return refuseMissing('pg', cause)
    }
  },
  async mysql2() {
    try {
      return await import('mysql2/promise')
    } catch (cause) {
      return refuseMissing('mysql2', cause)
    }
  },
  async memjs() {
    try {
      return await import('memjs')
    } catch (cause) {
      return refuseMissing('memjs', cause)
    }
  },
  async mongodb() {
    try {
      return await import('mongodb')
    } catch (cause) {
      return refuseMissing('mongodb', cause)
    }
  },
  async dynamodb() {
    try {
      return await import('@aws-sdk/client-dynamodb')
    } catch (cause) {
      return refuseMissing('@aws-sdk/client-dynamodb', cause)
    }
  },
  async firestore() {
    try {
      return await import('@google-cloud/firestore')
    } catch (cause) {
      return refuseMissing('@google-cloud/firestore', cause)
    }
  },
}

/** Throws `client_missing` with what to install. What is missing may as well be something that the package itself needs. */
function refuseMissing(name: string, cause: unknown): never {
  const { code, message } = Object(cause) as { code?: unknown; message?: unknown }
  const text = String(message)
  // The last is what Vite puts in the place of an optional peer.
  const isMissing =
    code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' || text.startsWith('Could not resolve "')
  // In the words of Node, of Vite, and of Yarn's Plug'n'Play.
  const isIt = [`'${name}`, `"${name}`, `access ${name}`].some((words) => text.includes(words))
  if (!isMissing || !isIt) throw cause
  throw new SojournError('client_missing', `openStore: this store needs the package ${name}: npm install ${name}`, {
    cause,
  })
}

/** A client that refuses a URL may quote it, password and all, so its own words are not passed on. */
function made<Client>(name: string, make: () => Client): Client {
  try {
    return make()
  } catch {
    throw new SojournError('invalid_option', `openStore: the package ${name} does not understand this URL`)
  }
}

/**
 * For a client of `redis` that connects anew for as long as it takes, also where a server takes the connection and says
 * nothing. No shorter: over a connection for listening may come no more than an echo every ten seconds.
 */
function persistent() {
  return {
    socketTimeout: 4 * patience,
    reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 2000) + Math.random() * 200,
  }
}

/**
 * Has a client of `redis` leave a connection that it takes for good. Where it is connecting already, it is left alone: it
 * would go on to do so beside the second attempt.
 */
function connectAnew(client: { readonly isReady: boolean; destroy(): void; connect(): Promise<unknown> }): void {
  if (!client.isReady) return
  client.destroy()
  client.connect().catch(() => {})
}

interface Connectable {
  on(event: 'error', listener: (error: unknown) => void): unknown
  connect(): Promise<unknown>
}

/** Connects, or rejects with the first thing that goes wrong: these clients go on trying. */
async function connected<Client extends Connectable>(client: Client, close: () => void, own: Own): Promise<Client> {
  own(close)
  const failed = new Promise<never>((_, reject) => client.on('error', reject))
  await inTime(Promise.race([client.connect(), failed]))
  return client
}

/** Connects by any of several hosts, or rejects with the last thing that went wrong: each may be down or silent. */
async function connectedToAny<Client extends Connectable>(
  client: Client,
  hosts: number,
  close: () => void,
  own: Own,
): Promise<Client> {
  own(close)
  let failure: unknown
  client.on('error', (error) => {
    failure = error
  })
  try {
    await inTime(client.connect(), hosts * patience)
  } catch (error) {
    throw failure ?? error
  }
  return client
}

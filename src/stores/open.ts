import { isSojournError, SojournError } from '../core/errors.js'
import type { SessionStore } from '../core/store.js'
import { type Address, addressOf, decoded } from './open/address.js'
import {
  dynamodbClient,
  firestoreClient,
  memjsClient,
  mongoDatabase,
  mysqlPool,
  type Own,
  pgPool,
  redisClient,
  redisCluster,
  redisSentinel,
  sqliteDriver,
  valkeyClient,
} from './open/clients.js'
import { leavingReplicas } from './open/demotion.js'
import { inTime } from './open/patience.js'

/** A store with the client that was made for it; `close` closes both. */
export interface OpenedStore extends SessionStore {
  close(): Promise<void>
}

type Opener = (address: Address, own: Own) => Promise<SessionStore & { migrate?(): Promise<void> }>

/** Every scheme that a URL can begin with, and the store behind it. */
const schemes: { readonly [scheme: string]: Opener } = {
  memory: openMemory,
  sqlite: openSqlite,
  redis: (address, own) => openRedis(address, redisClient, own),
  rediss: (address, own) => openRedis(address, redisClient, own),
  'redis+cluster': (address, own) => openRedis(address, redisCluster, own),
  'rediss+cluster': (address, own) => openRedis(address, redisCluster, own),
  'redis+sentinel': (address, own) => openRedis(address, redisSentinel, own),
  valkey: (address, own) => openRedis(address, valkeyClient, own),
  valkeys: (address, own) => openRedis(address, valkeyClient, own),
  postgres: openPostgres,
  postgresql: openPostgres,
  mysql: openMysql,
  mariadb: openMysql,
  memcached: openMemcached,
  mongodb: openMongodb,
  'mongodb+srv': openMongodb,
  firestore: openFirestore,
  dynamodb: openDynamodb,
}

/**
 * Opens the store that a URL names, for apps and tools that are told their store by configuration:
 *
 * ```ts
 * const store = await openStore(process.env.SESSION_STORE ?? 'sqlite:sessions.db')
 * ```
 *
 * The schemes are `memory:`, `sqlite:`, `redis:`, `rediss:`, `redis+cluster:`, `rediss+cluster:`, `redis+sentinel:`, `valkey:`,
 * `valkeys:`, `postgres:`, `postgresql:`, `mysql:`, `mariadb:`, `memcached:`, `mongodb:`, `mongodb+srv:`, `firestore:` and `dynamodb:`. The
 * parameters `prefix`, `table` and `collection` name the place in it, `migrate=true` lets the store make its table or its
 * indexes, `listen=true` lets PostgreSQL tell of ended sessions at once, and `max` is the size of its pool; others are for the client. An app that has more to
 * say makes client and store by itself.
 *
 * A connection that gives no answer for five seconds is closed and another made, so that a server that hangs, or a firewall
 * that forgot a connection, is survived without a restart. Behind Sentinel it is the failover that leads away from a server
 * that hangs; a connection that a firewall forgot is lost only when the system gives it up.
 *
 * Resolves once the store has answered. Rejects with `invalid_option` for a URL that cannot be understood,
 * `client_missing` where the client's package is not installed, `store_unavailable` without an answer within five
 * seconds (for each host of a cluster or of Sentinel), and `store_misconfigured` where the table is missing,
 * or the one server of Redis is a node of a cluster. No message quotes the URL.
 */
export async function openStore(url: string): Promise<OpenedStore> {
  const address = addressOf(typeof url === 'string' ? url : '')
  const open = Object.hasOwn(schemes, address.scheme) ? schemes[address.scheme] : undefined
  if (!open) refuse(`the URL must begin with one of ${Object.keys(schemes).join(':, ')}:`)
  const closers: (() => unknown)[] = []
  const close = async () => {
    for (const closing of closers.splice(0).reverse()) await closing()
  }
  let couldMigrate = false
  try {
    const isMigrating = flag(address, 'migrate')
    const store = await open(address, (closing) => closers.push(closing))
    closers.push(() => store.close?.())
    couldMigrate = !isMigrating && store.migrate !== undefined
    if (isMigrating) await (store.migrate ?? refuseToMigrate)()
    // A store that cannot be used is noticed now, not by the first visitor.
    await inTime(store.read('openStore'))
    return { ...store, close }
  } catch (error) {
    // A client that waits for an answer may wait for it before it closes, too.
    await inTime(close()).catch(() => {})
    throw explained(error, couldMigrate)
  }
}

async function openMemory(address: Address) {
  const { memoryStore } = await import('./memory.js')
  address.end()
  return memoryStore()
}

async function openSqlite(address: Address, own: Own) {
  const { sqliteStore } = await import('./sqlite.js')
  address.end()
  if (!address.place) refuse('a SQLite URL names a file: sqlite:sessions.db')
  const path = decoded(address.place)
  const database = await sqliteDriver(path, own)
  return sqliteStore(database ? { database } : path)
}

async function openRedis(
  address: Address,
  clientOf: typeof redisClient | typeof redisCluster | typeof redisSentinel | typeof valkeyClient,
  own: Own,
) {
  const { redisStore } = await import('./redis.js')
  const options = address.take('prefix')
  address.end()
  const opened = await clientOf(address, own)
  const store = redisStore({ client: opened.client, ...options })
  // The others find the primary by themselves.
  if (!('renew' in opened)) return store
  // A node of a cluster answers for the keys that it has, and refuses the others. Of so many it has some and lacks some.
  await inTime(Promise.all(Array.from({ length: 16 }, (_, number) => store.read(`openStore${number}`))))
  return leavingReplicas(store, opened.renew)
}

async function openPostgres(address: Address, own: Own) {
  const { postgresStore } = await import('./postgres.js')
  const isListening = flag(address, 'listen')
  const options = address.take('table')
  const pool = await pgPool(address, own)
  return postgresStore({ pool, ...options, ...(isListening && { listen: pool }) })
}

async function openMysql(address: Address, own: Own) {
  const { mysqlStore } = await import('./mysql.js')
  const options = address.take('table')
  return mysqlStore({ pool: await mysqlPool(address, own), ...options })
}

async function openMemcached(address: Address, own: Own) {
  const { memcachedStore } = await import('./memcached.js')
  const options = address.take('prefix')
  address.end()
  return memcachedStore({ client: await memjsClient(address, own), ...options })
}

async function openMongodb(address: Address, own: Own) {
  const { mongodbStore } = await import('./mongodb.js')
  const { collection = 'sojourn_sessions' } = address.take('collection')
  const database = await mongoDatabase(address, own)
  return mongodbStore({ collection: database.collection(collection) })
}

async function openFirestore(address: Address, own: Own) {
  const { firestoreStore } = await import('./firestore.js')
  const client = await firestoreClient(address)
  address.end()
  const store = firestoreStore({ collection: client.collection(decoded(address.place) || 'sojourn_sessions') })
  await inTime(store.read('openStore'))
  own(() => client.terminate())
  return store
}

async function openDynamodb(address: Address, own: Own) {
  const { dynamodbStore } = await import('./dynamodb.js')
  const client = await dynamodbClient(address, own)
  address.end()
  return dynamodbStore({ client, ...(address.place && { table: decoded(address.place) }) })
}

function flag(address: Address, name: 'migrate' | 'listen'): boolean {
  const value = address.take(name)[name] ?? 'false'
  if (value !== 'true' && value !== 'false') refuse(`the parameter "${name}" is true or false`)
  return value === 'true'
}

function refuseToMigrate(): never {
  refuse('"migrate" is for stores that need a table or indexes')
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `openStore: ${what}`)
}

function explained(cause: unknown, couldMigrate: boolean): SojournError {
  if (!isSojournError(cause)) {
    return new SojournError('store_unavailable', 'openStore: the store could not be opened', { cause })
  }
  if (cause.code !== 'store_misconfigured' || !couldMigrate) return cause
  return new SojournError(cause.code, `${cause.message}. In a URL, migrate=true creates what is missing`, { cause })
}

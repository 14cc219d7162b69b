import { SojournError } from '../../core/errors.js'
import { refuseUnknownOptions } from '../../core/option-checks.js'
import type { PostgresClient } from './client.js'
import type { PostgresListener } from './listening.js'

/** What `postgresStore` takes. `pool` is needed. */
export interface PostgresStoreOptions {
  /** A `Pool` of `pg`, or `sql` as `postgres(url)` gives it, that leads to the primary. It stays the app's to close. */
  pool: PostgresClient
  /**
   * The table: letters, digits and `_`, at most 48 characters, with its schema before a dot where that is not on the
   * `search_path`. `sojourn_sessions` unless said.
   */
  table?: string
  /**
   * For `watch`: a `Pool` or `sql` that connects to the server itself, with no proxy that pools by transaction between;
   * it may be the same as `pool`, if that may have two connections or more. For each store, one of its connections is held
   * from when something begins to watch. A process that ends sessions has to be given it as well, or the others do not learn of it.
   */
  listen?: PostgresListener
}

/** The options, checked, with the table as it stands in SQL. */
export function checked(options: PostgresStoreOptions) {
  refuseUnknownOptions('postgresStore', options, ['pool', 'table', 'listen'])
  const { pool, table = 'sojourn_sessions', listen } = options ?? {}
  if (!hasOne(pool, 'query', 'unsafe')) refuse('"pool" must be a Pool of pg, or sql as postgres(url) gives it')
  if (isOneConnection(pool))
    refuse('"pool" must be a Pool of pg: a Client does not come back once its connection is lost')
  if ('unsafe' in pool && pool.options?.transform?.row?.from) {
    refuse('"pool" has a "transform.row" that would change what the store reads. Hand over an sql without one')
  }
  if (listen !== undefined && !hasOne(listen, 'connect', 'listen')) {
    refuse('"listen" must be a Pool of pg, or sql as postgres(url) gives it')
  }
  if (isOneConnection(listen)) {
    refuse(
      '"listen" must be a Pool of pg: a Client does not come back once its connection is lost. A Pool of its own may have max: 1',
    )
  }
  if ((listen as unknown) === pool && isPoolOfOne(pool)) {
    refuse('"listen" holds a connection for itself: give it a pool of its own, or "pool" a max of 2 or more')
  }
  if (typeof table !== 'string' || table.length > 48 || !/^([a-z_]\w*\.)?[a-z_]\w*$/i.test(table)) {
    refuse('"table" must be a name of letters, digits and "_", or two with a dot between, at most 48 characters in all')
  }
  const quoted = table.replace(/\w+/g, '"$&"')
  return { pool, listen, table: quoted, channel: `${table}_ended` }
}

function hasOne(client: unknown, ...methods: string[]): boolean {
  return methods.some((method) => typeof (client as Record<string, unknown> | undefined)?.[method] === 'function')
}

/** A `Client` of `pg` has the methods that are called on a `Pool`, too, but this one besides. */
function isOneConnection(client: unknown): boolean {
  return hasOne(client, 'escapeLiteral')
}

/** An `sql` of `postgres` listens over a connection beside its own. */
function isPoolOfOne(client: unknown): boolean {
  return hasOne(client, 'connect') && Number((client as { options?: { max?: unknown } }).options?.max) === 1
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `postgresStore: ${what}`)
}

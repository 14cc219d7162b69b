import { SojournError } from '../../core/errors.js'
import { refuseUnknownOptions } from '../../core/option-checks.js'
import type { MysqlPool } from './client.js'

/** What `mysqlStore` takes. `pool` is needed. */
export interface MysqlStoreOptions {
  /** A promise pool (`createPool` of `mysql2/promise`) that leads to the primary. It stays the app's to close. */
  pool: MysqlPool
  /**
   * The table: letters, digits and `_`, at most 64 characters, with its database before a dot where that is not the
   * connection's. `sojourn_sessions` unless said.
   */
  table?: string
}

/** The options, checked, with the table as it stands in SQL. */
export function checked(options: MysqlStoreOptions) {
  refuseUnknownOptions('mysqlStore', options, ['pool', 'table'])
  const { pool, table = 'sojourn_sessions' } = options ?? {}
  if (typeof pool?.query !== 'function') refuse('"pool" must be a pool, as createPool() of mysql2/promise gives it')
  // The pool of callbacks has this method, and its query() throws where a promise is awaited.
  if ('promise' in pool) refuse('"pool" must be a pool of promises: createPool() of mysql2/promise, or pool.promise()')
  // One connection has it; a pool has to be asked for a connection first.
  if ('beginTransaction' in pool) {
    refuse('"pool" must be a pool, as createPool() gives it: one connection does not come back once it is lost')
  }
  if (typeof table !== 'string' || !/^(\w{1,64}\.)?[a-z_]\w{0,63}$/i.test(table)) {
    refuse('"table" must be a name of letters, digits and "_", or two with a dot between, each at most 64 characters')
  }
  return { pool, table: table.replace(/\w+/g, '`$&`') }
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `mysqlStore: ${what}`)
}

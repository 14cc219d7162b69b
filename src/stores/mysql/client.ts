import { SojournError, type SojournErrorCode } from '../../core/errors.js'

/**
 * Text goes in as bytes, which the client writes as hexadecimal literals, and comes out as bytes: no `sql_mode`, and no
 * character set of the connection, can change it on the way or give it a meaning in SQL.
 */
export type Parameter = Buffer | Buffer[] | number | null

/** What Sojourn calls of a pool of `mysql2/promise`. */
export interface MysqlPool {
  query(statement: {
    sql: string
    values: Parameter[]
    rowsAsArray: boolean
    nestTables: boolean
    typeCast: (field: { buffer(): Buffer | null }) => unknown
  }): Promise<[result: unknown, ...rest: unknown[]]>
}

/** How often a statement is tried that the server took back because of others. Each time, one of the others was done. */
const maxAttempts = 20

/** In bytes. Every server takes a packet of this size; a larger one is compared with what it says. */
const smallPacket = 500_000

/** Runs statements, whatever the app set for its own: for the rows they give, or for the number of rows they changed. */
export function statementsOf(pool: MysqlPool, table: string) {
  async function send(sql: string, values: Parameter[]): Promise<unknown> {
    const [result] = await pool.query({ sql, values, ...asItIs })
    return result
  }

  /** A server that is sent too large a packet hangs up, which the next user of the connection would meet. */
  async function refuseBeyondPacket(size: number): Promise<void> {
    const [row] = (await send('SELECT @@max_allowed_packet', [])) as unknown[][]
    if (size > Number(row?.[0])) throw refusal(tooLarge, table)
  }

  async function run(sql: string, values: Parameter[]): Promise<unknown> {
    const size = packetSize(values)
    if (size > smallPacket) await refuseBeyondPacket(size)
    for (let attempt = 1; ; attempt++) {
      try {
        return await send(sql, values)
      } catch (error) {
        if (!wasTakenBack(error) || attempt === maxAttempts) throw explained(error, table)
      }
    }
  }
  return {
    rows: async (sql: string, values: Parameter[] = []) => (await run(sql, values)) as unknown[][],
    async change(sql: string, values: Parameter[] = []): Promise<number> {
      const { affectedRows, serverStatus = committing } = (await run(sql, values)) as Changed
      if (!(serverStatus & committing)) refuseUncommitted()
      return affectedRows
    },
  }
}

interface Changed {
  affectedRows: number
  /** Not told by every client. */
  serverStatus?: number
}

/** Of a server's status: that the connection commits by itself (SERVER_STATUS_AUTOCOMMIT). */
const committing = 2

/** Each write would be taken back when its connection closes, and hold up the others until then. */
export function refuseUncommitted(): never {
  const what = 'the connections of this pool do not commit by themselves: hand over one without "autocommit = 0"'
  throw new SojournError('store_misconfigured', `mysqlStore: ${what}`)
}

/** Each column as its bytes. Of a pool's own `typeCast` only another function takes the place. */
const asItIs = {
  rowsAsArray: true,
  nestTables: false,
  typeCast: (field: { buffer(): Buffer | null }) => field.buffer(),
}

/** No less than a statement with these values takes. */
function packetSize(values: Parameter[]): number {
  const sizes = values.flat().map((value) => (Buffer.isBuffer(value) ? 2 * value.length : 0) + 40)
  return sizes.reduce((total, size) => total + size, 1000)
}

/** The primary key is taken (ER_DUP_ENTRY). */
export function isTaken(error: unknown): boolean {
  return numberOf(error) === 1062
}

/** Another process has made the index meanwhile (ER_DUP_KEYNAME). */
export function isIndexThere(error: unknown): boolean {
  return numberOf(error) === 1061
}

/** A deadlock (ER_LOCK_DEADLOCK), or in a cluster a conflict with another node. Nothing was changed. */
function wasTakenBack(error: unknown): boolean {
  return numberOf(error) === 1213
}

/** ER_DATA_TOO_LONG, but of a column that holds whatever the engine makes ids of. */
function isTooLong(error: unknown): boolean {
  return numberOf(error) === 1406 && !String((error as Error).message).includes("'id'")
}

function numberOf(error: unknown): unknown {
  return (error as { errno?: unknown } | null)?.errno
}

type Explanation = [code: SojournErrorCode, what: (table: string) => string]

const noRight: Explanation = [
  'store_misconfigured',
  (table) =>
    `permission denied. The user needs SELECT, INSERT, UPDATE and DELETE on ${table}, and CREATE and INDEX to migrate`,
]
const otherTable: Explanation = [
  'store_misconfigured',
  (table) =>
    `the table ${table} is not as \`store.schema\` makes it: a column is of another type or length, no key keeps \`id\` unique, or there is a column or constraint more. Make it by that SQL, or name another "table"`,
]
const tooLarge: Explanation = [
  'record_too_large',
  () => 'the record is larger than the server takes. Store less, or raise its max_allowed_packet',
]

/** By the numbers of https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html, which MariaDB shares below 1900. */
const explanations: Record<number, Explanation> = {
  1146: [
    'store_misconfigured',
    (table) =>
      `there is no table ${table}. Create it with \`await store.migrate()\`, or run the SQL in \`store.schema\``,
  ],
  1054: [
    'store_misconfigured',
    (table) => `the table ${table} lacks a column, so it is not one of Sojourn's. Name another "table"`,
  ],
  1046: [
    'store_misconfigured',
    (table) => `no database is said for ${table}. Name one where the pool is made, or in "table" before a dot`,
  ],
  1049: ['store_misconfigured', (table) => `there is no database for ${table}. Create it with CREATE DATABASE`],
  1044: noRight,
  1142: noRight,
  1143: noRight,
  1153: tooLarge, // a packet
  1048: otherTable, // a column that takes no NULL
  1264: otherTable, // a number that holds less
  1292: otherTable, // a date
  1364: otherTable, // a column without a default
  1366: otherTable, // another type
  1406: otherTable, // a text that holds less
  1452: otherTable, // a foreign key
  3819: otherTable, // a check
  4025: otherTable, // a check, on MariaDB
}

function explained(cause: unknown, table: string): unknown {
  const explanation = isTooLong(cause) ? tooLarge : explanations[Number(numberOf(cause))]
  return explanation ? refusal(explanation, table, cause) : cause
}

function refusal([code, what]: Explanation, table: string, cause?: unknown): SojournError {
  return new SojournError(code, `mysqlStore: ${what(table)}`, { cause })
}

export function refuseOtherTable(table: string): never {
  throw refusal(otherTable, table)
}

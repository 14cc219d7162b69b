import { SojournError, type SojournErrorCode } from '../../core/errors.js'

export type Parameter = string | number | null

/** What Sojourn calls of a `Pool` of `pg`. */
export interface PostgresPool {
  query(text: string, values: Parameter[]): Promise<PoolResult>
}

interface PoolResult {
  rows: object[]
  /** By this alone it is known whether a write was made. `null` of a statement that counts nothing. */
  rowCount: number | null
}

/** What Sojourn calls of `sql`, as `postgres(url)` of the package `postgres` gives it. */
export interface PostgresSql {
  unsafe(
    text: string,
    parameters: Parameter[],
    options: { prepare: boolean },
  ): { raw(): PromiseLike<readonly Buffer[][] & { readonly count: number }> }
  /** For the transforms of the app: one of whole rows cannot be kept from the store's. */
  readonly options?: { readonly transform?: { readonly row?: { readonly from?: unknown } } }
}

export type PostgresClient = PostgresPool | PostgresSql

/** Of one statement: its rows, which have one column, and how many rows it wrote or gave. */
export interface Result {
  readonly rows: readonly unknown[]
  readonly count: number
}

/** Runs one statement; without parameters, it may be several. */
export type Query = (text: string, parameters: Parameter[]) => Promise<Result>

/** How often a statement is tried that the server took back because of others. Each time, one of the others was done. */
const maxAttempts = 20

/** Columns are told by their place, so that no setting by which the app renames them matters. */
export function queryOf(client: PostgresClient, table: string): Query {
  const run = 'unsafe' in client ? runBySql(client) : runByPool(client)
  const attempt = (text: string, parameters: Parameter[], count: number): Promise<Result> =>
    run(text, parameters).catch((error: unknown) => {
      if (!wasTakenBack(error) || count === maxAttempts) throw explained(error, table)
      return attempt(text, parameters, count + 1)
    })
  return (text, parameters) => attempt(text, parameters, 1)
}

function runByPool(pool: PostgresPool): Query {
  return (text, values) => pool.query(text, values).then(resultOfPool)
}

/** Of several statements there are several results, and no rows that anybody asks for. */
function resultOfPool({ rows, rowCount }: Partial<PoolResult>): Result {
  if (!rows) return { rows: [], count: 0 }
  if (rowCount !== undefined) return { rows: rows.map((row) => Object.values(row)[0]), count: rowCount ?? 0 }
  const what = '"pool" gives results that do not count their rows as "rowCount", as those of pg do'
  throw new SojournError('store_misconfigured', `postgresStore: ${what}. Use a Pool of pg, or sql of postgres`)
}

function runBySql(sql: PostgresSql): Query {
  return async (text, parameters) => {
    // It is `sql` that decides: statements are prepared unless it was made with `prepare: false`.
    // As bytes, which neither a parser of types nor `transform.value` of the app sees.
    const rows = await sql.unsafe(text, parameters, { prepare: true }).raw()
    return { rows: withoutHoles(rows).map(([column]) => String(column)), count: rows.count }
  }
}

/**
 * Where a connection broke between a row and the end of its result, `postgres` 3.4 goes on to count on the next
 * connection: the result of another statement then begins with places that were never filled.
 */
function withoutHoles<T>(rows: readonly T[]): T[] {
  return rows.filter(() => true)
}

/** A deadlock, or a conflict where the database was set to REPEATABLE READ or SERIALIZABLE. Nothing was changed. */
function wasTakenBack(error: unknown): boolean {
  return codeOf(error) === '40P01' || codeOf(error) === '40001'
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}

type Explanation = [code: SojournErrorCode, what: (table: string) => string]

const unknownCharacter: Explanation = [
  'invalid_value',
  () =>
    "PostgreSQL cannot hold NUL, nor a character that the encoding of the database lacks: make it with ENCODING 'UTF8'",
]

const otherTable: Explanation = [
  'store_misconfigured',
  (table) =>
    `the table ${table} is not as \`store.schema\` makes it: a column is of another type or length, it has no primary key, or a column or constraint more. Make it by that SQL, or name another "table"`,
]

/** By the codes of https://www.postgresql.org/docs/current/errcodes-appendix.html */
const explanations: Record<string, Explanation> = {
  '42P01': [
    'store_misconfigured',
    (table) =>
      `there is no table ${table}. Create it with \`await store.migrate()\`, or run the SQL in \`store.schema\``,
  ],
  '3D000': [
    'store_misconfigured',
    (table) => `there is no database for the table ${table}. Create it with CREATE DATABASE`,
  ],
  '3F000': [
    'store_misconfigured',
    (table) => `there is no schema for the table ${table}. Create it with CREATE SCHEMA`,
  ],
  '42703': [
    'store_misconfigured',
    (table) =>
      `the table ${table} lacks a column. Run \`await store.migrate()\`, or name another "table" if it is not Sojourn's`,
  ],
  '42804': otherTable,
  '42883': otherTable,
  '42P10': otherTable,
  '22008': otherTable,
  // What columns of integer, uuid and varchar(n) cannot hold.
  '22001': otherTable,
  '22003': otherTable,
  '22P02': otherTable,
  '23502': otherTable,
  '23503': otherTable,
  '23505': otherTable,
  '23514': otherTable,
  '42501': [
    'store_misconfigured',
    (table) =>
      `permission denied. The role needs SELECT, INSERT, UPDATE and DELETE on ${table}, and CREATE on its schema to migrate`,
  ],
  '54000': ['record_too_large', () => 'PostgreSQL cannot hold a record of this size'],
  '22021': unknownCharacter,
  '22P05': unknownCharacter,
}

function explained(cause: unknown, table: string): unknown {
  const explanation = explanations[String(codeOf(cause))]
  if (!explanation) return cause
  const [code, what] = explanation
  return new SojournError(code, `postgresStore: ${what(table)}`, { cause })
}

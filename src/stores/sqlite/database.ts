/** What Sojourn calls of a database: `DatabaseSync` of `node:sqlite`, `Database` of `better-sqlite3` and of `libsql` have it. */
export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
}

export interface SqliteStatement {
  get(...parameters: SqliteParameter[]): unknown
  all(...parameters: SqliteParameter[]): unknown[]
  run(...parameters: SqliteParameter[]): { changes: number | bigint }
  /** Rows as arrays, in `better-sqlite3` and `libsql`. */
  raw?(on: true): unknown
  /** Rows as arrays, in `node:sqlite` of Node 22.16 and newer. */
  setReturnArrays?(on: true): void
}

export type SqliteParameter = string | number | null

/** The value of a query or pragma that gives one row of one column. */
export function scalar(database: SqliteDatabase, sql: string): unknown {
  return Object.values(database.prepare(sql).get() as object)[0]
}

/** A query whose rows are arrays, which cost far less than objects: there are no names to make. */
export function queryOf<Row extends readonly unknown[]>(database: SqliteDatabase, sql: string) {
  const statement = database.prepare(sql)
  let rowOf = (row: unknown) => row as Row
  if (statement.setReturnArrays) statement.setReturnArrays(true)
  else if (statement.raw) statement.raw(true)
  else rowOf = (row) => Object.values(row as object) as unknown as Row
  return {
    get(...parameters: SqliteParameter[]): Row | undefined {
      const row = statement.get(...parameters)
      return row === undefined ? undefined : rowOf(row)
    },
    all: (...parameters: SqliteParameter[]): Row[] => statement.all(...parameters).map(rowOf),
  }
}

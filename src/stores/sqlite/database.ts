/** What Sojourn calls of a database: `DatabaseSync` of `node:sqlite`, `Database` of `better-sqlite3` and of `libsql` have it. */
export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
}

export interface SqliteStatement {
  get(...parameters: SqliteParameter[]): unknown
  all(...parameters: SqliteParameter[]): unknown[]
  run(...parameters: SqliteParameter[]): { changes: number | bigint }
}

export type SqliteParameter = string | number | null

/** The value of a query or pragma that gives one row of one column. */
export function scalar(database: SqliteDatabase, sql: string): unknown {
  return Object.values(database.prepare(sql).get() as object)[0]
}

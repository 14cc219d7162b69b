import { sqliteStore } from 'sojourn/stores/sqlite'

/** Installed apart from the rest, for npm 10 would compile it. */
const betterSqlite3 = new URL('../runtimes/node_modules/better-sqlite3/lib/index.js', import.meta.url).href

/** A store on a file, by the name of a driver. Programs of these tests run it, from the build. */
export async function openStore(driver, path) {
  if (driver === 'node:sqlite') return sqliteStore(path)
  const { default: Database } = await import(driver === 'better-sqlite3' ? betterSqlite3 : driver)
  return sqliteStore({ database: new Database(path) })
}

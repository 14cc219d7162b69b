import type { Contestant } from './contestant.js'
import { memcached } from './stores/memcached.js'
import { memory } from './stores/memory.js'
import { mysql } from './stores/mysql.js'
import { postgres } from './stores/postgres.js'
import { redis } from './stores/redis.js'
import { sqlite } from './stores/sqlite.js'

/** The stores that `npm run torture -- --store <name>` knows. */
export const contestants: { readonly [name: string]: Contestant } = {
  memcached,
  memory,
  mysql,
  postgres,
  redis,
  sqlite,
}

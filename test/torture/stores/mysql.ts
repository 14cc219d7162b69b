import { createPool } from 'mysql2/promise'
import { mysqlStore } from '../../../src/stores/mysql.js'
import { startMariadb } from '../../harness/mariadb.js'
import { startProxy } from '../../harness/proxy.js'
import type { Contestant, Seat } from '../contestant.js'
import { networkFaults, restarts } from '../faults.js'

export const mysql: Contestant = {
  arenas: {
    async MariaDB() {
      // Unless told so, the harness has it lose the last second when it is killed.
      const server = await startMariadb({ own: true, args: ['--innodb-flush-log-at-trx-commit=2'] })
      const pool = createPool({ uri: server.url })
      await mysqlStore({ pool }).migrate()
      await pool.end()
      const proxy = await startProxy(server)
      const seat: Seat = { url: proxy.url }
      return {
        seats: [seat, seat, seat, seat],
        faults: [restarts(server), ...networkFaults(proxy)],
        async stop() {
          await proxy.stop()
          await server.stop()
        },
      }
    },
  },

  async open({ url }) {
    const pool = createPool({ uri: String(url), connectTimeout: 2000, connectionLimit: 5 })
    return { store: mysqlStore({ pool }), close: () => pool.end() }
  },
}

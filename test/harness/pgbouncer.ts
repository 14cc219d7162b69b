import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answer } from './postgres.js'
import { namedServer, type Server, startServer } from './server.js'
import { toolPath } from './tool.js'

/**
 * PgBouncer before a PostgreSQL of ours, pooling by transaction over few connections, so that statements of one client
 * meet many. `PGBOUNCER_URL` names another one, which has to lead to the same database.
 */
export async function startPgBouncer(postgres: Server, connections = 3): Promise<Server> {
  if (process.env.PGBOUNCER_URL) return namedServer(process.env.PGBOUNCER_URL)
  const program = await toolPath('pgbouncer')
  const url = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`
  return startServer({
    name: 'pgbouncer',
    // It refuses to run as root.
    user: 'postgres',
    stopSignal: 'SIGINT',
    command(folder, port) {
      const [settings, users] = [join(folder, 'pgbouncer.ini'), join(folder, 'users.txt')]
      writeFileSync(users, '"postgres" ""\n')
      writeFileSync(
        settings,
        `[databases]
* = host=${postgres.host} port=${postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${connections}
server_login_retry = 1
`,
      )
      return [program, settings]
    },
    ready: (port) => answer(url(port)),
    url,
  })
}

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createConnection } from 'mysql2/promise'
import { namedServer, type Server, startServer } from './server.ts'
import { toolPath } from './tool.ts'

const run = promisify(execFile)

/** MariaDB on a port of its own with an empty database, or the MySQL or MariaDB that `MYSQL_URL` names. */
export async function startMariadb(options: { own?: boolean; args?: string[] } = {}): Promise<Server> {
  if (process.env.MYSQL_URL && !options.own) return namedServer(process.env.MYSQL_URL)
  const program = await toolPath('mariadb')
  const identity = process.getuid?.() === 0 ? ['--user=root'] : []
  const common = (folder: string) => ['--no-defaults', ...identity, `--datadir=${join(folder, 'data')}`]
  return startServer({
    name: 'mariadb',
    async prepare(folder) {
      const installer = existsSync('/usr/bin/mariadb-install-db') ? '/usr/bin/mariadb-install-db' : 'mariadb-install-db'
      const settings = ['--auth-root-authentication-method=normal', '--skip-test-db']
      await run(installer, [...common(folder), ...settings], { cwd: folder })
    },
    command: (folder, port) => {
      const place = ['--bind-address=127.0.0.1', `--port=${port}`, `--socket=${join(folder, 's.sock')}`]
      const fast = ['--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=32M']
      return [program, ...common(folder), ...place, ...fast, ...(options.args ?? [])]
    },
    async ready(port) {
      const connection = await createConnection({ host: '127.0.0.1', port, user: 'root', connectTimeout: 1000 })
      try {
        await connection.query('CREATE DATABASE IF NOT EXISTS sojourn')
      } finally {
        connection.destroy()
      }
    },
    url: (port) => `mysql://root@127.0.0.1:${port}/sojourn`,
  })
}

import { execFile } from 'node:child_process'
import { chown, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { namedServer, type Server, startServer } from './server.ts'
import { toolPath } from './tool.ts'

const run = promisify(execFile)

/** PostgreSQL on a port of its own with an empty database, or the one that `POSTGRES_URL` names. */
export async function startPostgres(options: { own?: boolean; args?: string[] } = {}): Promise<Server> {
  if (process.env.POSTGRES_URL && !options.own) return namedServer(process.env.POSTGRES_URL)
  const program = await toolPath('postgres')
  const url = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`
  return startServer({
    name: 'postgres',
    // It refuses to run as root.
    user: 'postgres',
    stopSignal: 'SIGINT',
    async prepare(folder) {
      const identity = await unprivileged()
      if (identity) await chown(folder, identity.uid, identity.gid)
      const data = join(folder, 'data')
      await mkdir(data, { mode: 0o700 })
      if (identity) await chown(data, identity.uid, identity.gid)
      const settings = ['-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync']
      await run(join(dirname(program), 'initdb'), ['-D', data, ...settings], { cwd: folder, ...identity })
    },
    command: (folder, port) => {
      const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'fsync=off']
      const args = [...settings.flatMap((setting) => ['-c', setting]), ...(options.args ?? [])]
      return [program, '-D', join(folder, 'data'), '-p', String(port), ...args]
    },
    ready: (port) => answer(url(port)),
    url,
  })
}

/** Resolves once it answers a query, directly or through a proxy. */
export async function answer(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT 1')
  } finally {
    await client.end().catch(() => {})
  }
}

/** Who runs it in place of root. */
async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const idOf = async (option: string) => Number((await run('id', [option, 'postgres'])).stdout)
  return { uid: await idOf('-u'), gid: await idOf('-g') }
}

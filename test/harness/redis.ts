import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort, namedServer, type Server, startServer } from './server.ts'
import { expectReply } from './text-protocol.ts'
import { toolPath } from './tool.ts'

const run = promisify(execFile)

export interface RedisOptions {
  /** Start one even where a variable names another, to be able to kill it. */
  own?: boolean
  /** Keep what was written over a `kill` and `restart`. */
  durable?: boolean
  /** Further arguments of the server, such as `['--maxmemory', '4mb']`. */
  args?: string[]
}

/** Redis on a port of its own, or the one that `REDIS_URL` names. */
export async function startRedis(options: RedisOptions = {}): Promise<Server> {
  if (process.env.REDIS_URL && !options.own) return namedServer(process.env.REDIS_URL)
  return startOne('redis', await toolPath('redis'), options)
}

/** Valkey on a port of its own, or the one that `VALKEY_URL` names. */
export async function startValkey(options: RedisOptions = {}): Promise<Server> {
  if (process.env.VALKEY_URL && !options.own) return namedServer(process.env.VALKEY_URL)
  return startOne('valkey', await toolPath('valkey'), options)
}

/** Three primaries that share the keys between them. */
export interface RedisCluster {
  /** The primaries at the start, and after them their replicas. */
  readonly nodes: readonly Server[]
  /** Resolves when the replicas have all that the primaries have. */
  replicated(): Promise<void>
  stop(): Promise<void>
}

/**
 * A Redis Cluster of three primaries, without replicas or with one each. A replica takes over some four seconds after its
 * primary was killed.
 */
export async function startRedisCluster({ replicas = 0 }: { replicas?: 0 | 1 } = {}): Promise<RedisCluster> {
  const program = await toolPath('redis')
  const nodes = await startAll(3 * (1 + replicas), async () => {
    const bus = String(await freePort())
    const args = ['--cluster-enabled', 'yes', '--cluster-port', bus]
    if (replicas === 0) return startOne('redis', program, { args })
    const pace = ['--cluster-node-timeout', '2500', '--repl-diskless-sync-delay', '0']
    return startOne('redis', program, { durable: true, args: [...args, ...pace] })
  })
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())))
  try {
    const addresses = nodes.map((node) => `${node.host}:${node.port}`)
    const cli = join(dirname(program), 'redis-cli')
    await run(cli, ['--cluster', 'create', ...addresses, '--cluster-replicas', String(replicas), '--cluster-yes'])
    await Promise.all(nodes.map((node) => until(node.port, 'CLUSTER INFO', /cluster_state:ok/)))
    for (const { port } of nodes.slice(3)) await until(port, 'INFO replication', /master_link_status:up/)
  } catch (error) {
    await stop()
    throw error
  }
  const replicated = async () => {
    const same = /offset=(\d+),lag=\d+[\s\S]*\nmaster_repl_offset:\1\r/
    for (const { port } of nodes.slice(0, 3)) await until(port, 'INFO replication', same)
  }
  return { nodes, replicated, stop }
}

/** A primary, a replica, and three sentinels that watch them under the name `sojourn`. */
export interface RedisSentinel {
  readonly name: 'sojourn'
  readonly sentinels: readonly Server[]
  /** The primary at the start. */
  readonly primary: Server
  readonly replica: Server
  stop(): Promise<void>
}

/** Redis with automatic failover, which takes about two seconds once the primary is killed. */
export async function startRedisSentinel(): Promise<RedisSentinel> {
  const program = await toolPath('redis')
  const started: Server[] = []
  const stop = async () => void (await Promise.all(started.map((server) => server.stop())))
  try {
    const primary = await startOne('redis', program, { durable: true })
    started.push(primary)
    const follow = ['--replicaof', primary.host, String(primary.port), '--repl-diskless-sync-delay', '0']
    const replica = await startOne('redis', program, { durable: true, args: follow })
    started.push(replica)
    await until(replica.port, 'INFO replication', /master_link_status:up/)
    const sentinels = await startAll(3, () => startSentinel(program, primary))
    started.push(...sentinels)
    for (const { port } of sentinels) {
      await until(
        port,
        'SENTINEL MASTER sojourn',
        /num-slaves\r\n\$1\r\n1\r\n[\s\S]*num-other-sentinels\r\n\$1\r\n2\r\n/,
      )
    }
    return { name: 'sojourn', sentinels, primary, replica, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts several, and stops those that did start when one did not. */
async function startAll(count: number, start: () => Promise<Server>): Promise<Server[]> {
  const outcomes = await Promise.allSettled(Array.from({ length: count }, start))
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure) {
    await Promise.all(started.map((server) => server.stop()))
    throw failure.reason
  }
  return started
}

function startOne(name: string, program: string, { durable = false, args = [] }: RedisOptions): Promise<Server> {
  const keep = durable ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']
  return startServer({
    name,
    command: (folder, port) => {
      const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
      return [program, ...place, '--save', '', ...keep, ...args]
    },
    ready: (port) => expectReply(port, 'PING', /^\+PONG/),
    url: (port) => `redis://127.0.0.1:${port}`,
  })
}

function startSentinel(program: string, primary: Server): Promise<Server> {
  let configuration = ''
  return startServer({
    name: 'sentinel',
    async prepare(folder) {
      configuration = join(folder, 'sentinel.conf')
      const lines = [
        `sentinel monitor sojourn ${primary.host} ${primary.port} 2`,
        'sentinel down-after-milliseconds sojourn 500',
        'sentinel failover-timeout sojourn 3000',
        'sentinel parallel-syncs sojourn 1',
      ]
      await writeFile(configuration, `${lines.join('\n')}\n`)
    },
    command: (_folder, port) => [program, configuration, '--sentinel', '--port', String(port), '--bind', '127.0.0.1'],
    ready: (port) => expectReply(port, 'PING', /^\+PONG/),
    url: (port) => `redis://127.0.0.1:${port}`,
  })
}

async function until(port: number, command: string, expected: RegExp): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    try {
      return await expectReply(port, command, expected)
    } catch (error) {
      if (Date.now() > deadline) throw error
      await sleep(50)
    }
  }
}

/** A server process on a port of its own in a temporary folder, which a test can stop, kill and start again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A running server. */
export interface Server {
  readonly url: string
  readonly host: string
  readonly port: number
  /** Of the present process; `undefined` while it is stopped, and for a server that a variable named. */
  readonly pid: number | undefined
  /** Stops it in good order and removes its folder. Safe to call twice. */
  stop(): Promise<void>
  /** Ends it as a crash would (SIGKILL). Its port and its folder are kept for `restart`. */
  kill(): Promise<void>
  /** Starts it again on the same port and data; stops it in good order first if it runs. */
  restart(): Promise<void>
}

/** How to run one kind of server. */
export interface ServerRecipe {
  name: string
  /** Called once in the fresh folder, before the first start. */
  prepare?(folder: string): Promise<void>
  /** The program and its arguments. */
  command(folder: string, port: number): [program: string, ...args: string[]]
  /** Resolves once the server answers; called again until then. */
  ready(port: number): Promise<unknown>
  url(port: number): string
  /** The user to run as when the tests run as root. */
  user?: string
  stopSignal?: NodeJS.Signals
}

const host = '127.0.0.1'

/** A port on which nothing listens at present. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, host, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

/** A server that somebody else runs and a variable named. Only its address is known; it cannot be killed. */
export function namedServer(url: string): Server {
  const { hostname, port } = new URL(url)
  const refuse = () =>
    Promise.reject(new Error('A server named by a variable is not ours to kill; start one with { own: true }'))
  return {
    url,
    host: hostname,
    port: Number(port),
    pid: undefined,
    stop: async () => {},
    kill: refuse,
    restart: refuse,
  }
}

/** Starts a server by its recipe and resolves once it answers. */
export async function startServer(recipe: ServerRecipe): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), `sojourn-${recipe.name}-`))
  await chmod(folder, 0o755)
  let child: ChildProcess | undefined
  let port = 0

  async function launch(): Promise<void> {
    let log = ''
    const [program, ...args] = withParent(recipe.command(folder, port), recipe.user)
    const started = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    const failed = new Promise<never>((_, reject) => {
      started.once('error', reject)
      started.once('exit', (code, signal) => {
        reject(
          new Error(`${recipe.name} ended with ${signal ?? `code ${code}`} before it was ready:\n${log.slice(-3000)}`),
        )
      })
    })
    failed.catch(() => {})
    const keep = (text: Buffer) => {
      log = (log + text).slice(-10_000)
    }
    started.stdout?.on('data', keep)
    started.stderr?.on('data', keep)
    child = started
    running.add(started)
    started.once('exit', () => running.delete(started))
    await Promise.race([
      failed,
      untilReady(
        () => recipe.ready(port),
        () => log,
      ),
    ])
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child
    child = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill(signal)
    const patience = setTimeout(() => ending.kill('SIGKILL'), 10_000)
    await gone
    clearTimeout(patience)
  }

  async function stop(): Promise<void> {
    await end(recipe.stopSignal ?? 'SIGTERM')
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }

  try {
    await recipe.prepare?.(folder)
    for (let attempt = 1; ; attempt++) {
      port = await freePort()
      try {
        await launch()
        break
      } catch (error) {
        await end('SIGKILL')
        const taken = /in use|cannot bind|failed to listen/i.test(String(error))
        if (!taken || attempt === 5) throw error
      }
    }
  } catch (error) {
    await stop()
    throw error
  }
  return {
    host,
    port,
    url: recipe.url(port),
    get pid() {
      return child?.pid
    },
    stop,
    kill: () => end('SIGKILL'),
    async restart() {
      await end(recipe.stopSignal ?? 'SIGTERM')
      // After a kill, processes that it had started may hold its port or its memory a moment longer.
      await launch().catch(async () => {
        await end('SIGKILL')
        await sleep(500)
        await launch()
      })
    },
  }
}

const running = new Set<ChildProcess>()

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** On Linux the kernel ends the server when the test process dies, however it dies. */
function withParent(command: [string, ...string[]], user: string | undefined): [string, ...string[]] {
  const lower = user !== undefined && process.getuid?.() === 0
  if (!existsSync('/usr/bin/setpriv')) {
    if (lower) throw new Error(`Running as root, ${command[0]} needs setpriv (package util-linux) to become ${user}`)
    return command
  }
  const identity = lower ? [`--reuid=${user}`, `--regid=${user}`, '--init-groups'] : []
  return ['/usr/bin/setpriv', '--pdeathsig=KILL', ...identity, ...command]
}

async function untilReady(ready: () => Promise<unknown>, log: () => string): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    try {
      await ready()
      return
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`Not ready after a minute: ${error}\n${log()}`, { cause: error })
      await sleep(20)
    }
  }
}

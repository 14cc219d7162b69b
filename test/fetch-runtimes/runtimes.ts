/** Bun, Deno and workerd, and how each serves the site. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { freePort } from '../harness/server.js'
import type { SiteSettings } from './site.js'

const run = promisify(execFile)
const home = import.meta.dirname
const bundles = await mkdtemp(join(tmpdir(), 'sojourn-fetch-'))
const packages = join(home, 'node_modules')

export const runtimes = {
  bun: {
    program: '@oven/bun-linux-x64/bin/bun',
    command: (site: string) => [site],
  },
  deno: {
    program: '@deno/linux-x64-glibc/deno',
    command: (site: string) => ['run', '--allow-net', '--allow-env', '--no-config', '--no-remote', site],
  },
  workerd: {
    program: '@cloudflare/workerd-linux-64/bin/workerd',
    command: (_site: string, folder: string) => ['serve', join(folder, 'config.capnp')],
  },
} as const

export type RuntimeName = keyof typeof runtimes

/** Installs them, once for all test processes. Resolves to why they cannot be had, if so. */
export async function whyMissing(): Promise<string | undefined> {
  const programs = Object.values(runtimes).map(({ program }) => join(packages, program))
  // Not by `npm ls`, for which what is optional may be absent.
  const areThere = programs.map((program) => `test -x ${program}`).join(' && ')
  try {
    await run('flock', [home, 'sh', '-c', `${areThere} || npm ci --ignore-scripts --no-audit --no-fund`], { cwd: home })
    const missing = programs.filter((program) => !existsSync(program))
    if (missing.length === 0) return undefined
    throw new Error(`there is no ${missing.join(' and ')} for this machine`)
  } catch (error) {
    if (process.env.SOJOURN_NO_SKIP === '1') throw error
    return String(error)
  }
}

/** Bundles the site for a runtime, and resolves to the file and to what it needs of Node. */
export async function bundle(name: RuntimeName): Promise<{ file: string; builtIns: string[] }> {
  const file = join(bundles, `${name}.js`)
  const { metafile } = await build({
    entryPoints: [join(home, `${name}.ts`)],
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['import', 'module'],
    external: ['node:*'],
    metafile: true,
    logLevel: 'silent',
  })
  const imports = Object.values(metafile.outputs).flatMap(({ imports }) => imports)
  return { file, builtIns: [...new Set(imports.map(({ path }) => path))].sort() }
}

/** Starts a runtime with the site, and resolves once it listens. */
export async function serve(name: RuntimeName, file: string, settings: SiteSettings) {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), `sojourn-${name}-`))
  if (name === 'workerd') {
    await copyFile(file, join(folder, 'site.js'))
    await writeFile(join(folder, 'config.capnp'), workerdConfig(port, settings))
  }
  const { program, command } = runtimes[name]
  const child = spawn(join(packages, program), command(file, folder), {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: folder, DENO_DIR: folder, PORT: String(port), ...settings },
  })
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => output.push(String(text)))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  await untilListening(port, child, output)
  return {
    port,
    output: () => output.join(''),
    async close() {
      process.off('exit', kill)
      const gone = once(child, 'exit')
      if (kill()) await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function untilListening(port: number, child: ChildProcess, output: readonly string[]): Promise<void> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isUp = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isUp) return
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`It does not listen:\n${output.join('')}`)
    await delay(10)
  }
}

function workerdConfig(port: number, settings: SiteSettings): string {
  const bindings = Object.entries(settings).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`)
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "site", worker = .site), (name = "internet", network = (allow = ["local"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "site")]
);
const site :Workerd.Worker = (
  modules = [(name = "site.js", esModule = embed "site.js")],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [${bindings.join(', ')}]
);
`
}

export const removeBundles = () => rm(bundles, { recursive: true, force: true })

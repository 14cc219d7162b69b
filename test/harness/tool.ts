/**
 * The programs that tests need: where each is, and how to get it. A missing one is installed only where that surprises
 * nobody: as root in a container, or where SOJOURN_INSTALL=1 asks for it.
 */
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A program by the name that tests use, the Debian package that brings it, and where it hides when not on the PATH. */
const tools = {
  chromium: { program: 'chromium', package: 'chromium', folders: ['/usr/bin', '/snap/bin'] },
  redis: { program: 'redis-server', package: 'redis-server', folders: ['/usr/bin', '/opt/homebrew/bin'] },
  valkey: { program: 'valkey-server', package: 'valkey-server', folders: ['/usr/bin', '/opt/homebrew/bin'] },
  memcached: { program: 'memcached', package: 'memcached', folders: ['/usr/bin', '/opt/homebrew/bin'] },
  postgres: { program: 'postgres', package: 'postgresql', folders: ['/usr/lib/postgresql/*/bin'] },
  pgbouncer: { program: 'pgbouncer', package: 'pgbouncer', folders: ['/usr/sbin', '/opt/homebrew/bin'] },
  mariadb: { program: 'mariadbd', package: 'mariadb-server', folders: ['/usr/sbin', '/usr/local/sbin'] },
  nginx: { program: 'nginx', package: 'nginx-light', folders: ['/usr/sbin', '/opt/homebrew/bin'] },
} as const

/** What a test can ask for. */
export type Tool = keyof typeof tools

/** The variable that names a server to use instead of starting one; for Chromium and nginx, its path. */
export const variableOf: { readonly [tool in Tool]: string } = {
  chromium: 'CHROMIUM_PATH',
  redis: 'REDIS_URL',
  valkey: 'VALKEY_URL',
  memcached: 'MEMCACHED_URL',
  postgres: 'POSTGRES_URL',
  pgbouncer: 'PGBOUNCER_URL',
  mariadb: 'MYSQL_URL',
  nginx: 'NGINX_PATH',
}

/** A program that a test needs is not here; the message says what to do. */
export class ToolMissing extends Error {
  override readonly name = 'ToolMissing'
}

const known = new Map<Tool, Promise<string>>()

/** The path of a program, which is installed first where that is allowed. Rejects with `ToolMissing`. */
export function toolPath(tool: Tool): Promise<string> {
  let path = known.get(tool)
  if (!path) {
    path = find(tool) ? Promise.resolve(find(tool) as string) : install(tool)
    known.set(tool, path)
  }
  return path
}

/** Why the tests that need this tool cannot run here, or `undefined` when they can. */
export async function whyMissing(tool: Tool): Promise<string | undefined> {
  if (process.env[variableOf[tool]]) return undefined
  try {
    await toolPath(tool)
    return undefined
  } catch (error) {
    if (error instanceof ToolMissing && process.env.SOJOURN_NO_SKIP !== '1') return error.message
    throw error
  }
}

function find(tool: Tool): string | undefined {
  const { program, folders } = tools[tool]
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const candidates = [...folders.flatMap(expand), ...onPath].map((folder) => join(folder, program))
  return candidates.find(isExecutable)
}

/** Replaces a `*` in a path by each folder that is there, the highest version first. */
function expand(pattern: string): string[] {
  const [before, after] = pattern.split('*')
  if (before === undefined || after === undefined) return [pattern]
  if (!existsSync(before)) return []
  const versions = readdirSync(before).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  return versions.map((version) => `${before}${version}${after}`)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Whether to install what is missing surprises nobody here. */
export function mayInstall(): boolean {
  const inContainer = process.getuid?.() === 0 && !existsSync('/run/systemd/system')
  return inContainer || process.env.SOJOURN_INSTALL === '1'
}

async function install(tool: Tool): Promise<string> {
  const { program, package: name } = tools[tool]
  const url = `set ${variableOf[tool]}`
  if (!existsSync('/usr/bin/apt-get')) {
    throw new ToolMissing(`${program} is not installed: install it, or ${url}`)
  }
  const root = process.getuid?.() === 0
  if (!mayInstall()) {
    throw new ToolMissing(`${program} is not installed: sudo apt-get install ${name}, or SOJOURN_INSTALL=1, or ${url}`)
  }
  const recipe = [join(import.meta.dirname, 'install.sh'), name]
  // One at a time, also across test processes; who waited may find the work done.
  const locked = ['flock', join(tmpdir(), 'sojourn-install.lock'), 'sh', ...recipe]
  const [command, ...rest] = root ? locked : ['sudo', '-n', ...locked]
  process.stderr.write(`Installing ${name} for the tests …\n`)
  try {
    await run(command as string, rest, { timeout: 280_000, maxBuffer: 64 * 1024 * 1024 })
  } catch (error) {
    const output = String((error as { stderr?: unknown }).stderr ?? '').slice(-2000)
    throw new ToolMissing(`${program} is not installed, and apt-get could not install ${name}; ${url}. ${output}`)
  }
  const path = find(tool)
  if (!path) throw new ToolMissing(`${name} is installed, but brought no ${program}`)
  return path
}

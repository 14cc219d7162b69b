/** A new project, in a temporary folder, into which the packed package was installed as a user would. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The checkout. */
export const root = join(import.meta.dirname, '../..')

export interface Project {
  readonly folder: string
  /** What is in the tarball, as paths below the package. */
  readonly packed: readonly string[]
  remove(): Promise<void>
}

/** Packs the build and installs it. */
export async function installPackage(): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), 'sojourn-package-'))
  const npm = (...args: string[]) =>
    run('npm', [...args, '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  const { stdout } = await run('npm', ['pack', root, '--ignore-scripts', '--json'], { cwd: folder })
  const [tarball] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
  await writeFile(join(folder, 'package.json'), '{ "name": "newcomer", "private": true }\n')
  await npm('install', `./${tarball.filename}`, '--prefer-offline')
  return {
    folder,
    packed: tarball.files.map(({ path }) => path),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** The Node versions to try, by name, and why others are missing. */
export interface Runtimes {
  readonly programs: { readonly [name: string]: string }
  /** The script that runs Jest. */
  readonly jest?: string
  readonly missing?: string
}

/**
 * Installs what is tried in `test/runtimes` unless it is there, and resolves to the folder. Install scripts are left out,
 * so that nothing is compiled.
 */
export async function installRuntimes(): Promise<string> {
  const home = join(root, 'test/runtimes')
  // One at a time, also across test processes; who waited finds the work done.
  const install = 'npm ls >/dev/null 2>&1 || npm ci --ignore-scripts --no-audit --no-fund'
  await run('flock', [home, 'sh', '-c', install], { cwd: home })
  return home
}

/** The Node that runs the tests, and those of `test/runtimes`. */
export async function runtimes(): Promise<Runtimes> {
  const here = { [`Node ${process.versions.node}`]: process.execPath }
  const home = join(root, 'test/runtimes')
  const { dependencies } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'))
  try {
    await installRuntimes()
  } catch (error) {
    if (process.env.SOJOURN_NO_SKIP === '1') throw error
    return { programs: here, missing: `npm ci in test/runtimes failed: ${error}` }
  }
  const versions = Object.entries<string>(dependencies).filter(([name]) => name.startsWith('node'))
  const others = versions.map(([name, version]) => {
    return [`Node ${version.replace(/.*@/, '')}`, join(home, 'node_modules', name, 'bin/node')] as const
  })
  const jest = join(home, 'node_modules/jest/bin/jest.js')
  return { programs: { ...Object.fromEntries(others), ...here }, jest }
}

/**
 * What each library brings into `node_modules`: packages and megabytes, as npm installs it for production in an empty
 * folder. Frameworks and database clients are left out on both sides.
 *
 *     npm run bench:weight
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { markdownTable } from 'markdown-table'
import { build, isStale } from '../tools/build.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const newest = (...names: string[]) => names.map((name) => `${name}@${devDependencies[name]}`)

function npm(args: readonly string[], folder: string): string {
  return execFileSync('npm', [...args], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

function weigh(folder: string, packages: readonly string[]): [count: number, megabytes: number] {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  // Without peers: they are the framework and the client, which the app has anyway.
  npm(['install', '--no-audit', '--no-fund', '--omit=dev', '--legacy-peer-deps', ...packages], folder)
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'))
  const count = Object.keys(lock.packages).filter((path) => path !== '').length
  const files = readdirSync(join(folder, 'node_modules'), { recursive: true, withFileTypes: true })
  const bytes = files.reduce(
    (sum, file) => sum + (file.isFile() ? statSync(join(file.parentPath, file.name)).size : 0),
    0,
  )
  return [count, bytes / 1e6]
}

const complaint = (await isStale()) ? await build() : undefined
if (complaint !== undefined) throw new Error(complaint)
const folder = mkdtempSync(join(tmpdir(), 'sojourn-weight-'))
try {
  const [packed] = JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root))
  const libraries: { readonly [name: string]: readonly string[] } = {
    'sojourn, all stores and adapters': [join(folder, packed.filename)],
    'express-session': newest('express-session'),
    'express-session, connect-redis': newest('express-session', 'connect-redis'),
    'express-session, connect-pg-simple': newest('express-session', 'connect-pg-simple'),
    'express-session, connect-mongo': newest('express-session', 'connect-mongo'),
    'express-session, memorystore': newest('express-session', 'memorystore'),
    '@fastify/session, @fastify/cookie': newest('@fastify/session', '@fastify/cookie'),
    'koa-session': newest('koa-session'),
    'hono-sessions': newest('hono-sessions'),
    'iron-session': newest('iron-session'),
  }
  const rows = Object.entries(libraries).map(([name, packages]) => {
    const [count, megabytes] = weigh(mkdtempSync(join(folder, 'install-')), packages)
    return [name, String(count), megabytes.toFixed(2)]
  })
  console.log(markdownTable([['installed', 'packages', 'MB'], ...rows], { align: ['l', 'r', 'r'] }))
} finally {
  rmSync(folder, { recursive: true })
}

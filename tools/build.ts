/**
 * Builds the package into `dist`: ES modules, and under `dist/commonjs` the same once more for tools that cannot require
 * ES modules, file by file. Whoever runs a program from `dist` meanwhile sees the old build or the new one, never half of one.
 *
 *     node tools/build.ts                    types are checked, and an error fails the build
 *     node tools/build.ts --without-checking  for a quick try of code that is being edited
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import {
  appendFile,
  chmod,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import { publicModules } from './public-paths.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')

/**
 * Builds, and resolves to what the compiler had to say against the source, if anything. Unless `checked` is false, such
 * a build is not put in place.
 */
export async function build({ checked = true } = {}): Promise<string | undefined> {
  const started = new Date()
  const complaints = new Set<string>()
  const fresh = await mkdtemp(join(root, '.build-'))
  await chmod(fresh, 0o755)
  try {
    for (const [config, folder] of [
      ['tsconfig.build.json', fresh],
      ['tsconfig.build-commonjs.json', join(fresh, 'commonjs')],
    ] as const) {
      const compiler = join(root, 'node_modules/typescript/bin/tsc')
      const options = ['-p', join(root, config), '--outDir', folder, ...(checked ? [] : ['--noCheck'])]
      const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, ...options], { encoding: 'utf8' })
      if (status !== 0) complaints.add(`${stdout}${stderr}`)
    }
    const complaint = complaints.size > 0 ? [...complaints].join('') : undefined
    if (complaint && checked) return complaint
    await joinModules(fresh)
    for (const folder of [fresh, join(fresh, 'commonjs')]) await bringMainTypes(folder)
    await finishCommonjs(join(fresh, 'commonjs'))
    await utimes(join(fresh, 'commonjs/package.json'), started, started)
    await replaceDist(fresh)
    return complaint
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}

/** Whether a source file is newer than the build, or there is none. */
export async function isStale(): Promise<boolean> {
  const built = await modified(join(dist, 'commonjs/package.json'))
  const sources = (await readdir(join(root, 'src'), { recursive: true })).map((name) => join(root, 'src', name))
  const recipe = [
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'tsconfig.build-commonjs.json',
    'tools/build.ts',
    'tools/public-paths.ts',
  ]
  const changed = await Promise.all([...sources, ...recipe.map((name) => join(root, name))].map(modified))
  return Math.max(...changed) > built
}

async function modified(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0
}

/**
 * Joins the modules that are always loaded together: for each of sixty files Node takes a third of a millisecond at the
 * start of a program. Each public module stays one, and what several need is in one file that they share.
 */
async function joinModules(folder: string): Promise<void> {
  const { metafile } = await esbuild.build({
    entryPoints: publicModules(root, folder).map(([, module]) => module),
    absWorkingDir: folder,
    outdir: folder,
    outbase: folder,
    allowOverwrite: true,
    bundle: true,
    splitting: true,
    chunkNames: 'shared/[hash]',
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    metafile: true,
    logLevel: 'warning',
  })
  const apart = globSync('**/*.js', { cwd: folder, exclude: ['commonjs/**'] })
  await Promise.all(apart.filter((file) => !(file in metafile.outputs)).map((file) => rm(join(folder, file))))
}

/**
 * Has the types of each public path bring along those of `sojourn`. A program that emits declarations can name only what it has
 * loaded, such as the `SessionStore` that a store's function returns.
 */
async function bringMainTypes(folder: string): Promise<void> {
  for (const [, module] of publicModules(root, folder)) {
    const path = join(folder, module.replace(/\.js$/, '.d.ts'))
    // Those of a page's client stand alone, and need no types of Node.
    if (!(await readFile(path, 'utf8')).includes("from '../core/")) continue
    await appendFile(path, `export type {} from '${relative(dirname(module), 'index.js')}';\n`)
  }
}

async function finishCommonjs(folder: string): Promise<void> {
  await writeFile(join(folder, 'package.json'), '{ "type": "commonjs" }\n')
  // An ES module may say what `require` of it returns, by an export of this name. Its CommonJS twin has to say it itself.
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.js')) continue
    const path = join(folder, name)
    const code = await readFile(path, 'utf8')
    if (!/^exports\[['"]module\.exports['"]\] = /m.test(code)) continue
    await writeFile(path, `${code.trimEnd()}\nmodule.exports = exports['module.exports']\n`)
  }
}

async function replaceDist(fresh: string): Promise<void> {
  const previous = `${fresh}-previous`
  await rename(dist, previous).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  await rename(fresh, dist).catch(async (error: NodeJS.ErrnoException) => {
    // Another build was put in place in between.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    await cp(fresh, dist, { recursive: true, preserveTimestamps: true })
  })
  await rm(previous, { recursive: true, force: true })
}

if (import.meta.main) {
  const complaint = await build({ checked: !process.argv.includes('--without-checking') })
  if (complaint !== undefined) {
    process.stderr.write(complaint)
    process.exitCode = 1
  }
}

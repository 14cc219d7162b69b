import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publicPaths } from '../../tools/public-paths.js'
import { installPackage, type Project, root, runtimes } from './installed.js'

const run = promisify(execFile)
const projects = join(import.meta.dirname, 'projects')
const { programs, jest, missing } = await runtimes()

let project: Project
let paths: string[]
beforeAll(async () => {
  project = await installPackage()
  paths = publicPaths(join(project.folder, 'node_modules/sojourn')).map((path) => path.replace(/^\./, 'sojourn'))
  await cp(projects, project.folder, { recursive: true })
})
afterAll(() => project.remove())

test('the tarball holds the build and what a reader looks for, nothing else', () => {
  const outside = project.packed.filter((path) => !path.startsWith('dist/'))
  expect(outside.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
  expect(
    project.packed.filter(
      (path) => !/\.(js|d\.ts)$|^dist\/commonjs\/package\.json$/.test(path) && path.startsWith('dist/'),
    ),
  ).toEqual([])
  expect(project.packed.filter((path) => /\.(test|bench)\./.test(path))).toEqual([])
})

test('the public paths are those of the documents', () => {
  expect(paths).toEqual(expect.arrayContaining(['sojourn', 'sojourn/express', 'sojourn/stores/memory']))
  expect(paths).not.toContain('sojourn/gate')
})

test('what lies in folders below a public path is reached by nobody, with types or without', async () => {
  const types = project.packed.filter((path) => /^dist\/(?:stores|conformance|adapters)\/.*\/.*\.d\.ts$/.test(path))
  expect(types.length).toBeGreaterThan(30)
  const inner = types.map((path) => path.replace(/^dist\/(?:adapters\/)?(.*)\.d\.ts$/, 'sojourn/$1'))
  const program = `for (const path of process.argv.slice(1)) try { console.log(import.meta.resolve(path)) } catch {}`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program, ...inner], {
    cwd: project.folder,
  })
  expect(stdout).toBe('') // else name the folder in the `exports` of package.json
})

describe.each(Object.entries(programs))('%s', (_name, node) => {
  test('imports each public path, and has one copy of it', async () => {
    await run(node, ['module.mjs', ...paths], { cwd: project.folder })
  })

  test('requires each public path', async () => {
    await run(node, ['commonjs.cjs', ...paths], { cwd: project.folder })
  })

  test('requires each public path where ES modules cannot be required', async () => {
    await run(node, ['--no-experimental-require-module', 'commonjs.cjs', ...paths], { cwd: project.folder })
  })

  test('starts without what Node has of fetch and WebSocket, which takes longer to load than all of Sojourn', async () => {
    const program = "await import('sojourn/express'); console.log(process.moduleLoadList.join())"
    const { stdout } = await run(node, ['--input-type=module', '--eval', program], { cwd: project.folder })
    expect(stdout).toContain('NativeModule internal/')
    expect(stdout).not.toContain('undici')
  })

  test.runIf(jest)('works in Jest', async () => {
    await run(node, [jest ?? '', '--rootDir', project.folder], { cwd: project.folder })
  })
})

if (missing) test.skip(`other versions of Node (skipped: ${missing})`)

// The types of Koa expect @types/content-disposition, and find here the package itself, newer, which Express brought.
const strangerComplaint = /^\S*@types\/koa\/index\.d\.ts.*content-disposition.*\n/gm

describe('The types', () => {
  const frameworks = ['@types/express', 'express', 'fastify', 'hono', '@types/koa', 'koa', '@types/ws', 'ws']

  /** A folder with the programs of the project, beside these packages. */
  async function homeWith(packages: readonly string[]): Promise<string> {
    const home = await mkdtemp(join(project.folder, 'typed-'))
    await cp(join(project.folder, 'node_modules'), join(home, 'node_modules'), { recursive: true })
    for (const name of ['@types/node', ...packages]) {
      await mkdir(dirname(join(home, 'node_modules', name)), { recursive: true })
      await symlink(join(root, 'node_modules', name), join(home, 'node_modules', name))
    }
    await writeFile(join(home, 'package.json'), '{}')
    const everything = paths
      .map((path, index) => `import * as part${index} from '${path}'\nvoid part${index}\n`)
      .join('')
    for (const name of ['everything.mts', 'everything.cts']) await writeFile(join(home, name), everything)
    await cp(projects, home, { recursive: true })
    return home
  }

  /** Compiles files of a folder, and resolves to what the compiler said. */
  async function compileIn(home: string, resolution: string, files: readonly string[], declared?: string) {
    const module = resolution === 'bundler' ? 'esnext' : resolution
    const output = declared ? { declaration: true, emitDeclarationOnly: true, outDir: declared } : { noEmit: true }
    const compilerOptions = { module, moduleResolution: resolution, target: 'es2022', strict: true, ...output }
    await writeFile(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = await run(process.execPath, [compiler, '-p', home], { cwd: home }).catch((error) => error)
    return stdout.replace(strangerComplaint, '')
  }

  async function compile(resolution: string, files: readonly string[], packages: readonly string[]): Promise<string> {
    return compileIn(await homeWith(packages), resolution, files)
  }

  test.each(['nodenext', 'bundler'])('compile without a cast, with resolution %s', async (resolution) => {
    expect(await compile(resolution, ['consumer.ts'], frameworks)).toBe('')
  })

  test.each(['nodenext', 'bundler'])('and beside those of express-session, with resolution %s', async (resolution) => {
    expect(await compile(resolution, ['consumer.ts'], [...frameworks, '@types/express-session'])).toBe('')
  })

  test.each([
    ['nodenext', []],
    ['bundler', []],
    ['nodenext', ['@fastify/session', '@fastify/cookie']],
  ])('compile in each framework, with resolution %s beside %o', async (resolution, others) => {
    expect(await compile(resolution, ['frameworks.mts'], [...frameworks, ...others])).toBe('')
  })

  test('compile for a user of CommonJS', async () => {
    expect(await compile('nodenext', ['consumer.cts'], frameworks)).toBe('')
  })

  test('of all paths can be in one program', async () => {
    expect(await compile('nodenext', ['everything.mts', 'everything.cts'], frameworks)).toBe('')
    expect(await compile('bundler', ['everything.mts'], frameworks)).toBe('')
  })

  test.each([
    ['nodenext', 'declarations.mts'],
    ['bundler', 'declarations.mts'],
    ['nodenext', 'declarations.cts'],
  ])('can be named by a library that emits declarations, with resolution %s in %s', async (resolution, program) => {
    const library = await homeWith(frameworks)
    expect(await compileIn(library, resolution, [program], 'declared')).toBe('')
    const user = await homeWith(frameworks)
    const declared = program.replace('.', '.d.')
    await cp(join(library, 'declared', declared), join(user, declared))
    expect(await compileIn(user, resolution, [declared])).toBe('')
  })

  test.each([
    ['sojourn', '(options: module.SessionsOptions) => ({ ...options })'],
    ['sojourn/stores/sqlite', "module.sqliteStore('sessions.db')"],
    ['sojourn/koa', 'module.session()'],
    ['sojourn/express-session', 'module.fromConnectStore(new module.MemoryStore())'],
    ['sojourn/conformance/store', '(options: module.StoreChecksOptions) => ({ ...options })'],
  ])('of %s can be named where nothing else is imported', async (path, value) => {
    const home = await homeWith(frameworks)
    await writeFile(join(home, 'alone.mts'), `import * as module from '${path}'\nexport const alone = ${value}\n`)
    expect(await compileIn(home, 'nodenext', ['alone.mts'], 'declared')).toBe('')
  })
})

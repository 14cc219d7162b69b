import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const programs = join(import.meta.dirname, 'programs')
const express = [
  'express',
  'express-serve-static-core',
  'serve-static',
  'qs',
  'range-parser',
  'send',
  'body-parser',
  'connect',
  'http-errors',
  'mime',
  'node',
].map((name) => `@types/${name}`)
const theirs = ['@types/express-session']
const stores = [
  'connect-mongo',
  'connect-pg-simple',
  '@types/connect-pg-simple',
  '@types/pg',
  'pg',
  'pg-types',
  'pg-protocol',
  'connect-redis',
  'mongodb',
  'bson',
  'redis',
  '@redis/client',
]

let project: string
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'typed-'))
  await cp(join(root, 'dist'), join(project, 'sojourn/dist'), { recursive: true })
  await cp(join(root, 'package.json'), join(project, 'sojourn/package.json'))
})
afterAll(() => rm(project, { recursive: true, force: true }))

/** Compiles one program beside the packages that are said, and resolves to what the compiler says. */
async function complaints(program: string, packages: readonly string[], strictly = false): Promise<string> {
  const home = await mkdtemp(join(project, 'app-'))
  await mkdir(join(home, 'node_modules'))
  await symlink(join(project, 'sojourn'), join(home, 'node_modules/sojourn'))
  for (const name of [...express, 'undici-types', ...packages]) {
    const place = join(home, 'node_modules', name)
    await mkdir(dirname(place), { recursive: true })
    await symlink(join(root, 'node_modules', name), place)
  }
  const file = basename(program)
  await cp(join(programs, program), join(home, file))
  await writeFile(join(home, 'package.json'), '{ "type": "module" }')
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    noImplicitOverride: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: !strictly,
    preserveSymlinks: true,
    types: ['node'],
    noEmit: true,
  }
  await writeFile(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = await run(process.execPath, [compiler, '--pretty', 'false'], { cwd: home }).catch((error) => error)
  return stdout
}

describe('an app that renamed its `declare module`', () => {
  test.each([
    ['where the types of express-session are gone', []],
    ['where the types of express-session are installed as well', theirs],
    ['where express-session is installed without types', ['express-session']],
  ])('compiles %s', async (_where, packages) => {
    expect(await complaints('app.mts', packages)).toBe('')
  })

  test('compiles where the types of libraries are checked', async () => {
    expect(await complaints('app.mts', theirs, true)).not.toMatch(/^node_modules\/sojourn|^app/m)
    expect(await complaints('app.mts', [], true)).not.toMatch(/^node_modules\/sojourn|^app/m)
  })

  test('compiles with a session at the request of node:http as well', async () => {
    for (const packages of [theirs, []]) {
      const said = await complaints('session-of-message.mts', packages, true)
      expect(said).not.toMatch(/^node_modules\/sojourn|^session-of/m)
    }
  })

  test('compiles as CommonJS', async () => {
    expect(await complaints('commonjs.cts', [])).toBe('')
    expect(await complaints('commonjs.cts', theirs)).toBe('')
  })
})

test('`Express.SessionStore` goes with the types of express-session, as is documented', async () => {
  expect(await complaints('session-store.mts', theirs)).toBe('')
  expect((await complaints('session-store.mts', [])).trim().split('\n')).toEqual([
    expect.stringMatching(/session-store\.mts\(8,.* has no exported member 'SessionStore'/),
  ])
  const page = await readFile(join(root, 'docs/express-session.md'), 'utf8')
  expect(page).toContain('**`Express.SessionStore` goes with `@types/express-session`.**')
})

test('what a library adds to the sessions of express-session is there, where their types are installed', async () => {
  expect(await complaints('library.mts', theirs, true)).not.toMatch(/^node_modules\/sojourn|^library/m)
})

test('where the engine still takes visitors over, `req.session` is its own, and has what the drop-in adds besides', async () => {
  expect(await complaints('engine-with-accept.mts', [])).toBe('')
})

test('a store of Sojourn fits express-session itself, where the app declares what its sessions hold', async () => {
  expect(await complaints('original-with-values.mts', theirs)).toBe('')
})

test('the stores of others fit', async () => {
  expect(await complaints('stores.mts', [...theirs, ...stores])).toBe('')
})

describe('the walk from cookie-session', () => {
  test.each(['before', 'step-1', 'step-2'])('%s compiles', async (step) => {
    const packages = step === 'before' ? ['@types/cookie-session', '@types/keygrip'] : []
    expect(await complaints(`cookie-session/${step}.ts`, packages)).toBe('')
  })
})

describe('the walk from express-session', () => {
  test.each(['before', 'step-1', 'step-2', 'step-3', 'step-4', 'back-from-step-3'])('%s compiles', async (step) => {
    const packages = step === 'before' ? [...theirs, 'express-session'] : theirs
    expect(await complaints(`${step}.ts`, packages)).toBe('')
  })

  test.each(['step-1', 'step-2', 'step-3', 'step-4', 'back-from-step-3'])(
    '%s needs no types of express-session',
    async (step) => {
      expect(await complaints(`${step}.ts`, [])).toBe('')
    },
  )
})

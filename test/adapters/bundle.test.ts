import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { afterAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** The engine and an adapter with memory, minified and compressed, at most so many kilobytes. */
const adapters = { express: 25.9, fastify: 25.8, koa: 25.5, node: 25.4, websocket: 22, fetch: 22.3, hono: 22.3 }
/** What a store may add to that, likewise. */
const stores = {
  memory: 0.1,
  cookie: 2.4,
  sqlite: 5.1,
  redis: 6,
  postgres: 5,
  mysql: 4,
  memcached: 4,
  mongodb: 3,
  firestore: 3,
  dynamodb: 5,
  encrypted: 3,
  migrating: 3,
}
const onFetch = ['fetch', 'hono']
/** What every fetch runtime has, Workers with `nodejs_compat`. */
const available = ['node:crypto', 'node:diagnostics_channel', 'node:timers/promises']

interface Bundle {
  /** The files that came along, beside those of the engine. */
  readonly files: string[]
  readonly builtIns: string[]
  /** Minified and compressed. Kilobytes. */
  readonly size: number
}

/** What comes along with an adapter, the engine and a store. */
async function bundled(adapter: string, store = 'memory'): Promise<Bundle> {
  const { metafile, outputFiles } = await build({
    stdin: {
      contents: `export * from './src/index.js'; export * from './src/stores/${store}.js'
        export * from './src/adapters/${adapter}.js'`,
      resolveDir: root,
    },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    metafile: true,
    absWorkingDir: root,
    logLevel: 'silent',
  })
  const imports = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  const builtIns = imports.filter((path) => path.startsWith('node:'))
  return {
    files: Object.keys(metafile.inputs).filter((file) => !/^(<stdin>|src\/index\.ts|src\/core\/.*)$/.test(file)),
    builtIns: [...new Set(builtIns)],
    size: gzipSync(outputFiles[0]?.contents ?? '').length / 1000,
  }
}

const sizes: string[] = []
const note = (what: string, size: number) => sizes.push(`${what.padEnd(24)}${size.toFixed(1).padStart(6)} kB`)
afterAll(() => {
  console.log(['Minified and compressed, with the engine:', ...sizes].join('\n'))
})

describe.each(Object.entries(adapters))('%s', (adapter, atMost) => {
  test('brings no other adapter, and no store but the one imported', async () => {
    const { files } = await bundled(adapter)
    const gate = onFetch.includes(adapter) ? /^$/ : /^src\/adapters\/gate(\.ts|\/.*)$/
    const own = [`src/adapters/${adapter}.ts`, 'src/stores/memory.ts']
    expect(files.filter((file) => !gate.test(file)).sort()).toEqual(own)
  })

  test(`is at most ${atMost} kB with the engine`, async () => {
    const { size } = await bundled(adapter)
    note(`${adapter} + memory`, size)
    expect(size).toBeLessThan(atMost)
  })
})

describe.each(Object.entries(stores))('the store %s', (store, atMost) => {
  test('brings no other store', async () => {
    const { files } = await bundled('fetch', store)
    const own = new RegExp(`^src/(stores/${store}(\\.ts|/.*)|adapters/fetch\\.ts)$`)
    expect(files.filter((file) => !own.test(file))).toEqual([])
  })

  test(`adds at most ${atMost} kB`, async () => {
    const [bare, { size }] = await Promise.all([bundled('fetch'), bundled('fetch', store)])
    note(`fetch + ${store}`, size)
    expect(size - bare.size).toBeLessThan(atMost)
  })
})

test.each(onFetch)('%s needs nothing of Node that fetch runtimes lack', async (adapter) => {
  const { builtIns } = await bundled(adapter)
  expect(available).toEqual(expect.arrayContaining(builtIns))
})

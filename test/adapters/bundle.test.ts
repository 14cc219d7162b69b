import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const onNode = ['express', 'fastify', 'koa', 'node', 'websocket']
const anywhere = ['fetch', 'hono']
/** What every fetch runtime has, Workers with `nodejs_compat`. */
const available = ['node:crypto', 'node:diagnostics_channel', 'node:timers/promises']

/** What comes along with an adapter, the engine and a store. */
async function bundled(adapter: string): Promise<{ files: string[]; builtIns: string[] }> {
  const { metafile } = await build({
    stdin: {
      contents: `export * from './src/index.js'; export * from './src/stores/memory.js'
        export * from './src/adapters/${adapter}.js'`,
      resolveDir: root,
    },
    bundle: true,
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
  return { files: Object.keys(metafile.inputs), builtIns: [...new Set(builtIns)] }
}

test.each([...onNode, ...anywhere])(
  '%s brings no other adapter, and no store but the one imported',
  async (adapter) => {
    const { files } = await bundled(adapter)
    const outside = files.filter((file) => !/^(<stdin>|src\/index\.ts|src\/core\/.*)$/.test(file))
    const gate = onNode.includes(adapter) ? /^src\/adapters\/gate(\.ts|\/.*)$/ : /^$/
    expect(outside.filter((file) => !gate.test(file)).sort()).toEqual([
      `src/adapters/${adapter}.ts`,
      'src/stores/memory.ts',
    ])
  },
)

test.each(anywhere)('%s needs nothing of Node that fetch runtimes lack', async (adapter) => {
  const { builtIns } = await bundled(adapter)
  expect(available).toEqual(expect.arrayContaining(builtIns))
})

/**
 * What each part weighs, minified and compressed with Brotli: the engine by itself, the others without it. Stores and
 * adapters are bounded by their folder, so that adding one changes nothing here.
 */
import { readdirSync } from 'node:fs'

const withoutEngine = (config) => ({
  ...config,
  external: ['../core/*', '../../core/*', ...lazySiblings],
  packages: 'external',
  platform: 'node',
})
/** What `stores/open` loads only when a URL asks for it. */
const lazySiblings = modulesIn('stores')
  .filter((name) => name !== 'open')
  .map((name) => `./${name}.js`)

const engineAlone = (config) => ({ ...config, packages: 'external', platform: 'node' })

const limits = { adapters: '5.2 kB', stores: '6 kB', 'express-session': '10.6 kB', doctor: '5 kB', client: '2 kB' }

function modulesIn(folder) {
  const files = readdirSync(`src/${folder}`).filter((file) => /^[^.]+\.ts$/.test(file))
  return files.map((file) => file.slice(0, -'.ts'.length))
}

const modules = Object.keys(limits).flatMap((folder) => {
  const names = modulesIn(folder)
  const entries = names.includes('index') ? ['index'] : names
  return entries.map((name) => ({
    name: `${folder}/${name}`.replace(/\/index$/, ''),
    path: `src/${folder}/${name}.ts`,
    limit: limits[folder],
    modifyEsbuildConfig: withoutEngine,
  }))
})

export default [
  { name: 'the engine', path: 'src/index.ts', limit: '20 kB', modifyEsbuildConfig: engineAlone },
  ...modules,
]

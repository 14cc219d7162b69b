/**
 * What each part weighs, minified and compressed with Brotli: the engine by itself, the others without it. Stores and
 * adapters are bounded by their folder, so that adding one changes nothing here.
 */
import { existsSync, readdirSync } from 'node:fs'

const withoutEngine = (config) => ({
  ...config,
  external: ['../core/*', '../../core/*', ...lazySiblings],
  packages: 'external',
  platform: 'node',
})
/** What `stores/open` loads only when a URL asks for it. */
const lazySiblings = existsSync('dist/stores')
  ? readdirSync('dist/stores')
      .filter((name) => name.endsWith('.js') && name !== 'open.js')
      .map((name) => `./${name}`)
  : []

const engineAlone = (config) => ({ ...config, packages: 'external', platform: 'node' })

const limits = { adapters: '5 kB', stores: '6 kB', 'express-session': '10 kB', doctor: '5 kB', client: '2 kB' }

const modules = Object.keys(limits).flatMap((folder) => {
  const names = existsSync(`dist/${folder}`) ? readdirSync(`dist/${folder}`).filter((name) => name.endsWith('.js')) : []
  const entries = names.includes('index.js') ? ['index.js'] : names
  return entries.map((name) => ({
    name: `${folder}/${name}`.replace(/(\/index)?\.js$/, ''),
    path: `dist/${folder}/${name}`,
    limit: limits[folder],
    modifyEsbuildConfig: withoutEngine,
  }))
})

export default [
  { name: 'the engine', path: 'dist/index.js', limit: '20 kB', modifyEsbuildConfig: engineAlone },
  ...modules,
]

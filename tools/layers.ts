/**
 * Fails when a source file imports what its layer may not, or when imports form a cycle; imports of types count.
 *
 *     node tools/layers.ts
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'

/** The source by path below `src`, and the packages that are always installed with ours. */
export interface House {
  readonly files: ReadonlyMap<string, string>
  readonly dependencies: readonly string[]
}

interface Import {
  readonly from: string
  readonly to: string
  readonly lazy: boolean
}

/** Folders whose files make up one part, and may import each other. In the others each file stands alone. */
const parts = ['core', 'conformance', 'client', 'doctor', 'express-session']

/** What the adapters of Node's HTTP share: a file, and a folder for what it is made of. */
const gate = ['adapters/gate.ts', 'adapters/gate/']

/** What a folder may import beside its own part. */
const mayImport: { readonly [folder: string]: readonly string[] } = {
  '': ['core/'],
  core: [],
  stores: ['core/'],
  adapters: ['core/', ...gate],
  conformance: ['core/'],
  client: ['core/'],
  doctor: ['core/'],
  'express-session': ['core/', ...gate],
}

/** Names that say nothing about what is inside. */
const emptyName = /(^|[/-])(types|utils?|helpers?|managers?|common|shared|misc)([-./])/

/** One sentence for each thing that is wrong; empty when all is well. */
export function violations(house: House): string[] {
  const imports = [...house.files].flatMap(([file, code]) => importsOf(file, code))
  return [
    ...[...house.files.keys()].filter((file) => emptyName.test(file)).map((file) => `${file}: name what is inside`),
    ...imports.flatMap((edge) => forbidden(edge, house) ?? []),
    ...cycles(imports),
  ]
}

function forbidden({ from, to, lazy }: Import, { files, dependencies }: House): string | undefined {
  const folder = folderOf(from)
  const isOurs = to.startsWith('.') || files.has(to)
  if (!isOurs) {
    const name = to.split('/', to.startsWith('@') ? 2 : 1).join('/')
    if (name === 'sojourn') return `${from} imports ${to}: import the file itself`
    if (folder === 'core' && !to.startsWith('node:') && !dependencies.includes(name)) {
      return `${from} imports ${to}: core knows no framework and no database client`
    }
    return undefined
  }
  if (!files.has(to)) return `${from} imports ${to}: there is no such file in src`
  const allowed = mayImport[folder]
  if (!allowed) return `${from}: give the folder ${folder} its place in tools/layers.ts`
  if (parts.includes(folder) && folderOf(to) === folder) return undefined
  // A store may be made of several files, in a folder of its own name: stores/memory.ts and stores/memory/.
  if (folder === 'stores' && partOf(from) === partOf(to)) return undefined
  if (from === 'stores/open.ts' && lazy && folderOf(to) === 'stores') return undefined
  if (allowed.some((place) => to.startsWith(place))) return undefined
  return `${from} imports ${to}: ${folder || 'the front door'} may import only ${allowed.join(', ') || 'itself'}`
}

function folderOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : ''
}

/** The store that a file belongs to: `stores/memory` for `stores/memory.ts` and `stores/memory/expiry.ts`. */
function partOf(file: string): string {
  return file.replace(/\.ts$/, '').split('/', 2).join('/')
}

function importsOf(from: string, code: string): Import[] {
  const withoutComments = code.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '')
  const statements = withoutComments.matchAll(
    /(?<keyword>\bfrom|\bimport|\bimport\s*\(|\brequire\s*\()\s*['"](?<to>[^'"]+)['"]/g,
  )
  return [...statements].map(({ groups }) => {
    const { keyword = '', to = '' } = groups ?? {}
    const path = to.startsWith('.') ? posix.join(dirname(from), to).replace(/\.js$/, '.ts') : to
    return { from, to: path, lazy: keyword.endsWith('(') }
  })
}

/** Follows imports from each file; each cycle is told once. */
function cycles(imports: readonly Import[]): string[] {
  const done = new Set<string>()
  const found: string[] = []
  function visit(file: string, path: readonly string[]): void {
    if (path.includes(file)) {
      found.push(`a cycle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`)
      return
    }
    if (done.has(file)) return
    for (const { from, to } of imports) if (from === file) visit(to, [...path, file])
    done.add(file)
  }
  for (const { from } of imports) visit(from, [])
  return found
}

function readHouse(root: string): House {
  const names = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  const sources = names.filter((name) => name.endsWith('.ts') && !/\.(test|test-d|bench)\.ts$/.test(name))
  const files = sources.map(
    (name) => [name.replaceAll('\\', '/'), readFileSync(join(root, 'src', name), 'utf8')] as const,
  )
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return { files: new Map(files), dependencies: Object.keys(dependencies) }
}

if (import.meta.main) {
  const complaints = violations(readHouse(join(import.meta.dirname, '..')))
  for (const complaint of complaints) console.error(complaint)
  process.exitCode = complaints.length > 0 ? 1 : 0
}

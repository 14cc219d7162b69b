/**
 * Prints each path by which the built package can be imported, wildcards spelt out, relative to the package: `.`,
 * `./express`, `./stores/memory` …
 *
 *     node tools/public-paths.ts
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The paths that the `exports` of a package lead to a module by. */
export function publicPaths(root: string): string[] {
  return publicModules(root, join(root, 'dist')).map(([path]) => path)
}

/** The same, each with its module as built into a folder. */
export function publicModules(root: string, dist: string): [path: string, module: string][] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const entries = Object.entries<{ import?: { default: string } } | string | null>(exports)
  const hidden = entries.filter(([, target]) => target === null).map(([path]) => path)
  const found = entries.flatMap(([path, target]): [string, string][] => {
    const pattern = typeof target === 'object' ? target?.import?.default.slice('./dist/'.length) : undefined
    if (!pattern) return []
    const [before = '', after = ''] = pattern.split('*')
    return globSync(pattern, { cwd: dist }).map((module) => [
      path.replace('*', module.slice(before.length, module.length - after.length)),
      module,
    ])
  })
  return found.filter(([path]) => !hidden.includes(path)).sort(([a], [b]) => (a < b ? -1 : 1))
}

if (import.meta.main) console.log(publicPaths(join(import.meta.dirname, '..')).join('\n'))

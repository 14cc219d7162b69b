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
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const entries = Object.entries<{ import?: { default: string } } | string | null>(exports)
  const hidden = entries.filter(([, target]) => target === null).map(([path]) => path)
  const paths = entries.flatMap(([path, target]) => {
    const file = typeof target === 'object' ? target?.import?.default : undefined
    if (!file) return []
    if (!path.includes('*')) return [path]
    const [before = '', after = ''] = file.slice('./'.length).split('*')
    const modules = globSync(`${before}*${after}`, { cwd: root })
    return modules.map((module) => path.replace('*', module.slice(before.length, module.length - after.length)))
  })
  return paths.filter((path) => !hidden.includes(path)).sort()
}

if (import.meta.main) console.log(publicPaths(join(import.meta.dirname, '..')).join('\n'))

/** The results as Markdown, which reads well in a terminal too. */
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { markdownTable } from 'markdown-table'
import type { Figure, GroupResult, Verdict } from './results.ts'
import { workNames } from './visitor.ts'

export interface Report {
  readonly taken: string
  readonly machine: string
  readonly versions: { readonly [name: string]: string }
  readonly rounds: number
  readonly groups: readonly GroupResult[]
}

export function machine(): string {
  const [cpu] = os.cpus()
  const memory = Math.round(os.totalmem() / 2 ** 30)
  return `${cpu?.model.trim() ?? 'unknown'}, ${os.cpus().length} cores, ${memory} GB, ${os.type()} ${os.release().split('-', 1)[0]}`
}

/** Of Node and of the packages. */
export function versionsOf(packages: readonly string[]): Report['versions'] {
  const versions = [...new Set(packages)].map((name) => {
    const path = new URL(`../node_modules/${name}/package.json`, import.meta.url)
    return [name, JSON.parse(readFileSync(path, 'utf8')).version as string] as const
  })
  return { node: process.versions.node, ...Object.fromEntries(versions) }
}

export function markdownOf({ taken, machine, versions, rounds, groups }: Report): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${taken}; ${machine}; ${rounds} rounds. ${named.join(', ')}.`,
    costTable(groups),
    verdictTable(groups.flatMap((group) => group.verdicts)),
  ].join('\n\n')
}

/** One row a side: its cost above the bare framework, and what share that is of its peer's. */
function costTable(groups: readonly GroupResult[]): string {
  const rows = groups.flatMap(({ title, bare, peer, results }) => {
    const sides = [...new Set(results.map((result) => result.side))]
    const lines = sides.map((side) => {
      const cells = workNames.map((work) => {
        const result = results.find((one) => one.side === side && one.work === work)
        if (!result) return ''
        if (side === bare) return result.cost.median.toFixed(0)
        const above = signed(result.above.median)
        return side === peer ? above : `${above} (${result.ofPeer.median.toFixed(2)})`
      })
      return [side, ...cells]
    })
    return [[`**${title}**`, ...workNames.map(() => '')], ...lines]
  })
  return markdownTable([['µs of CPU a request', ...workNames], ...rows], { align: ['l', ...workNames.map(() => 'r')] })
}

function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ side, work, against, atMost, floorRatio, ratio, isMet }) => [
    `${side}: ${work}`,
    against,
    shareOf(ratio),
    atMost.toFixed(2),
    floorRatio === undefined ? '' : floorRatio.toFixed(2),
    isMet ? 'yes' : 'no',
  ])
  const head = ['above the bare framework', 'as a share of', 'ratio (least to most)', 'target', 'by hand', 'met']
  return markdownTable([head, ...rows], { align: ['l', 'l', 'r', 'r', 'r', 'l'] })
}

function shareOf({ median, least, most }: Figure): string {
  return `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`
}

/** With its sign, and one decimal. */
export function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`
}

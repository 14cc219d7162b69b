/**
 * A bar chart as SVG. Written by hand: the charting libraries that draw without a browser bring 25 to 67 MB for it.
 *
 * It follows the reader's choice of light or dark.
 */
import type { GroupResult } from './results.ts'
import type { WorkName } from './visitor.ts'

const shown: readonly WorkName[] = ['read', 'change']
const [left, width, barHeight, gap] = [250, 420, 15, 3]

/** One bar for what each side costs above the bare framework, in groups. */
export function chartOf(groups: readonly GroupResult[]): string {
  const parts: string[] = []
  let y = 24
  for (const { title, bare, peer, results } of groups) {
    const bars = results.filter(({ side, work }) => side !== bare && shown.includes(work))
    const longest = Math.max(...bars.map(({ above }) => above.median))
    parts.push(text(8, y, title, 'title'))
    y += 10
    for (const work of shown) {
      for (const { side, above } of bars.filter((bar) => bar.work === work)) {
        const length = Math.max(1, (above.median / longest) * width)
        const kind = side.startsWith('Sojourn') ? 'ours' : side === peer ? 'peer' : 'floor'
        parts.push(
          text(left - 8, y + barHeight - 4, `${work}: ${side}`, 'label'),
          `<rect class="${kind}" x="${left}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="2"/>`,
          text(left + length + 6, y + barHeight - 4, `${above.median.toFixed(1)} µs`, 'value'),
        )
        y += barHeight + gap
      }
      y += gap
    }
    y += 26
  }
  return svg(left + width + 80, y, parts)
}

function text(x: number, y: number, content: string, kind: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y}">${escaped}</text>`
}

function svg(width: number, height: number, parts: readonly string[]): string {
  const style = [
    'text{font:12px system-ui,sans-serif;fill:#24292f}',
    '.title{font-weight:600;font-size:13px}',
    '.label{text-anchor:end}',
    '.ours{fill:#0a7a5c}.peer{fill:#8c959f}.floor{fill:#d0d7de}',
    '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ours{fill:#2fbf94}.peer{fill:#6e7681}.floor{fill:#3d444d}}',
  ].join('')
  const title = 'CPU time of a request above the bare framework'
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">`
  return [head, `<style>${style}</style>`, ...parts, '</svg>', ''].join('\n')
}

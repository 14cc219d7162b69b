import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkedSecrets } from '../../src/core/secrets.js'

// The tables of docs/security.md are what a security review reads: what they point to is there.

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/security.md'), 'utf8')

/** The rows of each table, by the heading above it. */
const tables = new Map(
  page.split(/^## /m).map((section) => {
    const [heading = '', ...lines] = section.split('\n')
    const rows = lines.filter((line) => line.startsWith('|')).map((line) => line.slice(2, -2).split(' | '))
    return [heading, rows.slice(2)]
  }),
)
const names = ['OWASP ASVS 5.0', 'OWASP Session Management Cheat Sheet', 'NIST SP 800-63B-4, section 5']
const rows = names.flatMap((name) => (tables.get(name) ?? []).map((cells) => [`${name}: ${cells[0]}`, cells] as const))

test('the tables have every row', () => {
  const ids = (tables.get('OWASP ASVS 5.0') ?? []).map(([id]) => id).join(', ')
  const asked =
    '7.1.1 7.1.2 7.1.3 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.5.3 7.6.1 7.6.2 ' +
    '3.3.1 3.3.2 3.3.3 3.3.4 3.3.5 3.4.1 3.5.1 3.5.3 4.4.1 4.4.2 4.4.4 11.5.1 14.2.1 14.3.1 15.4.2 16.2.5 16.3.1 16.3.3'
  expect(asked.split(' ').filter((id) => !ids.split(/, | to /).includes(id))).toEqual([])
  for (const name of names) expect(tables.get(name)?.length).toBeGreaterThan(15)
})

describe.each(rows)('%s', (_row, cells) => {
  const who = cells.at(-2) ?? ''
  const shown = [...(cells.at(-1) ?? '').matchAll(/`([^`]+)`: \*([^*]+)\*/g)]

  test('says who sees to it, and how', () => {
    expect(who).toMatch(/^(by default|on request|the app)\b/)
    // An option, or a page or paragraph that says how.
    if (/on request/.test(who)) expect(who.slice(who.indexOf('on request'))).toMatch(/`[^`]+`/)
    if (/the app\b/.test(who)) expect(who.slice(who.indexOf('the app'))).toMatch(/\]\(#[\w-]+\)/)
    for (const [, anchor] of who.matchAll(/\]\(#([\w-]+)\)/g)) expect(anchorsOf(page)).toContain(anchor)
    for (const [, path = '', anchor] of who.matchAll(/\]\(([\w./-]+\.md)(?:#([\w-]+))?\)/g)) {
      const text = readFileSync(join(root, 'docs', path), 'utf8')
      if (anchor) expect(anchorsOf(text)).toContain(anchor)
    }
  })

  test('names tests that there are', () => {
    expect(shown.length).toBeGreaterThan(0)
    for (const [, path = '', title = ''] of shown) {
      const file = join(root, path.startsWith('test/') ? path : `src/${path}`)
      expect(existsSync(file), path).toBe(true)
      expect(titlesIn(readFileSync(file, 'utf8')), path).toContain(title)
    }
  })
})

test('SECURITY.md leads to each table', () => {
  const security = readFileSync(join(root, 'SECURITY.md'), 'utf8')
  for (const name of names) {
    const anchor = name
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-')
    expect(security).toContain(`(docs/security.md#${anchor})`)
    expect(anchorsOf(page)).toContain(anchor)
  }
})

test('the line that makes a secret makes one that is accepted', () => {
  const line = /^node -e "(.+)"$/m.exec(page)?.[1] ?? ''
  const made = [1, 2].map(() => execFileSync(process.execPath, ['-e', line], { encoding: 'utf8' }).trim())
  expect(checkedSecrets(made, 'secrets')).toEqual(made)
  expect(made[0]).not.toBe(made[1])
})

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}

/** The titles of tests and groups of tests in a file's source. */
function titlesIn(source: string): string[] {
  return [...source.matchAll(/(?:^|[\s(])(['"`])((?:(?!\1).)+)\1,\s*(?:\{[^}]*\},\s*)?(?:async )?\(/gm)].map(
    ([, , title = '']) => title,
  )
}

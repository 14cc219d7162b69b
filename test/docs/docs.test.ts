import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { type CodeBlock, codeOf, commentsOf } from './code-blocks.js'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
// Inside the package, so that its own name leads to it.
const workshop = await mkdtemp(join(root, '.build-docs-'))
afterAll(() => rm(workshop, { recursive: true, force: true }))

const pages = globSync(['*.md', 'docs/**/*.md', 'examples/*/*.md', 'test/harness/*.md', 'src/core/store.ts'], {
  cwd: root,
})

describe.each(pages.sort())('%s', async (page) => {
  const text = await readFile(join(root, page), 'utf8')
  const { blocks, given } = codeOf(page.endsWith('.ts') ? commentsOf(text) : text)
  if (blocks.length === 0) {
    test('shows no code', () => {})
    return
  }

  test('shows code that compiles', async () => {
    expect(await complaints(page, blocks, given)).toEqual([])
  })

  for (const block of blocks.filter((block) => block.run)) {
    test(`line ${block.line} runs`, async () => {
      const folder = await mkdtemp(join(workshop, 'run-'))
      const file = join(folder, fileName(block))
      await writeFile(file, block.code)
      const quiet = ['--disable-warning=ExperimentalWarning']
      await run(process.execPath, [...quiet, file], { cwd: folder, timeout: 20_000 })
    })
  }
})

async function complaints(page: string, blocks: readonly CodeBlock[], given: readonly string[]): Promise<string[]> {
  const folder = join(workshop, page.replaceAll(/\W/g, '-'))
  await mkdir(folder, { recursive: true })
  for (const block of blocks) await writeFile(join(folder, fileName(block)), block.code)
  await writeFile(join(folder, 'given.d.ts'), [...new Set(given)].join('\n'))
  const compilerOptions = {
    noEmit: true,
    // As a file of its own, even where it imports nothing.
    moduleDetection: 'force',
    noUnusedLocals: false,
    noUnusedParameters: false,
    erasableSyntaxOnly: false,
    verbatimModuleSyntax: false,
    allowJs: true,
    checkJs: true,
    lib: ['es2024', 'dom', 'dom.iterable'],
  }
  const files = [...blocks.map(fileName), 'given.d.ts']
  const config = join(folder, 'tsconfig.json')
  await writeFile(config, JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, files, include: [] }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = await run(process.execPath, [compiler, '-p', config, '--pretty', 'false'], { cwd: root }).catch(
    (error) => error,
  )
  const place = relative(root, folder)
  return String(stdout)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (line.startsWith(place) ? line.replace(/^.*?\(/, `${basename(page)}(`) : line))
}

function fileName({ line, language, code }: CodeBlock): string {
  const commonjs = /\brequire\(/.test(code) && !/^import /m.test(code)
  return `line-${line}.${commonjs ? 'c' : 'm'}${language}`
}

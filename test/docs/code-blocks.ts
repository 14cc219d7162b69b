/** The code in our documents, as something to compile and run. */

/** One fenced block of TypeScript or JavaScript. */
export interface CodeBlock {
  /** Its first line in the document, counted from 1. */
  readonly line: number
  readonly language: 'ts' | 'js'
  /** The code, padded so that a line has the number that it has in the document. */
  readonly code: string
  /** Whether to run it as well: it must end by itself and with success. */
  readonly run: boolean
}

/** What a document shows. */
export interface CodeOfPage {
  readonly blocks: readonly CodeBlock[]
  /** Declarations of what the examples take for granted. */
  readonly given: readonly string[]
}

const marks = ['run', 'continued', 'unchecked']

/**
 * Finds the code of a Markdown document. After the language a fence may say
 *
 * - `run`: the block is run, too;
 * - `continued`: the block goes on where the one before it ended;
 * - `unchecked`: the block is not code that works, for a reason that the text around it gives.
 *
 * A comment `<!-- given … -->` declares what the examples of the page take for granted, such as the app's own functions.
 */
export function codeOf(markdown: string): CodeOfPage {
  const lines = markdown.split('\n')
  const blocks: CodeBlock[] = []
  let open: { fence: string; indent: number; line: number; info: string[] } | undefined
  for (const [index, text] of lines.entries()) {
    const fence = /^(?<indent> *)(?<fence>`{3,})(?<info>[^`]*)$/.exec(text)?.groups
    if (open && fence?.fence === open.fence && fence.info?.trim() === '') {
      addBlock(blocks, lines, open, index)
      open = undefined
    } else if (!open && fence) {
      const info = (fence.info ?? '').trim().split(/\s+/)
      open = { fence: fence.fence ?? '', indent: fence.indent?.length ?? 0, line: index + 2, info }
    }
  }
  if (open) throw new Error(`The code block before line ${open.line} is never closed`)
  const given = [...markdown.matchAll(/^<!-- given\s(?<declarations>[\s\S]*?)-->/gm)]
  return { blocks, given: given.map(({ groups }) => groups?.declarations ?? '') }
}

function addBlock(
  blocks: CodeBlock[],
  lines: readonly string[],
  { line, indent, info }: { line: number; indent: number; info: readonly string[] },
  end: number,
): void {
  const [name = '', ...said] = info
  const language = languages[name]
  if (!language) return
  const unknown = said.find((mark) => !marks.includes(mark))
  if (unknown) throw new Error(`Line ${line - 1}: a fence may say ${marks.join(', ')}, not ${unknown}`)
  if (said.includes('unchecked')) return
  const padding = '\n'.repeat(line - 1)
  const code = lines
    .slice(line - 1, end)
    .map((text) => text.slice(indent))
    .join('\n')
  const before = said.includes('continued') ? blocks.at(-1) : undefined
  if (said.includes('continued') && !before) throw new Error(`Line ${line - 1}: there is no block to continue`)
  const joined = before ? before.code + padding.slice(before.code.split('\n').length - 1) + code : padding + code
  blocks.push({ line, language: before?.language ?? language, code: joined, run: said.includes('run') })
}

const languages: { readonly [name: string]: CodeBlock['language'] } = {
  ts: 'ts',
  typescript: 'ts',
  js: 'js',
  javascript: 'js',
}

/** The Markdown inside the documentation comments of a source file, with the line numbers of the file. */
export function commentsOf(source: string): string {
  let inside = false
  const lines = source.split('\n').map((text) => {
    if (/^\s*\/\*\*/.test(text)) inside = true
    const shown = inside ? text.replace(/^\s*\/?\*{1,2} ?/, '') : ''
    if (text.includes('*/')) inside = false
    return shown
  })
  return lines.join('\n')
}

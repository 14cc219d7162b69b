import { expect, test } from 'vitest'
import { codeOf, commentsOf } from './code-blocks.js'

const fence = '```'

test('a block keeps the line numbers of its document', () => {
  const { blocks } = codeOf(`# Title\n\n${fence}ts\nconst a = 1\n${fence}\n\n${fence}sh\nnpm test\n${fence}\n`)
  expect(blocks).toEqual([{ line: 4, language: 'ts', code: '\n\n\nconst a = 1', run: false }])
})

test('a continued block comes with what it continues', () => {
  const { blocks } = codeOf(`${fence}js\nlet a = 1\n${fence}\n\n${fence}js continued run\na++\n${fence}\n`)
  expect(blocks[1]).toEqual({ line: 6, language: 'js', code: '\nlet a = 1\n\n\n\na++', run: true })
})

test('an unchecked block is left out, and other words are refused', () => {
  expect(codeOf(`${fence}ts unchecked\n…\n${fence}\n`).blocks).toEqual([])
  expect(() => codeOf(`${fence}ts uncheked\n…\n${fence}\n`)).toThrow('Line 1')
})

test('what the examples take for granted is declared in a comment', () => {
  expect(codeOf('<!-- given\ndeclare const user: string\n-->\n').given).toEqual(['declare const user: string\n'])
})

test('the comments of a source file are Markdown', () => {
  const source = `/**\n * Title\n *\n * ${fence}ts\n * const a = 1\n * ${fence}\n */\nconst b = 2\n`
  expect(codeOf(commentsOf(source)).blocks).toEqual([
    { line: 5, language: 'ts', code: '\n\n\n\nconst a = 1', run: false },
  ])
})

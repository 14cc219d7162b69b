import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createSessions, type SessionsOptions } from '../../src/index.js'
import { memoryStore } from '../../src/stores/memory.js'

const page = readFileSync(join(import.meta.dirname, '../../docs/reference.md'), 'utf8')
const [options = '', methods = ''] = page.split('\n## Methods\n')

function namesInCode(text: string): string[] {
  return [...text.matchAll(/`(\w+)/g)].map(([, name]) => name as string)
}

test('every option is on the page, as the error of an unknown one names them', () => {
  const wrong = { unheardOf: true } as SessionsOptions
  const message = String(catchError(() => createSessions(wrong)))
  const names =
    message
      .split(' are ')
      .at(-1)
      ?.match(/(?<=")\w+/g) ?? []
  expect(names.length).toBeGreaterThan(10)
  expect(namesInCode(options)).toEqual(expect.arrayContaining(names))
})

test('every method is on the page', () => {
  const names = Object.keys(createSessions({ store: memoryStore() }))
  expect(names.length).toBeGreaterThan(10)
  expect(namesInCode(methods)).toEqual(expect.arrayContaining(names))
})

function catchError(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error
  }
}

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startCommand } from './example.js'

const examples = join(import.meta.dirname, '../../examples')
const names = readdirSync(examples, { withFileTypes: true })
  .filter(
    (entry) => entry.isDirectory() && entry.name !== 'stage' && existsSync(join(examples, entry.name, 'README.md')),
  )
  .map(({ name }) => name)
const { scripts } = JSON.parse(await readFile(join(examples, '../package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

describe.each(names)('examples/%s', (name) => {
  test('has a README of one screenful, which says how to start it with one command', async () => {
    const readme = await readFile(join(examples, name, 'README.md'), 'utf8')
    expect(readme.split('\n').length).toBeLessThanOrEqual(60)
    const [, script = ''] = /^npm (?:run )?(\S+)/.exec(await startCommand(name)) ?? []
    expect(Object.keys(scripts)).toContain(script)
  })

  test('shows what a visitor sees, where there is a page', async () => {
    const readme = await readFile(join(examples, name, 'README.md'), 'utf8')
    const images = [...readme.matchAll(/<img src="(?<path>[^"]+)"[^>]* alt="[^"]+"/g)].map(
      ({ groups }) => groups?.path ?? '',
    )
    expect(images.length).toBeGreaterThanOrEqual(name === 'steps' ? 0 : 1)
    for (const path of images) expect(existsSync(join(examples, name, path)), path).toBe(true)
  })

  test('is on the lists, of the folder and of the login app, with the same command and address', async () => {
    const overview = await readFile(join(examples, 'README.md'), 'utf8')
    const command = await startCommand(name)
    expect(overview.split('\n').find((line) => line.includes(`(${name}/README.md)`))).toContain(`\`${command}\``)
    if (name === 'login') return
    const { examples: list } = (await import(join(examples, 'login/examples.js'))) as {
      examples: { command: string; url: string }[]
    }
    const listed = list.find((example) => example.command === command)
    const readme = await readFile(join(examples, name, 'README.md'), 'utf8')
    expect(readme).toContain(new URL(listed?.url ?? '').origin)
  })
})

test('start.js names each of them to who names none', () => {
  const { stderr, status } = spawnSync(process.execPath, [join(examples, 'start.js')], { encoding: 'utf8' })
  expect(stderr.trim()).toBe(`Say what to start: npx node examples/start.js ${names.join(' | ')}`)
  expect(status).toBe(1)
})

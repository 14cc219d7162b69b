/** The examples as their readers start them, and what tests look at them with. */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { freePort } from '../harness/server.js'

const root = join(import.meta.dirname, '../..')
/** What the documents show of the examples. Taken anew with SOJOURN_IMAGES=1. */
const images = join(root, 'docs/images')
/** Not kept in the repository. */
export const screenshots = join(import.meta.dirname, 'screenshots')

/** An example that runs. */
export interface Example {
  /** Where it listens, with no slash at the end. */
  readonly url: string
  readonly port: number
  /** What it has said so far, on either stream. */
  output(): string
  /** Asks it and all that it started to stop, as a terminal does with Ctrl+C. Resolves to its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
  /** Asks the process that the command began to stop, and no other, as a service manager may. */
  stopAlone(signal: NodeJS.Signals): Promise<void>
}

/** The command that the README of an example gives: the first line of its first shell block. */
export async function startCommand(name: string): Promise<string> {
  const readme = await readFile(join(root, 'examples', name, 'README.md'), 'utf8')
  const command = /^```sh\n(?<command>.+)$/m.exec(readme)?.groups?.command
  if (command === undefined) throw new Error(`The README of ${name} does not say how to start it`)
  return command
}

/** Runs a command until it ends, or until it says where it listens. */
export async function start(command: string, settings: Record<string, string> = {}): Promise<Example> {
  const port = Number(settings.PORT ?? (await freePort()))
  const { NODE_ENV: _, VITEST: __, ...environment } = process.env
  const child = spawn('sh', ['-c', `exec ${command}`], {
    cwd: root,
    // In a group of its own, so that a signal reaches all of it, as one from a terminal does.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, PORT: String(port), ...settings },
  })
  let output = ''
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const url = await new Promise<string>((resolve, reject) => {
    const listen = (text: Buffer) => {
      output += text
      const address = /^\S.*: (?<url>https?:\/\/\S+)$/m.exec(output)?.groups?.url
      if (address !== undefined) resolve(address)
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    ended.then((code) => reject(new Error(`${command} ended with code ${code}:\n${output}`)))
  })
  const { pid } = child
  const kill = () => {
    if (pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-pid, 'SIGKILL')
  }
  process.once('exit', kill)
  ended.then(() => process.off('exit', kill))
  return {
    url,
    port,
    output: () => output,
    async stop(signal = 'SIGINT') {
      if (pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-pid, signal)
      const patience = setTimeout(kill, 10_000)
      const code = await ended
      clearTimeout(patience)
      return code
    },
    async stopAlone(signal) {
      child.kill(signal)
      await ended
    },
  }
}

/**
 * Photographs a page as a phone and as a desk show it, in light and in dark, and once as small as a document wants it. Where a
 * document shows an image of this name, SOJOURN_IMAGES=1 replaces it.
 */
export async function photograph(page: Page, name: string): Promise<void> {
  mkdirSync(screenshots, { recursive: true })
  const before = page.viewportSize()
  const shoot = (kind: string) =>
    page.screenshot({ path: join(screenshots, `${name}-${kind}.png`), animations: 'disabled' })
  for (const [device, viewport] of [
    ['phone', { width: 390, height: 844 }],
    ['desk', { width: 1100, height: 760 }],
  ] as const) {
    await page.setViewportSize(viewport)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await shoot(`${device}-${colorScheme}`)
    }
  }
  await page.emulateMedia({ colorScheme: null })
  await page.setViewportSize({ width: 640, height: 300 })
  const bottom = await page.locator('main').evaluate((main) => main.getBoundingClientRect().bottom)
  await page.setViewportSize({ width: 640, height: Math.ceil(bottom) + 40 })
  await shoot('small')
  const shown = join(images, `${name}.png`)
  if (process.env.SOJOURN_IMAGES === '1' && existsSync(shown)) {
    copyFileSync(join(screenshots, `${name}-small.png`), shown)
  }
  if (before) await page.setViewportSize(before)
}

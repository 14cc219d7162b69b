import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { startChromium } from '../harness/chromium.js'
import { describeWith } from '../harness/describe-with.js'
import type { Tool } from '../harness/tool.js'
import { type Example, start, startCommand } from './example.js'

/** An example that runs, and a visitor who has just arrived in a browser of their own. */
export interface Visit {
  readonly app: Example
  readonly browser: Browser
  readonly context: BrowserContext
  readonly page: Page
  /** Where the example keeps its sessions, if it does. */
  readonly file: string
  /** The address of a path of the example. */
  at(path: string): string
  /** Waits until a page has this heading. */
  sees(heading: string, of?: Page): Promise<void>
  /** Ends the example and starts it again on the same port and data. */
  restart(signal: NodeJS.Signals): Promise<void>
}

/**
 * Tests of an example, started as its README says, in Chromium. Each test has a fresh visitor. To be awaited.
 * `needs` names what it takes beside Chromium, `settings` are variables for the example, and with `missing`, which says what
 * else is not here and which command helps, the tests are skipped.
 */
export async function describeInChromium(
  name: string,
  tests: (visit: Visit) => void,
  {
    needs = [],
    settings = {},
    missing,
    ...options
  }: BrowserContextOptions & {
    needs?: readonly Tool[]
    settings?: Record<string, string>
    missing?: string | undefined
  } = {},
): Promise<void> {
  const suite = () => {
    let folder: string
    let app: Example
    let browser: Browser
    let context: BrowserContext
    let page: Page

    const visit: Visit = {
      get app() {
        return app
      },
      get browser() {
        return browser
      },
      get context() {
        return context
      },
      get page() {
        return page
      },
      get file() {
        return join(folder, 'sessions.db')
      },
      at: (path) => `${app.url}${path}`,
      sees: (heading, of = page) => of.getByRole('heading', { name: heading, exact: true, level: 1 }).waitFor(),
      async restart(signal) {
        const { port } = app
        await app.stop(signal)
        app = await start(await startCommand(name), { ...settings, SESSION_FILE: visit.file, PORT: String(port) })
      },
    }

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), `sojourn-${name}-`))
      app = await start(await startCommand(name), { ...settings, SESSION_FILE: visit.file })
      browser = await startChromium()
    })
    afterAll(async () => {
      await browser?.close()
      await app?.stop()
      await rm(folder, { recursive: true, force: true })
    })
    beforeEach(async () => {
      context = await browser.newContext(options)
      page = await context.newPage()
      page.setDefaultTimeout(10_000)
    })
    afterEach(() => context.close())

    tests(visit)
  }
  await describeWith(['chromium', ...needs], `examples/${name} in Chromium`, suite, missing)
}

/** Fills in the form of the examples that know a user, and sends it. */
export async function enter(page: Page, password: string, username = 'user1'): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

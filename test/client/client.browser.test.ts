import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import cors from 'cors'
import express from 'express'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { createSessions, type Sessions } from 'sojourn'
import type { SessionClient, SessionClientOptions } from 'sojourn/client'
import { requireUser, session } from 'sojourn/express'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startChromium } from '../harness/chromium.js'
import { describeWith } from '../harness/describe-with.js'
import { pageWith, root, type Served, scriptOf, serveOn } from './pages.js'

const minute = 60_000

/** What the script of the page under test leaves for us. */
interface UnderTest {
  client: SessionClient
  make(options: SessionClientOptions): SessionClient
  heard: unknown[]
  /** How many requests are not answered yet. */
  underWay: number
}
declare const window: UnderTest

/** A request as the API saw it. */
interface Seen {
  readonly path: string
  readonly cookie: string | undefined
}

await describeWith(['chromium'], 'the client in Chromium', () => {
  let browser: Browser
  /** The script of the page under test. */
  let client: string
  let context: BrowserContext
  let sessions: Sessions
  let api: Served
  let page: Served
  let stranger: Served
  let allowedOrigins: string[]
  let seen: Seen[]
  let seenByStranger: Seen[]
  /** How far the server's clock is ahead. */
  let ahead: number
  /** What the status route waits for once it knows its answer. */
  let held: Promise<unknown> | undefined
  /** What the status route answers in place of the status. */
  let answer: (() => object) | undefined

  beforeAll(async () => {
    browser = await startChromium()
    client = await scriptOf(`
      import { sessionClient } from 'sojourn/client'
      window.heard = []
      window.underWay = 0
      const { fetch } = window
      window.fetch = async (...given) => {
        window.underWay++
        try {
          const response = await fetch(...given)
          await response.clone().text()
          return response
        } finally {
          window.underWay--
        }
      }
      window.make = (options) => (window.client = sessionClient({
        onChange: ({ signedIn }) => heard.push(signedIn ? 'signed in' : 'signed out'),
        onExpiring: (left) => heard.push(left),
        ...options,
      }))`)
    page = await serveOn(pageWith(client))
  })
  afterAll(async () => {
    await page?.stop()
    await browser?.close()
  })
  beforeEach(async () => {
    ahead = 0
    held = undefined
    answer = undefined
    allowedOrigins = [page.origin]
    seen = []
    seenByStranger = []
    context = await browser.newContext()
    await serveApi('10m')
    stranger = await serveOn((request, response) => {
      seenByStranger.push({ path: request.url ?? '', cookie: request.headers.cookie })
      const isForAll = request.url === '/for-all'
      response.setHeader('Access-Control-Allow-Origin', isForAll ? '*' : page.origin)
      if (!isForAll) response.setHeader('Access-Control-Allow-Credentials', 'true')
      response.end('{}')
    })
  })
  afterEach(async () => {
    await context.close()
    await Promise.all([api.stop(), stranger.stop(), sessions.close()])
  })

  async function serveApi(idle: string): Promise<void> {
    sessions = createSessions({
      cookie: { name: 'client' },
      lifetime: { idle: idle as '10m', absolute: '90d' },
      clock: () => Date.now() + ahead,
    })
    const app = express()
    app.use(cors({ origin: allowedOrigins, credentials: true }))
    app.use((req, _res, next) => {
      seen.push({ path: req.path, cookie: req.headers.cookie })
      next()
    })
    app.use(session(sessions))
    app.get('/session', async (req, res) => {
      const status = answer?.() ?? sessions.status(req.session)
      await held
      res.json(status)
    })
    app.get('/login', (req, res) => {
      req.session.signIn('user1')
      res.json({})
    })
    app.get('/logout', (req, res) => {
      req.session.signOut()
      res.json({})
    })
    app.get('/orders', requireUser(), (_req, res) => void res.json([]))
    app.use(((error, _req, res, _next) => void res.status(error.status).json({})) as express.ErrorRequestHandler)
    api = await serveOn(app)
  }

  /** A tab with a client, which has had its first answer. */
  async function openTab(options: Partial<SessionClientOptions> = {}): Promise<Page> {
    const tab = await context.newPage()
    await tab.goto(page.origin)
    await make(tab, options)
    await tab.waitForFunction(() => window.client.status !== null)
    return tab
  }
  /** As `openTab`, in which time goes by only when it is told to. */
  async function openPausedTab(options: Partial<SessionClientOptions> = {}): Promise<Page> {
    const tab = await context.newPage()
    await tab.clock.install({ time: 0 })
    await tab.goto(page.origin)
    await tab.clock.pauseAt(10 * minute)
    await make(tab, options)
    await hears(tab, 1)
    return tab
  }
  async function make(tab: Page, options: Partial<SessionClientOptions> = {}): Promise<void> {
    await tab.waitForFunction(() => window.make !== undefined)
    await tab.evaluate(
      (options) => {
        window.make(options)
      },
      { status: `${api.origin}/session`, ...options },
    )
  }
  const call = (tab: Page, path: string) =>
    tab.evaluate(async (url) => (await window.client.fetch(url)).status, `${api.origin}${path}`)
  const changed = (tab: Page) => tab.evaluate(() => window.client.changed())
  const heard = (tab: Page) => tab.evaluate(() => window.heard)
  const hears = (tab: Page, count: number) =>
    tab.waitForFunction((count) => window.heard.length >= count, count, { timeout: 5000 })
  const asked = () => seen.filter(({ path }) => path === '/session').length

  async function signIn(tab: Page): Promise<void> {
    await call(tab, '/login')
    expect(await changed(tab)).toMatchObject({ signedIn: true })
  }

  test('tells of a stranger, a sign-in and a sign-out, and the time left', async () => {
    const tab = await openTab()
    await signIn(tab)
    const { expiresIn } = (await tab.evaluate(() => window.client.status)) ?? {}
    expect(expiresIn).toBeGreaterThan(9 * minute)
    expect(expiresIn).toBeLessThanOrEqual(10 * minute)
    await call(tab, '/logout')
    expect(await changed(tab)).toEqual({ signedIn: false, signedInAt: null, expiresIn: null })
    expect(await heard(tab)).toEqual(['signed out', 'signed in', 'signed out'])
  })

  test('sends cookies to the origin of the status route, and to no other', async () => {
    const tab = await openTab()
    await signIn(tab)
    await call(tab, '/orders')
    expect(seen.at(-1)).toEqual({ path: '/orders', cookie: expect.stringMatching(/^client=/) })
    // A cookie knows no ports: without our care the browser would send it there as well.
    await tab.evaluate(async (url) => {
      await window.client.fetch(url)
      await window.client.fetch(new Request(url, { credentials: 'include' }))
      await window.client.fetch(new URL(url), { credentials: 'include' })
    }, `${stranger.origin}/collect`)
    // A relative address is one of the page's <base>.
    await tab.evaluate(`
      document.head.append(Object.assign(document.createElement('base'), { href: '${stranger.origin}' }))
      window.make({ status: location.origin + '/session' }).fetch('/collect')`)
    expect(seenByStranger).toEqual(Array(4).fill({ path: '/collect', cookie: undefined }))
  })

  test('on its own origin follows a redirect as fetch does, with no cookies for whom it leads to', async () => {
    const withClient = pageWith(client)
    const own = await serveOn((request, response) => {
      if (request.url === '/away') response.writeHead(302, { location: `${stranger.origin}/for-all` }).end()
      else if (request.url === '/session') response.end('{ "signedIn": false, "signedInAt": null, "expiresIn": null }')
      else withClient(request, response)
    })
    try {
      await context.addCookies([{ name: 'client', value: 'secret', url: own.origin }])
      const tab = await context.newPage()
      await tab.goto(own.origin)
      await make(tab, { status: '/session' })
      expect(await tab.evaluate(async () => (await window.client.fetch('/away')).status)).toBe(200)
      expect(seenByStranger).toEqual([{ path: '/for-all', cookie: undefined }])
    } finally {
      await own.stop()
    }
  })

  test('looks once when a session has ended, however many requests were refused', async () => {
    const tab = await openTab()
    await signIn(tab)
    await sessions.endAll('user1')
    const before = asked()
    const statuses = await Promise.all(Array.from({ length: 6 }, () => call(tab, '/orders')))
    expect(statuses).toEqual(Array(6).fill(401))
    await hears(tab, 3)
    expect(await call(tab, '/orders')).toBe(401)
    expect(asked() - before).toBe(1)
    expect((await heard(tab)).at(-1)).toBe('signed out')
  })

  test('tells all tabs at once of a sign-in, a sign-out, and an end that one of them met', async () => {
    const [first, second, third] = [await openTab(), await openTab(), await openTab()]
    await signIn(first)
    await Promise.all([hears(second, 2), hears(third, 2)])
    await call(second, '/logout')
    await changed(second)
    await Promise.all([hears(first, 3), hears(third, 3)])
    await signIn(third)
    await Promise.all([hears(first, 4), hears(second, 4)])
    await sessions.endAll('user1')
    const before = asked()
    await call(first, '/orders')
    for (const tab of [first, second, third]) {
      await hears(tab, 5)
      const story = ['signed out', 'signed in', 'signed out', 'signed in', 'signed out']
      expect(await heard(tab)).toEqual(story)
    }
    // Each of them learnt it from the server, for itself.
    expect(asked() - before).toBeGreaterThanOrEqual(3)
  })

  test('tells all tabs of a sign-in in place of another, after which somebody else may be signed in', async () => {
    const [first, second] = [await openTab(), await openTab()]
    await signIn(first)
    await hears(second, 2)
    await signIn(first)
    for (const tab of [first, second]) {
      await hears(tab, 3)
      expect(await heard(tab)).toEqual(['signed out', 'signed in', 'signed in'])
    }
  })

  test('does not have the tabs ask for ever where each answer is another, as of servers that share no store', async () => {
    const [first, second] = [await openTab(), await openTab()]
    const before = asked()
    answer = () => ({ signedIn: true, signedInAt: asked(), expiresIn: 10 * minute })
    await changed(first)
    await hears(second, 2)
    await openTab()
    expect(asked() - before).toBe(3)
  })

  test('does not take for new an answer that is older than the sign-in', async () => {
    const tab = await openTab()
    let release = () => {}
    held = new Promise<void>((resolve) => {
      release = resolve
    })
    await Promise.all([
      tab.waitForRequest((request) => request.url().endsWith('/session')),
      tab.evaluate(() => {
        window.client.refresh()
      }),
    ])
    await call(tab, '/login')
    const answer = changed(tab)
    release()
    expect(await answer).toMatchObject({ signedIn: true })
  })

  test('asks once when asked many times at once', async () => {
    const tab = await openTab()
    const before = asked()
    await tab.evaluate(() => Promise.all(Array.from({ length: 10 }, () => window.client.refresh())))
    expect(asked() - before).toBe(1)
  })

  test('warns once before the end, keeps no session alive by looking, and sees it end', async () => {
    const tab = await context.newPage()
    await tab.clock.install()
    await tab.goto(page.origin)
    await make(tab, { warnBefore: 2 * minute })
    await hears(tab, 1)
    await signIn(tab)
    await pass(tab, 4 * minute)
    await tab.evaluate(() => window.client.refresh())
    expect(await heard(tab)).toEqual(['signed out', 'signed in'])
    await pass(tab, 4 * minute + 1000)
    await hears(tab, 3)
    const [left] = (await heard(tab)).slice(2) as [number]
    expect(left).toBeGreaterThan(1.9 * minute)
    expect(left).toBeLessThanOrEqual(2 * minute)
    await pass(tab, minute)
    expect(await heard(tab)).toHaveLength(3)
    await pass(tab, minute)
    await hears(tab, 5)
    expect((await heard(tab)).slice(3)).toEqual(['signed out', null])
  })

  test('warns also where that is less than half a second before the end', async () => {
    let left = 10 * minute
    answer = () => ({ signedIn: true, signedInAt: 1, expiresIn: left })
    const tab = await openPausedTab({ warnBefore: 400 })
    left = 100
    await pass(tab, 10 * minute - left)
    await hears(tab, 2)
    expect(await heard(tab)).toEqual(['signed in', 100])
  })

  test('takes the warning back when the session was used after all, be it elsewhere', async () => {
    const tab = await context.newPage()
    await tab.clock.install()
    await tab.goto(page.origin)
    await make(tab, { warnBefore: 2 * minute })
    await hears(tab, 1)
    await signIn(tab)
    await pass(tab, 9 * minute)
    await hears(tab, 3)
    await context.request.get(`${api.origin}/orders`)
    await pass(tab, 10_000)
    await hears(tab, 4)
    expect((await heard(tab))[3]).toBeNull()
  })

  test('looks again when the visitor comes back to the page, and when a look failed', async () => {
    const tab = await context.newPage()
    await tab.clock.install()
    await tab.goto(page.origin)
    await make(tab)
    await hears(tab, 1)
    await signIn(tab)
    await sessions.endAll('user1')
    await tab.route('**/session', (route) => route.abort())
    await Promise.all([
      tab.waitForEvent('requestfailed'),
      tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))"),
    ])
    await tab.unroute('**/session')
    expect(await heard(tab)).toHaveLength(2)
    answer = outage
    const told = tab.waitForResponse('**/session')
    await pass(tab, 5500)
    await (await told).finished()
    expect(await heard(tab)).toHaveLength(2)
    answer = undefined
    await pass(tab, 10_000)
    await hears(tab, 3)
    expect((await heard(tab))[2]).toBe('signed out')
  })

  test.each([
    { asker: 'changed()', ask: (tab: Page) => tab.evaluate('window.client.changed().catch(() => undefined)') },
    { asker: 'refresh()', ask: (tab: Page) => tab.evaluate('window.client.refresh().catch(() => undefined)') },
    { asker: 'a 401', ask: (tab: Page) => call(tab, '/orders') },
  ])('looks again when the look failed that $asker asked for', async ({ ask }) => {
    const tab = await openPausedTab()
    await signIn(tab)
    await sessions.endAll('user1')
    answer = outage
    // However often, the pauses become no longer by it.
    for (let time = 0; time < 3; time++) {
      await ask(tab)
      await settle(tab)
    }
    answer = undefined
    await pass(tab, 5000)
    await hears(tab, 3)
    expect((await heard(tab))[2]).toBe('signed out')
  })

  test('each tab looks again for itself when it was told of a change and its look failed', async () => {
    const [first, second] = [await openPausedTab(), await openPausedTab()]
    // Time goes by for both; the first looks after half of the pause.
    await first.evaluate('Math.random = () => 0')
    await second.evaluate('Math.random = () => 0.999')
    await signIn(first)
    await hears(second, 2)
    await sessions.endAll('user1')
    answer = outage
    const before = asked()
    await first.evaluate('window.client.changed().catch(() => undefined)')
    await expect.poll(asked).toBe(before + 2)
    for (const tab of [first, second]) await settle(tab)
    answer = undefined
    await pass(first, 3000)
    await hears(first, 3)
    await settle(second)
    expect(asked() - before).toBe(3)
    await pass(second, 2000)
    await hears(second, 3)
    expect(asked() - before).toBe(4)
  })

  test('warns in time, or soon after, where looks failed for long', async () => {
    const start = ahead
    answer = () => ({ signedIn: true, signedInAt: 1, expiresIn: 10 * minute - (ahead - start) })
    const status = answer
    const tab = await openPausedTab({ warnBefore: 2 * minute })
    await tab.evaluate('Math.random = () => 0.999')
    answer = outage
    await tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    while (ahead - start < 8.25 * minute) {
      await settle(tab)
      await pass(tab, 5000)
    }
    await settle(tab)
    expect(await heard(tab)).toEqual(['signed in'])
    answer = status
    await pass(tab, 5000)
    await hears(tab, 2)
  })

  test('looks again when the network is back', async () => {
    const tab = await openPausedTab()
    await signIn(tab)
    await sessions.endAll('user1')
    await context.setOffline(true)
    await context.setOffline(false)
    await hears(tab, 3)
    expect((await heard(tab))[2]).toBe('signed out')
  })

  test('gives up a look that is never answered', async () => {
    const tab = await openPausedTab()
    await signIn(tab)
    held = new Promise(() => {})
    const requested = tab.waitForRequest('**/session')
    const failure = tab.evaluate(`
      document.dispatchEvent(new Event('visibilitychange'))
      window.client.refresh().catch(({ name }) => name)`)
    await requested
    await tab.clock.runFor(30_000)
    expect(await failure).toBe('TimeoutError')
    held = undefined
    await sessions.endAll('user1')
    await pass(tab, 5000)
    await hears(tab, 3)
  })

  test.each([
    { signedIn: true },
    { signedIn: true, signedInAt: 1, expiresIn: '600000' },
    { signedIn: true, signedInAt: 1, expiresIn: {} },
  ])('takes %j for no status, and does not ask without pause', async (status) => {
    answer = () => status
    const tab = await context.newPage()
    await tab.goto(page.origin)
    await make(tab)
    const message = await tab.evaluate(() => window.client.refresh().catch(({ message }: Error) => message))
    expect(message).toBe('The status route answered with no sessions.status()')
    await tab.evaluate('new Promise((resolve) => setTimeout(resolve, 300))')
    expect(asked()).toBeLessThanOrEqual(2)
    expect(await heard(tab)).toEqual([])
  })

  test('asks a route that fails less and less often', async () => {
    const tab = await context.newPage()
    await tab.clock.install()
    await tab.goto(page.origin)
    await make(tab)
    await hears(tab, 1)
    answer = outage
    const before = asked()
    await tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    for (let passed = 0; passed < 10 * minute; passed += 5000) {
      await pass(tab, 5000)
      await settle(tab)
    }
    expect(asked() - before).toBeGreaterThan(7)
    expect(asked() - before).toBeLessThan(20)
    answer = undefined
    await signIn(tab)
    await hears(tab, 2)
  })

  test('waits quietly for an end that is further off than a timer reaches', async () => {
    await api.stop()
    await serveApi('30d')
    const tab = await openTab()
    await signIn(tab)
    const before = asked()
    await tab.evaluate('new Promise((resolve) => setTimeout(resolve, 300))')
    expect(asked()).toBe(before)
  })

  test('is silent once it is closed, also about an answer under way', async () => {
    const tab = await openTab()
    const complaints: Error[] = []
    tab.on('pageerror', (error) => complaints.push(error))
    await call(tab, '/login')
    await tab.evaluate(async () => {
      const answer = window.client.refresh()
      window.client.close()
      await answer
    })
    const other = await openTab()
    await call(other, '/logout')
    await changed(other)
    expect(await changed(tab)).toMatchObject({ signedIn: false })
    expect(await heard(tab)).toEqual(['signed out'])
    expect(complaints).toEqual([])
  })

  test('does not look again once it is closed, where an answer failed', async () => {
    const tab = await openPausedTab()
    answer = outage
    await tab.evaluate(async () => {
      window.client.close()
      await window.client.refresh().catch(() => undefined)
    })
    const before = asked()
    await pass(tab, 10_000)
    expect(asked()).toBe(before)
  })

  test('lets an error of the page be seen, and goes on', async () => {
    const tab = await context.newPage()
    const complaints: string[] = []
    tab.on('pageerror', ({ message }) => complaints.push(message))
    await tab.goto(page.origin)
    await tab.waitForFunction(() => window.make !== undefined)
    await tab.evaluate(async (status) => {
      window.make({
        status,
        onChange() {
          throw new Error('A mistake of the page')
        },
      })
      await window.client.refresh()
    }, `${api.origin}/session`)
    await signIn(tab)
    expect(complaints).toEqual(['A mistake of the page', 'A mistake of the page'])
  })

  test('with Axios, as docs/client.md shows it, sends the cookie and learns of the end', async () => {
    const document = await readFile(join(root, 'docs/client.md'), 'utf8')
    const shown = /^## Axios\n+```js\n(?<code>[\s\S]+?)```/m.exec(document)?.groups?.code ?? ''
    const code = shown.replaceAll('https://api.example.com', api.origin)
    const script = await scriptOf(`${code}\nwindow.client = session\nwindow.api = api`)
    const axiosPage = await serveOn(pageWith(script))
    const tab = await context.newPage()
    allowedOrigins.push(axiosPage.origin)
    try {
      await tab.goto(axiosPage.origin)
      await tab.waitForFunction(() => window.client?.status != null)
      const status = (path: string) =>
        tab.evaluate(
          `api.get(${JSON.stringify(path)}).then((it) => it.status, (error) => error.response?.status ?? error.code)`,
        )
      expect(await status('/login')).toBe(200)
      await changed(tab)
      expect(await status('/orders')).toBe(200)
      await status(`${stranger.origin}/collect`)
      expect(seenByStranger).toEqual([])
      await sessions.endAll('user1')
      expect(await status('/orders')).toBe(401)
      await tab.waitForFunction(() => window.client.status?.signedIn === false)
    } finally {
      await axiosPage.stop()
    }
  })

  /** What a status route may answer that is no status. */
  const outage = () => ({ message: 'Down for maintenance' })

  /** Waits until the page has dealt with all that was answered. */
  async function settle(tab: Page): Promise<void> {
    await tab.waitForFunction(() => window.underWay === 0)
    await call(tab, '/nothing')
  }

  /** Lets time go by for the page and for the server, who meanwhile answers within ten seconds. */
  async function pass(tab: Page, milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= 10_000) {
      const step = Math.min(left, 10_000)
      ahead += step
      await tab.clock.runFor(step)
      await tab.waitForFunction(() => window.underWay === 0)
    }
  }
})

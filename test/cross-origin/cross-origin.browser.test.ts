/** Each way in which a session between two origins fails, in the browser, and what docs/cross-origin.md says to do. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createPlainServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import cors, { type CorsOptions } from 'cors'
import express from 'express'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { generate } from 'selfsigned'
import { createSessions, type SessionsOptions } from 'sojourn'
import { session } from 'sojourn/express'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { chromiumOptions } from '../harness/chromium.js'
import { describeWith } from '../harness/describe-with.js'

/** What a visitor's page met. */
interface Outcome {
  /** What two calls counted: 1 and 2 where the session held. Otherwise why it could not tell. */
  readonly counts: readonly (number | string)[]
  readonly console: readonly string[]
  /** Why the browser did not keep or send a cookie, as its network panel knows it. */
  readonly blocked: readonly string[]
}

/** Versions of Chromium differ in whether they say the first word when another site calls. */
const sameInAllVersions = (reason: string) => reason.replace(/^Schemeful/, '')

await describeWith(['chromium'], 'a session between two origins, in Chromium', () => {
  let certificate: { key: string; cert: string }
  let document: string
  const servers: Server[] = []
  const contexts: { context: BrowserContext; profile: string }[] = []

  beforeAll(async () => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'shop.test' }])
    certificate = { key, cert }
    document = await readFile(join(import.meta.dirname, '../../docs/cross-origin.md'), 'utf8')
  })
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })
  afterAll(async () => {
    for (const { context, profile } of contexts) {
      await context.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    }
  })

  async function serve(name: string, scheme: 'http' | 'https', listener: RequestListener): Promise<string> {
    const server = scheme === 'https' ? createTlsServer(certificate, listener) : createPlainServer(listener)
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `${scheme}://${name}:${(server.address() as AddressInfo).port}`
  }

  /** A browser with a fresh profile, for which every name under `test` is this machine. */
  async function openBrowser({ blocksThirdParties = false } = {}): Promise<Page> {
    const profile = await mkdtemp(join(tmpdir(), 'sojourn-cross-origin-'))
    await mkdir(join(profile, 'Default'))
    await writeFile(
      join(profile, 'Default/Preferences'),
      JSON.stringify({ profile: { cookie_controls_mode: blocksThirdParties ? 1 : 0 } }),
    )
    const { args = [], ...options } = await chromiumOptions()
    const context = await chromium.launchPersistentContext(profile, {
      ...options,
      args: [...args, '--host-resolver-rules=MAP *.test 127.0.0.1'],
      ignoreHTTPSErrors: true,
    })
    contexts.push({ context, profile })
    return context.newPage()
  }

  interface Situation {
    /** Host names and schemes of the page and of the API. */
    page?: string
    api?: string
    scheme?: 'http' | 'https'
    cors?: (pageOrigin: string) => CorsOptions
    cookie?: SessionsOptions['cookie']
    credentials?: 'include' | 'same-origin'
    /** Another cookie that the API sets. */
    otherCookie?: string
    browser?: Page
  }

  let usual: Page | undefined

  /** Serves a page and an API, opens the page, and has it call the API twice. */
  async function tryOut({
    page: pageName = 'www.shop.test',
    api: apiName = 'api.shop.test',
    scheme = 'https',
    cors: corsFor = (origin) => ({ origin: [origin], credentials: true }),
    cookie,
    credentials = 'include',
    otherCookie,
    browser,
  }: Situation): Promise<Outcome> {
    usual ??= await openBrowser()
    const page = browser ?? usual
    await page.context().clearCookies()
    const pageOrigin = await serve(pageName, scheme, (_, response) => {
      response.setHeader('Content-Type', 'text/html')
      response.end('<!doctype html><title>Page</title><link rel="icon" href="data:,">')
    })
    const sessions = createSessions(cookie ? { cookie } : {})
    const app = express()
    app.use(cors(corsFor(pageOrigin)), session(sessions))
    app.get('/views', (req, res) => {
      if (otherCookie) res.append('Set-Cookie', otherCookie)
      req.session.views = (req.session.views ?? 0) + 1
      res.json(req.session.views)
    })
    const api = await serve(apiName, scheme, app)

    const said: string[] = []
    const blocked = new Set<string>()
    const listen = (message: { text(): string }) => said.push(message.text())
    const network = await page.context().newCDPSession(page)
    await network.send('Network.enable')
    network.on('Network.responseReceivedExtraInfo', ({ blockedCookies }) => {
      for (const { blockedReasons } of blockedCookies)
        for (const reason of blockedReasons) blocked.add(sameInAllVersions(reason))
    })
    await page.goto(pageOrigin)
    page.on('console', listen)
    const counts = await page.evaluate(
      async ({ url, credentials }) => {
        const call = () => fetch(url, { credentials }).then((it) => it.json() as Promise<number>, String)
        return [await call(), await call()]
      },
      { url: `${api}/views`, credentials },
    )
    page.off('console', listen)
    await network.detach()
    await sessions.close()
    const withoutAddresses = (text: string) => text.replaceAll(pageOrigin, 'PAGE').replaceAll(api, 'API')
    return { counts, console: said.map(withoutAddresses), blocked: [...blocked] }
  }

  const works: Outcome = { counts: [1, 2], console: [], blocked: [] }
  const unread = 'TypeError: Failed to fetch'

  /** Expects what the console says, and that the document says the same. */
  function expectSaid({ counts, console }: Outcome, message: string): void {
    expect(counts).toEqual([unread, unread])
    expect(console.join('\n')).toContain(message)
    expect(document).toContain(message)
  }
  /** Expects that each call was a stranger's, for a reason that the network panel alone knows, and the document, too. */
  function expectBlocked({ counts, console, blocked }: Outcome, reason: string): void {
    expect({ counts, console }).toEqual({ counts: [1, 1], console: [] })
    expect(blocked).toContain(reason)
    expect(document).toContain(`\`${reason}\``)
  }

  test('works as the document says', async () => {
    expect(await tryOut({})).toEqual(works)
  })

  test('origin * with credentials: the console says so; named, it works', async () => {
    const outcome = await tryOut({ cors: () => ({ origin: '*', credentials: true }) })
    expectSaid(
      outcome,
      "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the request's credentials mode is 'include'.",
    )
    expect(await tryOut({ cors: (origin) => ({ origin: [origin], credentials: true }) })).toEqual(works)
  })

  test('credentials that the API does not allow: the console says so; allowed, it works', async () => {
    const outcome = await tryOut({ cors: (origin) => ({ origin: [origin] }) })
    expectSaid(
      outcome,
      "The value of the 'Access-Control-Allow-Credentials' header in the response is '' which must be 'true' when the request's credentials mode is 'include'.",
    )
    expect(await tryOut({ cors: (origin) => ({ origin: [origin], credentials: true }) })).toEqual(works)
  })

  test('an origin that is not on the list: the console says so; listed, it works', async () => {
    const outcome = await tryOut({ cors: (origin) => ({ origin: [`${origin}/`], credentials: true }) })
    expectSaid(outcome, "No 'Access-Control-Allow-Origin' header is present on the requested resource.")
    expect(await tryOut({ cors: (origin) => ({ origin: [origin], credentials: true }) })).toEqual(works)
  })

  test('a missing withCredentials: nothing is shown; with it, it works', async () => {
    expect(await tryOut({ credentials: 'same-origin' })).toEqual({ counts: [1, 1], console: [], blocked: [] })
    expect(await tryOut({ credentials: 'include' })).toEqual(works)
  })

  test('SameSite across sites: the cookie is blocked; with none, or on one site, it works', async () => {
    const sites = { page: 'www.shop.test', api: 'api.other.test' }
    expectBlocked(await tryOut(sites), 'SameSiteLax')
    expectBlocked(await tryOut({ ...sites, cookie: { sameSite: 'strict' } }), 'SameSiteStrict')
    expect(await tryOut({ ...sites, cookie: { sameSite: 'none' } })).toEqual(works)
    expect(await tryOut({ page: 'www.shop.test', api: 'api.shop.test' })).toEqual(works)
  })

  test('a Secure cookie over http: it is blocked; over TLS it works', async () => {
    const outcome = await tryOut({ scheme: 'http', cookie: { secure: true }, otherCookie: 'plain=1; Secure' })
    expectBlocked(outcome, 'InvalidPrefix')
    expectBlocked(outcome, 'SecureOnly')
    expect(await tryOut({ scheme: 'https', cookie: { secure: true } })).toEqual(works)
  })

  test('http without a setting: no cookie is sent, and nothing is shown; secure: false or TLS works', async () => {
    expect(await tryOut({ scheme: 'http' })).toEqual({ counts: [1, 1], console: [], blocked: [] })
    expect(await tryOut({ scheme: 'http', cookie: { secure: false } })).toEqual(works)
  })

  test('blocked third-party cookies: partitioned, or on one site, it works', async () => {
    const browser = await openBrowser({ blocksThirdParties: true })
    const sites = { page: 'www.shop.test', api: 'api.other.test', browser }
    expectBlocked(await tryOut({ ...sites, cookie: { sameSite: 'none' } }), 'UserPreferences')
    expect(await tryOut({ ...sites, cookie: { sameSite: 'none', partitioned: true } })).toEqual(works)
    expect(await tryOut({ page: 'www.shop.test', api: 'api.shop.test', browser })).toEqual(works)
  })
})

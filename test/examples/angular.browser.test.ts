import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { freePort } from '../harness/server.js'
import { mayInstall } from '../harness/tool.js'
import { expectAccessible } from './accessibility.js'
import { photograph, start } from './example.js'
import { describeInChromium, enter } from './in-chromium.js'

const app = join(import.meta.dirname, '../../examples/angular/app')
const isInstalled = existsSync(join(app, 'node_modules/.package-lock.json'))
const isToRun = isInstalled || mayInstall() || process.env.SOJOURN_NO_SKIP === '1'
if (isToRun && !isInstalled) process.stderr.write('Installing Angular for the tests …\n')

const apiPort = String(await freePort())
const apiOrigin = `http://localhost:${apiPort}`

await describeInChromium(
  'angular',
  (visit) => {
    const { at, sees } = visit
    const views = (of = visit.page) => of.locator('.count').innerText()
    const shows = (count: RegExp) => visit.page.locator('.count', { hasText: count }).waitFor()
    const toast = (of = visit.page) => of.getByRole('alert').getByRole('paragraph')

    async function signIn(page = visit.page): Promise<void> {
      await page.goto(at('/'))
      await enter(page, 'mypassword')
      await sees('Welcome, user1', page)
    }
    function endAllSessions(): void {
      const database = new DatabaseSync(visit.file)
      database.exec('PRAGMA busy_timeout = 5000; DELETE FROM sessions')
      database.close()
    }

    test('serves the page and its API on two origins', async () => {
      expect(visit.app.output()).toContain(`API: ${apiOrigin}`)
      const response = await visit.context.request.get(`${apiOrigin}/api/session`, { headers: { Origin: at('') } })
      expect(await response.json()).toEqual({ signedIn: false, signedInAt: null, expiresIn: null })
      expect(response.headers()).toMatchObject({
        'access-control-allow-origin': at(''),
        'access-control-allow-credentials': 'true',
      })
    })

    test('signs in, shows who is signed in, and signs out', async () => {
      const { page, context } = visit
      await page.goto(at('/'))
      await sees('Sign in')
      await enter(page, 'mypassword')
      await sees('Welcome, user1')
      expect(await page.title()).toBe('Welcome · Sojourn')
      expect(await context.cookies()).toMatchObject([{ name: 'angular', httpOnly: true, sameSite: 'Lax', expires: -1 }])
      expect(await page.evaluate('document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })')).toBe('{}')
      await page.getByRole('button', { name: 'Orders' }).click()
      await page.getByText('The first order of user1').waitFor()
      await page.reload()
      await sees('Welcome, user1')
      await page.getByRole('button', { name: 'Sign out' }).click()
      await sees('Sign in')
      expect(await page.getByText('The first order of user1').count()).toBe(0)
      expect(await page.locator('.count').count()).toBe(0)
      expect(await toast().count()).toBe(0)
      expect(await context.cookies()).toEqual([])
    })

    test('counts the views of each browser by itself', async () => {
      const { page, browser } = visit
      await page.goto(at('/'))
      await shows(/^1\s*view in/)
      await page.getByRole('button', { name: 'Count' }).click()
      await shows(/^2\s*views in/)
      await page.reload()
      await shows(/^3\s*views in/)
      const context = await browser.newContext()
      const other = await context.newPage()
      await other.goto(at('/'))
      await other.locator('.count').waitFor()
      expect(await views(other)).toMatch(/^1\s/)
      await context.close()
    })

    test('says that a password is wrong, and takes the next', async () => {
      const { page } = visit
      await page.goto(at('/'))
      await enter(page, 'wrong')
      await toast().waitFor()
      expect(await toast().innerText()).toBe('Invalid username or password')
      expect(await page.getByLabel('Username').inputValue()).toBe('user1')
      expect(await page.getByLabel('Password').inputValue()).toBe('')
      await enter(page, 'mypassword')
      await sees('Welcome, user1')
      expect(await toast().count()).toBe(0)
    })

    test('knows in every tab at once that one has signed out, or in', async () => {
      const { page, context } = visit
      await signIn()
      const second = await context.newPage()
      await second.goto(at('/'))
      await sees('Welcome, user1', second)
      await page.getByRole('button', { name: 'Sign out' }).click()
      await sees('Sign in', second)
      expect(await toast(second).innerText()).toBe('You were signed out. Sign in to go on.')
      await enter(second, 'mypassword')
      await sees('Welcome, user1', page)
    })

    test('knows in every tab that the count of views ended with the session', async () => {
      const { page, context } = visit
      await signIn()
      const second = await context.newPage()
      await second.goto(at('/'))
      await sees('Welcome, user1', second)
      await second.locator('.count').waitFor()
      await page.getByRole('button', { name: 'Sign out' }).click()
      await sees('Sign in', second)
      expect(await second.locator('.count').count()).toBe(0)
      await page.getByRole('button', { name: 'Count' }).click()
      await shows(/^1\s*view in/)
    })

    test('recovers when the session ended elsewhere', async () => {
      const { page } = visit
      await signIn()
      endAllSessions()
      await page.getByRole('button', { name: 'Orders' }).click()
      await sees('Sign in')
      expect(await toast().innerText()).toBe('You were signed out. Sign in to go on.')
      await enter(page, 'mypassword')
      await sees('Welcome, user1')
      await page.getByRole('button', { name: 'Orders' }).click()
      await page.getByText('The first order of user1').waitFor()
    })

    test('knows by a count as well that the session ended elsewhere, though a guest may count', async () => {
      const { page } = visit
      await signIn()
      endAllSessions()
      await page.getByRole('button', { name: 'Count' }).click()
      await sees('Sign in')
      expect(await toast().innerText()).toBe('You were signed out. Sign in to go on.')
      await shows(/^1\s*view in/)
      await enter(page, 'mypassword')
      await sees('Welcome, user1')
      await shows(/^1\s*view in/)
    })

    test('knows who is still signed in when a sign-out fails', async () => {
      const { page } = visit
      await signIn()
      await page.route('**/api/logout', (route) => route.abort())
      await page.getByRole('button', { name: 'Sign out' }).click()
      await toast().waitFor()
      expect(await toast().innerText()).toBe('The server cannot be reached. Please try again.')
      await sees('Welcome, user1')
      await page.unroute('**/api/logout')
      await page.getByRole('button', { name: 'Sign out' }).click()
      await sees('Sign in')
      expect(await toast().count()).toBe(0)
    })

    test('says so when the API cannot be reached or fails, and goes on once it is back', async () => {
      const { page } = visit
      await signIn()
      await page.route('**/api/views', (route) => route.abort())
      await page.getByRole('button', { name: 'Count' }).click()
      await toast().waitFor()
      expect(await toast().innerText()).toBe('The server cannot be reached. Please try again.')
      await expectAccessible(page)
      await photograph(page, 'angular-unreachable')
      await page.getByRole('button', { name: 'Close' }).focus()
      await page.keyboard.press('Enter')
      await toast().waitFor({ state: 'detached' })
      // Whoever has no mouse goes on from the top of the page, not from nowhere.
      expect(await page.evaluate('document.activeElement.tagName')).toBe('H1')
      await page.unroute('**/api/views')
      await page.route('**/api/views', (route) =>
        route.fulfill({
          status: 503,
          json: {},
          headers: { 'access-control-allow-origin': at(''), 'access-control-allow-credentials': 'true' },
        }),
      )
      await page.getByRole('button', { name: 'Count' }).click()
      await toast().waitFor()
      expect(await toast().innerText()).toBe('Something went wrong. Please try again.')
      await page.unroute('**/api/views')
      const before = Number.parseInt(await views(), 10)
      await page.getByRole('button', { name: 'Count' }).click()
      await shows(new RegExp(`^${before + 1}\\s*views`))
      await sees('Welcome, user1')
    })

    test('opens while the API is down, says so, and goes on by itself once it is back', async () => {
      const { page } = visit
      await page.route(`${apiOrigin}/**`, (route) => route.abort())
      await page.goto(at('/'))
      await sees('One moment')
      await toast().waitFor()
      expect(await toast().innerText()).toBe('The server cannot be reached. Please try again.')
      await expectAccessible(page)
      await photograph(page, 'angular-down')
      await page.unroute(`${apiOrigin}/**`)
      await sees('Sign in')
    })

    test('moves nothing for who asked for that', async () => {
      const { page } = visit
      await page.goto(at('/'))
      await sees('Sign in')
      await enter(page, 'wrong')
      await toast().waitFor()
      const animation = () => page.evaluate("getComputedStyle(document.querySelector('.toast')).animationName")
      await page.emulateMedia({ reducedMotion: 'no-preference' })
      expect(await animation()).not.toBe('none')
      await page.emulateMedia({ reducedMotion: 'reduce' })
      expect(await animation()).toBe('none')
    })

    test('warns before the session ends for want of use, and lets the visitor stay', async () => {
      const { page } = visit
      await signIn()
      const headers = { 'access-control-allow-origin': at(''), 'access-control-allow-credentials': 'true' }
      await page.route('**/api/session', (route) =>
        route.fulfill({ json: { signedIn: true, signedInAt: 1, expiresIn: 50_000 }, headers }),
      )
      await page.reload()
      const notice = page.getByRole('status')
      await notice.waitFor()
      expect(await notice.innerText()).toContain('You are about to be signed out')
      await expectAccessible(page)
      await photograph(page, 'angular-expiring')
      await page.unroute('**/api/session')
      await page.getByRole('button', { name: 'Stay signed in' }).click()
      await notice.waitFor({ state: 'detached' })
      await sees('Welcome, user1')
      await expect.poll(() => page.evaluate('document.activeElement.tagName')).toBe('H1')
    })

    // The page may have to be built again.
    test('keeps everyone signed in over a restart', { timeout: 90_000 }, async () => {
      await signIn()
      await visit.restart('SIGTERM')
      await visit.page.reload()
      await sees('Welcome, user1')
    })

    test('has a page that the last of the steps serves as well', async () => {
      const pagePort = String(await freePort())
      const origin = `http://localhost:${pagePort}`
      const stepsFile = visit.file.replace('sessions.db', 'steps.db')
      const step = await start('npm run start:steps 6-production', { ORIGINS: origin, SESSION_FILE: stepsFile })
      try {
        const alone = await start('npm run start:angular page-alone', { PORT: pagePort, API_PORT: String(step.port) })
        try {
          const { page } = visit
          await page.goto(alone.url)
          await shows(/^1\s*view in/)
          await enter(page, 'mypassword')
          await sees('Welcome, user1')
          await page.getByRole('button', { name: 'Orders' }).click()
          await page.getByText('The first order of user1').waitFor()
          await page.getByRole('button', { name: 'Sign out' }).click()
          await sees('Sign in')
          expect(await toast().count()).toBe(0)
        } finally {
          await alone.stop()
        }
      } finally {
        await step.stop()
      }
    })

    test('lets the pages of another origin read nothing and sign nobody out', async () => {
      await signIn()
      const answer = await visit.context.request.post(`${apiOrigin}/api/logout`, {
        headers: { Origin: 'https://other.test', 'Sec-Fetch-Site': 'cross-site' },
      })
      expect(answer.status()).toBe(403)
      expect(answer.headers()).not.toHaveProperty('access-control-allow-origin')
      await visit.page.reload()
      await sees('Welcome, user1')
    })

    test('can be used with the keyboard alone', async () => {
      const { page } = visit
      await page.goto(at('/'))
      await page.getByLabel('Username').focus()
      await page.keyboard.type('user1')
      await page.keyboard.press('Tab')
      await page.keyboard.type('mypassword')
      await page.keyboard.press('Enter')
      await sees('Welcome, user1')
      expect(await page.evaluate('document.activeElement.textContent')).toContain('Welcome')
      const signOut = page.getByRole('button', { name: 'Sign out' })
      for (let tabs = 0; tabs < 20 && !(await signOut.evaluate((it) => it.matches(':focus-visible'))); tabs++) {
        await page.keyboard.press('Tab')
      }
      await page.keyboard.press('Enter')
      await sees('Sign in')
    })

    test('shows pages that are accessible, fit a phone, and keep to their security policy', async () => {
      const { page } = visit
      const complaints: string[] = []
      page.on('console', (message) => {
        // What a wrong password brings about.
        if (!/status of 401/.test(message.text())) complaints.push(message.text())
      })
      await page.goto(at('/'))
      await page.locator('.count').waitFor()
      await sees('Sign in')
      await expectAccessible(page)
      await photograph(page, 'angular-sign-in')
      await enter(page, 'wrong')
      await toast().waitFor()
      await expectAccessible(page)
      await photograph(page, 'angular-toast')
      await enter(page, 'mypassword')
      await sees('Welcome, user1')
      await page.getByRole('button', { name: 'Orders' }).click()
      await page.getByText('The first order of user1').waitFor()
      await expectAccessible(page)
      await photograph(page, 'angular-welcome')
      expect(complaints).toEqual([])
    })

    test.each(['visitor.ts', 'with-session.ts'])('has the %s that docs/client.md shows', async (name) => {
      const read = (path: string) => readFile(join(import.meta.dirname, '../..', path), 'utf8')
      expect(await read('docs/client.md')).toContain(await read(`examples/angular/app/src/${name}`))
    })
  },
  {
    settings: { API_PORT: apiPort },
    missing: isToRun ? undefined : 'Angular is not installed: npm ci in examples/angular/app, or SOJOURN_INSTALL=1',
  },
)

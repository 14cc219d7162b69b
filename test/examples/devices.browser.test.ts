import { DatabaseSync } from 'node:sqlite'
import type { BrowserContext, Page } from 'playwright-core'
import { afterEach, expect, test } from 'vitest'
import { numberOf } from '../../src/stores/sqlite/number.js'
import { expectAccessible } from './accessibility.js'
import { photograph } from './example.js'
import { describeInChromium, enter } from './in-chromium.js'

const agents = {
  phone:
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
  work: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0',
}

await describeInChromium('login', (visit) => {
  const { at, sees } = visit
  const others: BrowserContext[] = []
  afterEach(async () => {
    await Promise.all(others.splice(0).map((context) => context.close()))
    forget()
  })

  async function signIn(page: Page): Promise<Page> {
    await page.goto(at('/'))
    await enter(page, 'mypassword')
    await sees('Welcome, user1', page)
    return page
  }
  async function otherBrowser(userAgent: string): Promise<Page> {
    const context = await visit.browser.newContext({ userAgent })
    others.push(context)
    const page = await context.newPage()
    page.setDefaultTimeout(10_000)
    return signIn(page)
  }
  /** Three browsers, each signed in; the first is the visitor's. */
  async function threeBrowsers(): Promise<[here: Page, phone: Page, work: Page]> {
    return [await signIn(visit.page), await otherBrowser(agents.phone), await otherBrowser(agents.work)]
  }
  function inStore<T>(use: (database: DatabaseSync) => T): T {
    const database = new DatabaseSync(visit.file)
    database.exec('PRAGMA busy_timeout = 5000')
    try {
      return use(database)
    } finally {
      database.close()
    }
  }
  const forget = () => inStore((database) => database.exec('DELETE FROM sessions'))
  /** Has all sign-ins be so many minutes ago. */
  function letPass(minutes: number): void {
    inStore((database) => {
      const rows = database.prepare('SELECT id, data FROM sessions').all() as { id: string; data: string }[]
      for (const { id, data } of rows) {
        const values = JSON.parse(data) as Record<string, string>
        const signIn = JSON.parse(values.__signIn ?? '{}') as { at: number }
        values.__signIn = JSON.stringify({ ...signIn, at: signIn.at - minutes * 60_000 })
        database.prepare('UPDATE sessions SET data = ? WHERE id = ?').run(JSON.stringify(values), id)
      }
    })
  }
  async function goToDevices(page: Page): Promise<void> {
    await page.goto(at('/'))
    await page.getByRole('link', { name: 'Devices' }).click()
    await sees('Your devices', page)
  }
  const names = async (page: Page) => (await page.locator('.list h2').allInnerTexts()).map((text) => text.trim())
  const buttons = (page: Page) => page.getByRole('button', { name: /^Sign out/ })
  async function isSignedIn(page: Page): Promise<boolean> {
    await page.goto(at('/'))
    const heading = await page.getByRole('heading', { level: 1 }).innerText()
    expect(heading).toMatch(/^(Welcome, user1|Sign in)$/)
    return heading !== 'Sign in'
  }

  test('shows where the visitor is signed in: device, address and times', async () => {
    const [here] = await threeBrowsers()
    await goToDevices(here)
    const [first, ...rest] = await names(here)
    expect(first).toMatch(/^Chrom\w+ on Linux\s+This device$/)
    expect(rest.sort()).toEqual(['Firefox on Windows', 'Safari on iOS'])
    const items = await here.locator('.list > li').allInnerTexts()
    expect(items).toHaveLength(3)
    for (const item of items) {
      expect(item).toMatch(/127\.0\.0\.1|::1/)
      expect(item).toMatch(/signed in \d.+UTC, last seen \d.+UTC/)
    }
  })

  test('shows each visitor their own sessions only, and strangers the way to sign in', async () => {
    await signIn(visit.page)
    await goToDevices(visit.page)
    expect(await names(visit.page)).toHaveLength(1)
    expect(await buttons(visit.page).count()).toBe(0)
    await visit.context.clearCookies()
    await visit.page.goto(at('/devices'))
    await sees('Sign in')
    await enter(visit.page, 'mypassword')
    await sees('Your devices')
  })

  test('ends one device', async () => {
    const [here, phone, work] = await threeBrowsers()
    await goToDevices(here)
    await here.getByRole('button', { name: /^Sign out: Safari on iOS/ }).click()
    await sees('Your devices', here)
    expect((await names(here)).join()).not.toContain('Safari')
    expect(await isSignedIn(phone)).toBe(false)
    expect(await isSignedIn(work)).toBe(true)
    expect(await isSignedIn(here)).toBe(true)
  })

  test('ends all others', async () => {
    const [here, phone, work] = await threeBrowsers()
    await goToDevices(here)
    await here.getByRole('button', { name: 'Sign out all other devices' }).click()
    await here.locator('.list > li').nth(1).waitFor({ state: 'detached' })
    expect(await names(here)).toHaveLength(1)
    expect(await buttons(here).count()).toBe(0)
    expect(await Promise.all([isSignedIn(here), isSignedIn(phone), isSignedIn(work)])).toEqual([true, false, false])
  })

  test('asks for the password before it ends anything, and gives a new token for it', async () => {
    const [here, phone] = await threeBrowsers()
    letPass(6)
    await goToDevices(here)
    expect(await names(here)).toHaveLength(3)
    expect(await buttons(here).count()).toBe(0)
    const password = here.getByLabel('Your password, to sign out other devices')
    await password.fill('wrong')
    await here.getByRole('button', { name: 'Continue' }).click()
    expect(await here.getByRole('alert').innerText()).toBe('That is not your password')
    expect(await here.evaluate('document.activeElement.id')).toBe('password')
    expect(await buttons(here).count()).toBe(0)
    expect(await names(here)).toHaveLength(3)
    const [before] = await visit.context.cookies()
    await password.fill('mypassword')
    await here.getByRole('button', { name: 'Continue' }).click()
    await buttons(here).first().waitFor()
    const [after] = await visit.context.cookies()
    expect(after?.value).not.toBe(before?.value)
    await here.getByRole('button', { name: /^Sign out: Safari on iOS/ }).click()
    await sees('Your devices', here)
    expect(await isSignedIn(phone)).toBe(false)
  })

  test('asks for it as well where the page was left open', async () => {
    const [here, phone, work] = await threeBrowsers()
    await goToDevices(here)
    letPass(6)
    await here.getByRole('button', { name: 'Sign out all other devices' }).click()
    await here.getByLabel('Your password, to sign out other devices').waitFor()
    expect(await isSignedIn(phone)).toBe(true)
    expect(await isSignedIn(work)).toBe(true)
  })

  test('sends whoever was signed out meanwhile to sign in', async () => {
    const [here, phone] = await threeBrowsers()
    await goToDevices(here)
    await goToDevices(phone)
    await here.getByRole('button', { name: 'Sign out all other devices' }).click()
    await here.locator('.list > li').nth(1).waitFor({ state: 'detached' })
    await phone.getByRole('button', { name: 'Sign out all other devices' }).click()
    await sees('Sign in', phone)
    expect(await isSignedIn(here)).toBe(true)
  })

  test('ends nothing for a request with a made-up, a foreign or the own name', async () => {
    await signIn(visit.page)
    const before = inStore((database) => database.prepare('SELECT id FROM sessions').all()) as { id: string }[]
    inStore((database) =>
      database.exec(
        `INSERT INTO sessions SELECT ${numberOf('BBBBBBBBBBBBBBBBBBBBBBBB')}, 'BBBBBBBBBBBBBBBBBBBBBBBB', 'other', created_at,
        expires_at, data FROM sessions LIMIT 1`,
      ),
    )
    for (const device of ['', 'nothing', 'BBBBBBBBBBBBBBBBBBBBBBBB', before[0]?.id ?? '']) {
      const response = await visit.context.request.post(at('/devices/end'), { form: { device } })
      expect(response.status()).toBe(200)
    }
    expect(await isSignedIn(visit.page)).toBe(true)
    expect(inStore((database) => database.prepare('SELECT id FROM sessions').all())).toHaveLength(2)
  })

  test('shows pages that are accessible, and fit a phone', async () => {
    const [here] = await threeBrowsers()
    await goToDevices(here)
    await expectAccessible(here)
    await photograph(here, 'login-devices')
    letPass(6)
    await goToDevices(here)
    await expectAccessible(here)
    await here.getByLabel('Your password, to sign out other devices').fill('wrong')
    await here.getByRole('button', { name: 'Continue' }).click()
    await here.getByRole('alert').waitFor()
    await expectAccessible(here)
    await photograph(here, 'login-devices-password')
  })
})

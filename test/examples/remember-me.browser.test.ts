import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { chromiumOptions } from '../harness/chromium.js'
import { expectAccessible } from './accessibility.js'
import { photograph } from './example.js'
import { describeInChromium, enter } from './in-chromium.js'

const day = 24 * 60 * 60

await describeInChromium('remember-me', (visit) => {
  const { at, sees } = visit

  test.each([
    { remembered: false, after: 'Sign in' },
    { remembered: true, after: 'Welcome, user1' },
  ])('with the tick $remembered shows $after when the browser was closed', async ({ remembered, after }) => {
    const profile = await mkdtemp(join(tmpdir(), 'sojourn-profile-'))
    const options = await chromiumOptions()
    /** What a page sees that opens in the browser of this profile, which closes afterwards. */
    async function open(look: (page: Page) => Promise<void>): Promise<void> {
      const opened = await chromium.launchPersistentContext(profile, options)
      opened.setDefaultTimeout(10_000)
      const page = await opened.newPage()
      await page.goto(at('/'))
      await look(page).finally(() => opened.close())
    }
    try {
      await open(async (page) => {
        if (remembered) await page.getByLabel('Remember me on this device').check()
        await enter(page, 'mypassword')
        await sees('Welcome, user1', page)
        expect(await page.locator('main').innerText()).toContain(
          remembered ? 'thirty days' : 'until the browser closes',
        )
      })
      await open((page) => sees(after, page))
    } finally {
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    }
  })

  test('gives a remembered cookie thirty days, and none to the other', async () => {
    const { page, context } = visit
    await page.goto(at('/'))
    await enter(page, 'mypassword')
    await sees('Welcome, user1')
    expect((await context.cookies())[0]?.expires).toBe(-1)
    await page.getByRole('button', { name: 'Log out' }).click()
    await sees('Sign in')
    await page.getByLabel('Remember me on this device').check()
    await enter(page, 'mypassword')
    await sees('Welcome, user1')
    const expires = (await context.cookies())[0]?.expires ?? 0
    expect(expires - Date.now() / 1000).toBeGreaterThan(30 * day - 60)
    expect(expires - Date.now() / 1000).toBeLessThanOrEqual(30 * day)
  })

  test('keeps who is remembered signed in over a restart', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await page.getByLabel('Remember me on this device').check()
    await enter(page, 'mypassword')
    await sees('Welcome, user1')
    await visit.restart('SIGINT')
    await page.reload()
    await sees('Welcome, user1')
  })

  test('shows pages that are accessible', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await expectAccessible(page)
    await photograph(page, 'remember-me-sign-in')
    await enter(page, 'wrong')
    await page.getByRole('alert').waitFor()
    await expectAccessible(page)
    await photograph(page, 'remember-me-wrong-password')
    await page.getByLabel('Remember me on this device').check()
    await enter(page, 'mypassword')
    await sees('Welcome, user1')
    await expectAccessible(page)
    await photograph(page, 'remember-me-welcome')
  })
})

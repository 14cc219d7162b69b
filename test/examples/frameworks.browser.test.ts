import { expect, test } from 'vitest'
import { expectAccessible } from './accessibility.js'
import { photograph } from './example.js'
import { describeInChromium, enter } from './in-chromium.js'

// One site on each framework: what a visitor sees is the same.
for (const name of ['fastify', 'koa', 'hono', 'fetch', 'node']) {
  await describeInChromium(name, (visit) => {
    const { at, sees } = visit

    test('counts, signs in, leads back to the profile, and signs out', async () => {
      const { page, context } = visit
      await page.goto(at('/profile'))
      await sees('Sign in')
      expect(await context.cookies()).toEqual([])
      await enter(page, 'wrong')
      await page.getByRole('alert').waitFor()
      await enter(page, 'mypassword')
      await sees('Profile')
      await page.goto(at('/'))
      await page.reload()
      await sees('Hello, user1')
      expect(await page.locator('.count').innerText()).toMatch(/^2\s/)
      const cookies = await context.cookies()
      expect(cookies).toEqual([expect.objectContaining({ name, httpOnly: true, sameSite: 'Lax' })])
      await page.getByRole('button', { name: 'Log out' }).click()
      await sees('Hello, stranger')
      await page.goto(at('/profile'))
      await sees('Sign in')
    })

    test('never leads off the site', async () => {
      const { page } = visit
      await page.goto(at('/login?returnTo=https://example.com'))
      await enter(page, 'mypassword')
      await page.waitForURL(at('/'))
    })

    test('is not thrown by a login that is no form', async () => {
      const headers = { 'Content-Type': 'application/json' }
      const { status } = await fetch(at('/login'), { method: 'POST', headers, body: '{"username":"user1"}' })
      expect(status).toBe(401)
    })

    test('refuses what another site posts, and shows a page for it and for what is not there', async () => {
      const login = await fetch(at('/login'), {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: 'https://elsewhere.example' },
        body: 'username=user1&password=mypassword',
      })
      expect([login.status, login.headers.getSetCookie()]).toEqual([403, []])
      expect(await login.text()).toContain('<h1>That did not work</h1>')
      expect(login.headers.get('Content-Security-Policy')).toContain("frame-ancestors 'none'")
      const nowhere = await fetch(at('/nowhere'))
      expect([nowhere.status, nowhere.headers.get('Content-Type')]).toEqual([404, expect.stringContaining('text/html')])
      expect(await nowhere.text()).toContain('<h1>Page not found</h1>')
    })

    test('refuses a form of any length, before it is in memory', async () => {
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const body = `username=${'u'.repeat(2_000_000)}&password=p`
      const login = await fetch(at('/login'), { method: 'POST', headers, body })
      expect(login.status).toBe(413)
      expect(await login.text()).toContain('<h1>That did not work</h1>')
    })

    test('shows pages that are accessible, and that no other site can frame', async () => {
      const { page } = visit
      const missing: string[] = []
      page.on('response', (answer) => {
        if (answer.status() === 404) missing.push(answer.url())
      })
      const response = await page.goto(at('/'), { waitUntil: 'networkidle' })
      expect(missing).toEqual([])
      expect(response?.headers()['content-security-policy']).toContain("frame-ancestors 'none'")
      await expectAccessible(page)
      await page.goto(at('/profile'))
      await expectAccessible(page)
      await photograph(page, `${name}-sign-in`)
      await enter(page, 'wrong')
      await page.getByRole('alert').waitFor()
      await expectAccessible(page)
      await enter(page, 'mypassword')
      await sees('Profile')
      await expectAccessible(page)
      await photograph(page, `${name}-profile`)
      await page.goto(at('/'))
      await sees('Hello, user1')
      await expectAccessible(page)
      await photograph(page, `${name}-start`)
      await page.goto(at('/nowhere'))
      await expectAccessible(page)
    })
  })
}

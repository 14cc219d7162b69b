import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expectAccessible } from './accessibility.js'
import { photograph } from './example.js'
import { describeInChromium } from './in-chromium.js'

await describeInChromium('counter', (visit) => {
  const views = (of = visit.page) => of.locator('.count').innerText()

  test('counts for each browser by itself', async () => {
    const { page, browser, at, context } = visit
    for (const expected of [/^1\s+view in/, /^2\s+views in/, /^3\s+views in/]) {
      await page.goto(at('/'))
      expect(await views()).toMatch(expected)
    }
    const other = await browser.newPage()
    await other.goto(at('/'))
    expect(await views(other)).toMatch(/^1\s/)
    await other.context().close()
    expect((await context.cookies()).map(({ name }) => name)).toEqual(['counter'])
  })

  test('is ten lines of code', async () => {
    const code = await readFile(join(import.meta.dirname, '../../examples/counter/server.js'), 'utf8')
    expect(code.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(10)
  })

  test('takes a browser with a changed cookie for a stranger', async () => {
    const { page, at, app, context } = visit
    await page.goto(at('/'))
    await page.reload()
    const [cookie] = await context.cookies()
    const value = `${cookie?.value.slice(0, -1)}${cookie?.value.endsWith('A') ? 'B' : 'A'}`
    await context.addCookies([{ name: 'counter', value, url: app.url }])
    await page.reload()
    expect(await views()).toMatch(/^1\s/)
  })

  test('shows a page that is accessible, and says that its sessions are in memory', async () => {
    const { page, at, app } = visit
    await page.goto(at('/'))
    await expectAccessible(page)
    await photograph(page, 'counter')
    expect(app.output()).toContain('Sessions are kept in memory')
  })
})

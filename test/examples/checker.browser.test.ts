import { expect, test } from 'vitest'
import { expectAccessible } from './accessibility.js'
import { photograph } from './example.js'
import { describeInChromium, enter } from './in-chromium.js'

await describeInChromium('checker', (visit) => {
  const { at, sees } = visit

  test('sends a stranger to sign in, and back to where they were going', async () => {
    const { page, context } = visit
    await page.goto(at('/'))
    await page.getByRole('link', { name: 'Order 17' }).click()
    await sees('Sign in')
    expect(await context.cookies()).toEqual([])
    await enter(page, 'wrong')
    await page.getByRole('alert').waitFor()
    await enter(page, 'mypassword')
    await sees('Order 17')
    expect(page.url()).toBe(at('/orders/17?show=notes'))
    expect(await page.locator('main').innerText()).toContain('Its notes, for the eyes of user1.')
    await page.getByRole('link', { name: 'Back' }).click()
    await page.getByRole('button', { name: 'Log out' }).click()
    await sees('Hello, stranger')
    await page.goto(at('/orders/17'))
    await sees('Sign in')
  })

  test('never leads off the site', async () => {
    const { page } = visit
    await page.goto(at('/login?returnTo=https://example.com'))
    await enter(page, 'mypassword')
    await page.waitForURL(at('/'))
  })

  test('answers scripts and posts of a stranger with 401', async () => {
    const answers = [
      await fetch(at('/api/orders')),
      await fetch(at('/orders/17'), { method: 'POST' }),
      await fetch(at('/orders/17'), { headers: { 'Sec-Fetch-Site': 'same-origin' }, redirect: 'manual' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401])
    expect(answers.flatMap(({ headers }) => headers.getSetCookie())).toEqual([])
  })

  test('shows what a visitor wrote into the address as text', async () => {
    const { page } = visit
    await page.goto(at('/login?returnTo=/orders/<b>1</b>'))
    await enter(page, 'mypassword')
    await page.goto(at('/orders/%3Cb%3E1?show=%3Ci%3Eall'))
    await sees('Order <b>1')
    expect(await page.locator('main').innerText()).toContain('Its <i>all')
  })

  test('shows pages that are accessible', async () => {
    const { page } = visit
    for (const [name, path] of [
      ['start', '/'],
      ['sign-in', '/orders/17?show=notes'],
    ] as const) {
      await page.goto(at(path))
      await expectAccessible(page)
      await photograph(page, `checker-${name}`)
    }
    await enter(page, 'wrong')
    await page.getByRole('alert').waitFor()
    await expectAccessible(page)
    await photograph(page, 'checker-wrong-password')
    await enter(page, 'mypassword')
    await sees('Order 17')
    await expectAccessible(page)
    await photograph(page, 'checker-order')
    for (const [name, path] of [
      ['signed-in', '/'],
      ['not-found', '/nowhere'],
    ] as const) {
      await page.goto(at(path))
      await expectAccessible(page)
      await photograph(page, `checker-${name}`)
    }
  })
})

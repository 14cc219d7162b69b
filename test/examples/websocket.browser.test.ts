import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { expectAccessible } from './accessibility.js'
import { photograph } from './example.js'
import { describeInChromium, enter } from './in-chromium.js'

await describeInChromium('websocket', (visit) => {
  const { at, sees } = visit
  const says = (text: string, of = visit.page) => of.getByRole('status').filter({ hasText: text }).waitFor()
  const reads = (text: string, of = visit.page) => of.getByRole('listitem').filter({ hasText: text }).waitFor()
  const send = async (text: string, of = visit.page) => {
    await of.getByRole('textbox', { name: 'Message' }).fill(text)
    await of.getByRole('button', { name: 'Send' }).click()
  }

  test('two tabs share a session, and a logout in one closes the socket of the other', async () => {
    const { page, context } = visit
    await page.goto(at('/'))
    await sees('Sign in')
    await enter(page, 'mypassword')
    await sees('Hello, user1')
    await says('You are in the room.')
    await page.getByText('Nobody has said anything yet.').waitFor()
    await expectAccessible(page)
    const other = await context.newPage()
    await other.goto(at('/'))
    await says('You are in the room.', other)

    await send('hello')
    await reads('user1, message 1: hello', other)
    await send('<b>hi</b>', other)
    await reads('user1, message 2: <b>hi</b>')
    expect(await page.getByText('Nobody has said').count()).toBe(0)
    await expectAccessible(page)
    await photograph(page, 'websocket')

    await page.getByRole('button', { name: 'Log out' }).click()
    await sees('Sign in')
    await says('You were signed out.', other)
    expect(await other.getByRole('textbox').count()).toBe(0)
    expect(await other.locator('main').innerText()).not.toMatch(/hello|Log out/)
    await expectAccessible(other)
    await photograph(other, 'websocket-signed-out')
    await other.getByRole('link', { name: 'Sign in' }).click()
    await sees('Sign in', other)
  })

  test('can be used with the keyboard alone', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await page.keyboard.type('user1')
    await page.keyboard.press('Tab')
    await page.keyboard.type('mypassword')
    await page.keyboard.press('Enter')
    await says('You are in the room.')
    for (const text of ['one', 'two']) {
      await page.keyboard.type(text)
      await page.keyboard.press('Enter')
      await reads(`: ${text}`)
    }
    const logOut = page.getByRole('button', { name: 'Log out' })
    for (let tabs = 0; tabs < 10 && !(await logOut.evaluate((it) => it.matches(':focus-visible'))); tabs++) {
      await page.keyboard.press('Tab')
    }
    await page.keyboard.press('Enter')
    await sees('Sign in')
  })

  test('lets in neither strangers nor pages of other sites', async () => {
    const refusal = (headers: Record<string, string>) =>
      new Promise<string>((resolve, reject) => {
        const socket = new WebSocket(at('/').replace('http', 'ws'), { headers })
        socket.once('error', (error) => resolve(error.message))
        socket.once('open', () => reject(new Error('It was let in')))
      })
    expect(await refusal({ origin: at('') })).toContain('401')
    expect(await refusal({ origin: 'https://elsewhere.example' })).toContain('403')
  })

  test('stops while somebody is in the room', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await enter(page, 'mypassword')
    await says('You are in the room.')
    await visit.restart('SIGINT')
    await says('The connection is gone.')
    await page.getByRole('link', { name: 'Try again' }).click()
    // Its sessions were in memory.
    await sees('Sign in')
  })
})

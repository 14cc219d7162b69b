import { expect, test } from 'vitest'
import { expectAccessible } from './accessibility.js'
import { photograph } from './example.js'
import { describeInChromium } from './in-chromium.js'

await describeInChromium('flash', (visit) => {
  const { at } = visit
  const notice = (of = visit.page) => of.getByRole('status')
  const notes = () => visit.page.getByRole('listitem').allInnerTexts()

  async function add(text: string): Promise<void> {
    await visit.page.getByLabel('Note').fill(text)
    await visit.page.getByRole('button', { name: 'Add' }).click()
    await notice().waitFor()
  }

  test('shows a message after one redirect, and once', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await add('Milk')
    expect(await notice().innerText()).toBe('Added “Milk”.')
    expect(await notes()).toEqual(['Milk'])
    await page.reload()
    expect(await notice().count()).toBe(0)
    expect(await notes()).toEqual(['Milk'])
    await add('')
    expect(await notice().innerText()).toBe('A note has 1 to 80 characters.')
    await page.goto(at('/'))
    expect(await notice().count()).toBe(0)
    expect(await notes()).toEqual(['Milk'])
  })

  test('shows what a visitor wrote as they wrote it', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await add('<b>bold</b> & "quoted"')
    expect(await notice().innerText()).toBe('Added “<b>bold</b> & "quoted"”.')
    expect(await notes()).toEqual(['<b>bold</b> & "quoted"'])
  })

  test('gives the message to one of many pages that load at once', async () => {
    const { page, context } = visit
    await page.goto(at('/'))
    await add('First')
    const headers = { cookie: (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ') }
    const form = { method: 'POST', headers, body: new URLSearchParams({ text: 'Second' }), redirect: 'manual' } as const
    expect((await fetch(at('/notes'), form)).status).toBe(303)
    const pages = await Promise.all(Array.from({ length: 12 }, () => fetch(at('/'), { headers })))
    const texts = await Promise.all(pages.map((response) => response.text()))
    expect(texts.filter((text) => text.includes('Added “Second”')).length).toBe(1)
  })

  test('stores nothing for who only looks', async () => {
    const { page, context } = visit
    await page.goto(at('/'))
    await page.reload()
    await page.getByText('No notes yet.').waitFor()
    expect(await context.cookies()).toEqual([])
  })

  test('shows a page that is accessible', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await expectAccessible(page)
    await photograph(page, 'flash-empty')
    await add('Milk')
    await add('Bread')
    await expectAccessible(page)
    await photograph(page, 'flash')
    await add('')
    await expectAccessible(page)
    await photograph(page, 'flash-problem')
    await add('W'.repeat(80)) // A word that no line holds, such as an address.
    await expectAccessible(page)
  })
})

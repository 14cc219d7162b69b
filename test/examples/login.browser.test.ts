import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { chromium } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { chromiumOptions } from '../harness/chromium.js'
import { expectAccessible } from './accessibility.js'
import { photograph, startCommand } from './example.js'
import { describeInChromium, enter } from './in-chromium.js'

const { examples } = (await import(join(import.meta.dirname, '../../examples/login/examples.js'))) as {
  examples: { command: string; url: string }[]
}

await describeInChromium('login', (visit) => {
  const { at, sees } = visit
  const views = (of = visit.page) => of.locator('.count').innerText()

  async function signIn(of = visit.page): Promise<void> {
    await of.goto(at('/'))
    await enter(of, 'mypassword')
    await sees('Welcome, user1', of)
  }
  function storedSessions(): number {
    const database = new DatabaseSync(visit.file, { readOnly: true })
    const { count } = database.prepare('SELECT count(*) AS count FROM sessions').get() as { count: number }
    database.close()
    return count
  }

  test('is what npm start runs', async () => {
    const { app } = visit
    expect(await startCommand('login')).toBe('npm start')
    expect(app.output()).toContain(`http://localhost:${app.port}`)
    expect(app.output()).toContain(visit.file)
  })

  test('signs in, counts the views, and logs out', async () => {
    const { context, page } = visit
    await page.goto(at('/'))
    await sees('Sign in')
    expect(await context.cookies()).toEqual([])
    await enter(page, 'mypassword')
    await sees('Welcome, user1')
    expect(await views()).toMatch(/^1\s+view in/)
    await page.reload()
    expect(await views()).toMatch(/^2\s+views in/)
    await page.getByRole('button', { name: 'Log out' }).click()
    await sees('Sign in')
    expect(page.url()).toBe(at('/'))
    expect(await context.cookies()).toEqual([])
  })

  test('can be used with the keyboard alone', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await page.keyboard.type('user1')
    await page.keyboard.press('Tab')
    await page.keyboard.type('mypassword')
    await page.keyboard.press('Enter')
    await sees('Welcome, user1')
    const logOut = page.getByRole('button', { name: 'Log out' })
    for (let tabs = 0; tabs < 20 && !(await logOut.evaluate((it) => it.matches(':focus-visible'))); tabs++) {
      await page.keyboard.press('Tab')
    }
    await page.keyboard.press('Enter')
    await sees('Sign in')
  })

  test.each([
    ['user1', 'wrong'],
    ['nobody', 'mypassword'],
    ['user1', 'MYPASSWORD'],
    ['<i>user1</i>', 'mypassword'],
  ])('refuses %s with %s, sets no cookie and stores nothing', async (username, password) => {
    const { context, page } = visit
    const before = storedSessions()
    await page.goto(at('/'))
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST'),
      enter(page, password, username),
    ])
    expect(answer.status()).toBe(401)
    expect(await answer.headerValue('set-cookie')).toBeNull()
    expect(await page.getByRole('alert').innerText()).toBe('Invalid username or password')
    expect(await page.getByLabel('Username').inputValue()).toBe(username)
    expect(await page.getByLabel('Password').inputValue()).toBe('')
    expect(await page.evaluate('document.activeElement.id')).toBe('password')
    expect(await context.cookies()).toEqual([])
    expect(storedSessions()).toBe(before)
  })

  test('gives the browser a cookie that scripts cannot read, for this host, until it closes', async () => {
    const { context, page } = visit
    await signIn()
    const cookies = await context.cookies()
    expect(cookies).toMatchObject([
      { name: 'session', domain: 'localhost', path: '/', expires: -1, httpOnly: true, sameSite: 'Lax', secure: false },
    ])
    expect(cookies[0]?.value).toMatch(/^[\w-]{64}$/)
    expect(await page.evaluate('document.cookie')).toBe('')
  })

  test('gives a new token at sign-in, keeps what the visitor had, and lets the old token be worth nothing', async () => {
    const { app, context, page } = visit
    await page.goto(at('/views'))
    await page.reload()
    const [before] = await context.cookies()
    await signIn()
    expect(await views()).toMatch(/^3\s/)
    const [after] = await context.cookies()
    expect(after?.value).not.toBe(before?.value)
    await context.addCookies([{ name: 'session', value: before?.value ?? '', url: app.url }])
    await page.goto(at('/'))
    await sees('Sign in')
  })

  test('counts for each browser by itself', async () => {
    const { browser, page } = visit
    const otherContext = await browser.newContext()
    const other = await otherContext.newPage()
    for (const expected of [/^1\s/, /^2\s/, /^3\s/]) {
      await page.goto(at('/views'))
      expect(await views()).toMatch(expected)
    }
    await other.goto(at('/views'))
    expect(await views(other)).toMatch(/^1\s/)
    await signIn(other)
    expect(await views(other)).toMatch(/^2\s/)
    await page.goto(at('/views'))
    expect(await views()).toMatch(/^4\s/)
    await sees('Your views')
    await otherContext.close()
  })

  test('knows in every tab that one has logged out, and brings the visitor back after the next sign-in', async () => {
    const { context, page } = visit
    await signIn()
    const second = await context.newPage()
    await second.goto(at('/'))
    await page.getByRole('button', { name: 'Log out' }).click()
    await sees('Sign in')
    await second.getByRole('link', { name: 'Profile', exact: true }).first().click()
    await sees('Sign in', second)
    expect(second.url()).toBe(at('/?returnTo=%2Fprofile'))
    await enter(second, 'mypassword')
    await sees('Profile', second)
    expect(second.url()).toBe(at('/profile'))
  })

  test('logs out in a tab where another has done so already', async () => {
    const { context, page } = visit
    await signIn()
    const second = await context.newPage()
    await second.goto(at('/'))
    await page.getByRole('button', { name: 'Log out' }).click()
    await sees('Sign in')
    await second.getByRole('button', { name: 'Log out' }).click()
    await sees('Sign in', second)
  })

  test.each(['/', '/profile'])('does not show %s again to the back button after logging out', async (path) => {
    // Playwright turns this off, but every visitor's browser has it.
    const ignoreDefaultArgs = ['--disable-back-forward-cache']
    const rememberingBrowser = await chromium.launch({ ...(await chromiumOptions()), ignoreDefaultArgs })
    try {
      const visited = await rememberingBrowser.newPage()
      visited.setDefaultTimeout(10_000)
      await signIn(visited)
      await visited.goto(at(path))
      await visited.getByRole('button', { name: 'Log out' }).click()
      await sees('Sign in', visited)
      // The event that Playwright waits for does not come where a page is shown as it was left.
      await visited.goBack({ timeout: 5000 }).catch(() => {})
      await sees('Sign in', visited)
      expect(await visited.locator('body').innerText()).not.toMatch(/Welcome|Signed in|Log out/)
    } finally {
      await rememberingBrowser.close()
    }
  })

  test('asks before a link logs out', async () => {
    const { context, page } = visit
    await signIn()
    await page.goto(at('/logout'))
    await sees('Log out?')
    await page.getByRole('link', { name: 'Stay' }).click()
    await sees('Welcome, user1')
    await page.goto(at('/logout'))
    await page.getByRole('button', { name: 'Log out' }).click()
    await sees('Sign in')
    expect(await context.cookies()).toEqual([])
    await page.goto(at('/logout'))
    expect(page.url()).toBe(at('/'))
  })

  test.each([
    '//other.test/',
    '/\\other.test',
    'https://other.test/',
    '/\t/other.test',
    '/..//other.test',
    'javascript:alert(1)',
  ])('stays on this site when asked to return to %s', async (returnTo) => {
    const { page } = visit
    await page.goto(at(`/?${new URLSearchParams({ returnTo })}`))
    await enter(page, 'mypassword')
    await page.waitForURL(at('/'))
    await sees('Welcome, user1')
  })

  test('keeps the way back over a wrong password, with its query', async () => {
    const { page } = visit
    await page.goto(at('/profile?part=1&other=2'))
    await enter(page, 'wrong')
    await enter(page, 'mypassword')
    await sees('Profile')
    expect(page.url()).toBe(at('/profile?part=1&other=2'))
  })

  test('lets the pages of another port sign nobody in, and nobody out', async () => {
    const { context, page } = visit
    const foreign = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html')
      response.end(`<form method="post" action="${at('/user')}"><input name="username" value="user1">
        <input name="password" value="mypassword"><button>Win</button></form>
        <form method="post" action="${at('/logout')}"><button>Bye</button></form>`)
    })
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => foreign.closeAllConnections())
    onTestFinished(() => void foreign.close())
    const { port } = foreign.address() as AddressInfo
    await page.goto(`http://localhost:${port}/`)
    await page.getByRole('button', { name: 'Win' }).click()
    await sees('That did not work')
    await expectAccessible(page)
    await photograph(page, 'login-refused')
    expect(await context.cookies()).toEqual([])
    await signIn()
    await page.goto(`http://localhost:${port}/`)
    await page.getByRole('button', { name: 'Bye' }).click()
    await sees('That did not work')
    await page.goto(at('/'))
    await sees('Welcome, user1')
  })

  test('keeps everyone signed in over a restart, and over a crash', async () => {
    const { page } = visit
    await signIn()
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      await visit.restart(signal)
      await page.reload()
      await sees('Welcome, user1')
    }
    expect(await views()).toMatch(/^3\s/)
  })

  test('shows pages that are accessible, and fit a phone', async () => {
    const { page } = visit
    const complaints: string[] = []
    page.on('console', (message) => {
      // What each page with such a status brings about.
      if (!/status of 40[14]/.test(message.text())) complaints.push(message.text())
    })
    async function look(name: string, path?: string): Promise<void> {
      if (path) await page.goto(at(path))
      await expectAccessible(page)
      await photograph(page, `login-${name}`)
    }
    await look('sign-in', '/')
    await page.goto(at('/profile'))
    await enter(page, 'wrong')
    await page.getByRole('alert').waitFor()
    await look('wrong-password')
    await look('views-as-a-stranger', '/views')
    await signIn()
    await look('welcome', '/')
    await look('profile', '/profile')
    await look('views', '/views')
    await look('log-out', '/logout')
    await look('examples', '/examples')
    await look('not-found', '/nowhere')
    expect(complaints).toEqual([])
  })

  test('links to the other examples', async () => {
    const { page } = visit
    await page.goto(at('/'))
    await page.getByRole('link', { name: 'Examples' }).click()
    await sees('More examples')
    const items = await page.getByRole('main').getByRole('listitem').all()
    expect(items).toHaveLength(examples.length)
    for (const [index, { command, url }] of examples.entries()) {
      expect(await items[index]?.getByRole('link').getAttribute('href')).toBe(url)
      expect(await items[index]?.innerText()).toContain(command)
    }
  })

  test('moves nothing for who asked for that', async () => {
    const { page } = visit
    await page.goto(at('/'))
    const duration = () => page.evaluate("getComputedStyle(document.querySelector('button')).transitionDuration")
    await page.emulateMedia({ reducedMotion: 'no-preference' })
    expect(await duration()).not.toBe('0s')
    await page.emulateMedia({ reducedMotion: 'reduce' })
    expect(await duration()).toBe('0s')
  })
})

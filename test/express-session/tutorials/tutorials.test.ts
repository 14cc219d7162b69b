/** Programs as tutorials show them, each run as it is and with nothing but its import changed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import request from 'supertest'
import { afterEach, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const running: ChildProcess[] = []
afterEach(() => {
  for (const child of running.splice(0)) child.kill()
})

/** Starts a program on the package, and resolves to browsers that visit it. */
async function start(name: string, library: string) {
  const source = readFileSync(new URL(`${name}.cjs`, import.meta.url), 'utf8')
  const code = source.replace("require('express-session')", `require('${library}')`)
  const env = { ...process.env, PORT: '0', NODE_OPTIONS: '' }
  const child = spawn(process.execPath, ['--input-type=commonjs', '-e', code], { cwd: root, env })
  running.push(child)
  const output: string[] = []
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (chunk) => output.push(String(chunk)))
    child.stdout.on('data', (chunk) => {
      output.push(String(chunk))
      const port = /Server running on (\d+)/.exec(output.join(''))?.[1]
      if (port) resolve(`http://127.0.0.1:${port}`)
    })
    child.on('exit', () => reject(new Error(output.join(''))))
  })
  return { browser: () => request.agent(url), output }
}

const lifetime = ({ headers }: { headers: Record<string, unknown> }) => {
  const [line] = (headers['set-cookie'] as string[] | undefined) ?? []
  return Math.round((Date.parse(/Expires=([^;]*)/.exec(line ?? '')?.[1] ?? '') - Date.now()) / 1000)
}

describe.each(['express-session', 'sojourn/express-session'])('with %s', (library) => {
  test('a page counts its views, in each browser', async () => {
    const { browser } = await start('counter', library)
    const [one, other] = [browser(), browser()]
    await one.get('/').expect('Welcome to this page for the first time!')
    await one.get('/').expect('Number of views 2')
    await other.get('/').expect('Welcome to this page for the first time!')
    await one.get('/').expect('Number of views 3')
    await other.get('/').expect('Number of views 2')
  })

  test('objects and arrays are kept, however deep', async () => {
    const { browser } = await start('counter', library)
    const visitor = browser()
    await visitor.get('/cart/book')
    const { body } = await visitor.get('/cart/pen').redirects(1)
    const { body: kept } = await visitor.get('/cart')
    const tags = [['new']]
    expect(kept).toEqual({
      items: [
        { item: 'book', tags },
        { item: 'pen', tags },
      ],
      owner: { name: { first: 'Ada', last: 'Lovelace' } },
    })
    if (library !== 'express-session') expect(body).toEqual(kept)
  })

  test('a login form with a session in a variable of the module', async () => {
    const { browser, output } = await start('login', library)
    const visitor = browser()
    const first = await visitor.get('/').expect(/<form/)
    expect(lifetime(first)).toBeGreaterThan(86_390)
    const login = (password: string) => visitor.post('/user').type('form').send({ username: 'user1', password })
    await login('wrong').expect('Invalid username or password')
    await visitor.get('/').expect(/<form/)
    await login('mypassword').expect(/^Hey there, welcome/)
    await visitor.get('/').expect(/^Welcome User/)
    await browser().get('/').expect(/<form/)
    await visitor.get('/logout').redirects(1).expect(/<form/)
    expect(output.join('')).toMatch(/Session \{\s+cookie: \{[^}]*maxAge|userid: 'user1'/)
  })

  test('a checker sends whoever is not signed in to the login page', async () => {
    const { browser } = await start('checker', library)
    const [ada, grace] = [browser(), browser()]
    const user = { id: 'ada', password: 'secret' }
    await ada.get('/protected_page').expect(302).expect('Location', '/login')
    await ada.post('/signup').type('form').send({}).expect(400, 'Invalid details!')
    const signup = await ada.post('/signup').type('form').send(user).expect(302)
    expect(lifetime(signup)).toBeGreaterThan(55)
    expect(lifetime(signup)).toBeLessThan(62)
    await new Promise((resolve) => setTimeout(resolve, 20))
    await ada.get('/protected_page').expect('Hello ada, 60 seconds left')
    await grace.get('/protected_page').expect(302)
    await grace.post('/login').type('form').send({ id: 'ada', password: 'x' }).expect('Invalid username or password')
    await grace.post('/login').type('form').send(user).expect(302)
    await ada.get('/logout').expect(302)
    await ada.get('/protected_page').expect(302)
    await grace.get('/protected_page').expect(/^Hello ada/)
  })
})

import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, get, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Example, start, startCommand } from './example.js'

let folder: string
let app: Example
let running: Example[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sojourn-login-'))
  app = await startLogin()
})
afterAll(async () => {
  await Promise.all(running.map((app) => app.stop()))
  running = []
  await rm(folder, { recursive: true, force: true })
})

async function startLogin(settings: Record<string, string> = {}, command = 'node examples/start.js login') {
  const app = await start(command, { SESSION_FILE: join(folder, 'sessions.db'), ...settings })
  running.push(app)
  return app
}
const refusal = (settings: Record<string, string>) => startLogin(settings).then(String, (error) => String(error))

test('says what to do when the port is taken', async () => {
  const { port } = app
  const message = await startLogin({ PORT: String(port) }, await startCommand('login')).then(String, String)
  expect(message).toContain(
    `Port ${port} is taken by another program. Stop that one, or choose another port: PORT=${port + 1} npm start`,
  )
  expect(message).toContain('ended with code 1')
  expect(message).not.toContain('    at ')
})

test('says what is wrong with a port or a host', async () => {
  expect(await refusal({ PORT: 'http' })).toContain('PORT must be a number from 0 to 65535; got http')
  expect(await refusal({ PORT: '65536' })).toContain('PORT must be a number from 0 to 65535; got 65536')
  expect(await refusal({ HOST: '192.0.2.1' })).toContain('HOST must be an address of this machine; got 192.0.2.1')
})

test('listens on this machine alone unless told otherwise, and then says what that takes', async () => {
  expect(app.output()).not.toContain('TLS')
  const open = await startLogin({ HOST: '0.0.0.0' })
  expect(open.output()).toContain('put a proxy with TLS before it')
})

test.each(['SIGINT', 'SIGTERM'] as const)(
  'stops on %s in good order, also while a browser keeps a connection',
  async (signal) => {
    const app = await startLogin()
    const agent = new Agent({ keepAlive: true })
    await new Promise((resolve) =>
      get(`${app.url}/views`, { agent }, (response) => response.resume().on('end', resolve)),
    )
    expect(await app.stop(signal)).toBe(0)
    agent.destroy()
  },
)

test('stops when npm alone is told to', async () => {
  const app = await startLogin({}, await startCommand('login'))
  await app.stopAlone('SIGTERM')
  await expect(fetch(app.url)).rejects.toThrow()
})

test.each([
  ['no form at all', undefined, 'text/plain'],
  ['no fields', '', 'application/x-www-form-urlencoded'],
  ['a name twice', 'username=user1&username=user1&password=mypassword', 'application/x-www-form-urlencoded'],
  ['lists', 'username[]=user1&password[]=mypassword', 'application/x-www-form-urlencoded'],
  ['__proto__', '__proto__=1&username=constructor&password=mypassword', 'application/x-www-form-urlencoded'],
])('refuses a sign-in with %s', async (_, body, type) => {
  const response = await fetch(`${app.url}/user`, {
    method: 'POST',
    body: body ?? null,
    headers: { 'Content-Type': type },
  })
  expect(response.status).toBe(401)
  expect(await response.text()).toContain('Invalid username or password')
  expect(response.headers.getSetCookie()).toEqual([])
})

test('shows a page, and no secrets, for a form it cannot read', async () => {
  const response = await fetch(`${app.url}/user`, {
    method: 'POST',
    body: `username=${'x'.repeat(200_000)}`,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  })
  expect(response.status).toBe(413)
  const text = await response.text()
  expect(text).toContain('That did not work')
  expect(text).not.toContain('node_modules')
})

async function signIn(): Promise<string> {
  const signedIn = await fetch(`${app.url}/user`, {
    method: 'POST',
    body: new URLSearchParams({ username: 'user1', password: 'mypassword' }),
    redirect: 'manual',
  })
  return signedIn.headers.getSetCookie()[0]?.split(';')[0] ?? ''
}

test('signs in behind a proxy with TLS on this machine', async () => {
  const headers = { Host: 'app.example.com', 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '192.0.2.1' }
  const cookies = await new Promise<string[] | undefined>((resolve, reject) => {
    const form = { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' }
    request(`${app.url}/user`, { method: 'POST', headers: form }, (response) => {
      resolve(response.resume().headers['set-cookie'])
    })
      .once('error', reject)
      .end('username=user1&password=mypassword')
  })
  expect(cookies).toEqual([expect.stringMatching(/^__Host-.*; Secure/)])
})

test('a page asks for itself again, and not at once, while another sign-in replaces its session', async () => {
  const guest = await fetch(`${app.url}/views`)
  const cookie = guest.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  const body = new URLSearchParams({ username: 'user1', password: 'mypassword' })
  await fetch(`${app.url}/user`, { method: 'POST', headers: { cookie }, body, redirect: 'manual' })
  const response = await fetch(`${app.url}/views`, { headers: { cookie }, redirect: 'manual' })
  expect(response.status).toBe(409)
  expect(response.headers.get('refresh')).toBe('1')
  expect(await response.text()).toContain('One moment')
})

test.each(['', '%00', '..', '%F0%9F%98%80', 'a'.repeat(200), 'a&after=b'])(
  'shows the devices, whatever page is asked for: after=%s',
  async (after) => {
    const response = await fetch(`${app.url}/devices?after=${after}`, { headers: { cookie: await signIn() } })
    expect(response.status).toBe(200)
    expect(await response.text()).toContain('<h1>Your devices</h1>')
  },
)

test('lets no cache keep what a signed-in user sees, and every browser keep the style sheet', async () => {
  const cookie = await signIn()
  for (const path of ['/', '/views', '/profile', '/logout', '/examples']) {
    const response = await fetch(app.url + path, { headers: { cookie } })
    expect(response.headers.get('cache-control'), path).toBe('no-store')
    expect(response.headers.get('content-security-policy'), path).toContain("default-src 'none'")
  }
  const style = await fetch(`${app.url}/style.css`, { headers: { cookie } })
  expect(style.headers.get('cache-control')).toContain('max-age=3600')
})

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Example, start, startCommand } from './example.js'

const origin = 'http://localhost:4736'
let folder: string
let command: string
let app: Example | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sojourn-steps-'))
  command = await startCommand('steps')
})
afterEach(async () => {
  await app?.stop()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Starts a step by the command of the README, and lets one browser after the other call it from the page's origin. */
async function startStep(step: string, settings: Record<string, string> = {}): Promise<Example> {
  expect(command).toContain('1-no-session')
  app = await start(command.replace('1-no-session', step), { SESSION_FILE: join(folder, `${step}.db`), ...settings })
  return app
}

/** A browser, as far as a session goes: it keeps the one cookie, and names its page. */
function newBrowser() {
  let cookie: string | undefined
  return async function call(path: string, body?: object, from = origin) {
    const response = await fetch(`${app?.url}/api/${path}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        Origin: from,
        'Sec-Fetch-Site': from === origin ? 'same-site' : 'cross-site',
        ...(body ? { 'Content-Type': 'application/json' } : {}),
        ...(cookie ? { cookie } : {}),
      },
      body: body ? JSON.stringify(body) : null,
    })
    const set = response.headers.getSetCookie()[0]
    if (set) cookie = /Max-Age=0/.test(set) ? undefined : set.split(';')[0]
    return { status: response.status, headers: response.headers, json: await response.json().catch(() => null) }
  }
}

const user = { username: 'user1', password: 'mypassword' }

test('step 1 has one counter for everybody', async () => {
  await startStep('1-no-session')
  const [one, other] = [newBrowser(), newBrowser()]
  expect((await one('views')).json).toEqual({ views: 1 })
  expect((await other('views')).json).toEqual({ views: 2 })
})

test('step 2 has one for each browser, and lets no other origin read it', async () => {
  await startStep('2-sessions')
  const [one, other] = [newBrowser(), newBrowser()]
  await one('views')
  expect((await one('views')).json).toEqual({ views: 2 })
  const answer = await other('views')
  expect(answer.json).toEqual({ views: 1 })
  expect(answer.headers.get('access-control-allow-origin')).toBeNull()
})

test.each(['3-cors', '4-login', '5-store', '6-production'])(
  'step %s lets the page read it, and no other page',
  async (step) => {
    await startStep(step)
    const call = newBrowser()
    const { headers, json } = await call('views', {})
    expect(json).toEqual({ views: 1 })
    expect(headers.get('access-control-allow-origin')).toBe(origin)
    expect(headers.get('access-control-allow-credentials')).toBe('true')
    const foreign = await call('views', {}, 'https://other.test')
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull()
  },
)

test.each(['4-login', '5-store', '6-production'])('step %s signs in and out, and only from its page', async (step) => {
  await startStep(step)
  const call = newBrowser()
  expect((await call('orders')).status).toBe(401)
  const wrong = await call('login', { username: 'user1', password: 'wrong' })
  expect([wrong.status, wrong.json]).toEqual([401, { error: 'Invalid username or password' }])
  expect(wrong.headers.getSetCookie()).toEqual([])
  expect((await call('login', user, 'https://other.test')).status).toBe(403)
  expect((await call('login', user)).json).toEqual({ userId: 'user1' })
  expect((await call('me')).json).toEqual({ userId: 'user1' })
  expect((await call('session')).json).toEqual({
    signedIn: true,
    signedInAt: expect.any(Number),
    expiresIn: expect.any(Number),
  })
  expect((await call('orders')).json).toEqual({ orders: ['The first order of user1'] })
  expect((await call('logout', {}, 'https://other.test')).status).toBe(403)
  expect((await call('logout', {})).status).toBe(200)
  expect((await call('me')).json).toEqual({ userId: null })
  expect((await call('session')).json).toEqual({ signedIn: false, signedInAt: null, expiresIn: null })
})

test.each(['5-store', '6-production'])(
  'step %s keeps everyone signed in over a restart, and counts exactly',
  async (step) => {
    await startStep(step)
    const call = newBrowser()
    await call('login', user)
    await Promise.all(Array.from({ length: 20 }, () => call('views', {})))
    await app?.stop('SIGKILL')
    await startStep(step)
    expect((await call('me')).json).toEqual({ userId: 'user1' })
    expect((await call('views', {})).json).toEqual({ views: 21 })
  },
)

test('step 6 takes its origins from a setting, keeps errors to itself, and ends in good order', async () => {
  const { url } = await startStep('6-production', { ORIGINS: 'https://app.example.com,http://localhost:4736' })
  const call = newBrowser()
  const { headers } = await call('me', undefined, 'https://app.example.com')
  expect(headers.get('access-control-allow-origin')).toBe('https://app.example.com')
  const health = await fetch(`${url}/health`)
  expect([await health.json(), health.headers.getSetCookie()]).toEqual([{ ok: true }, []])
  const broken = await fetch(`${url}/api/login`, {
    method: 'POST',
    body: '{"username":',
    headers: { 'Content-Type': 'application/json' },
  })
  expect(broken.status).toBe(400)
  expect(await broken.text()).not.toContain('node_modules')
  expect((await call('nowhere')).json).toEqual({ error: 'Not found' })
  await call('login', user)
  const mine = await call('me')
  expect(mine.headers.get('cache-control')).toBe('no-store')
})

test('step 6 lets a request end that is under way when it is stopped', async () => {
  const { url, stopAlone } = await startStep('6-production')
  const headers = { 'Content-Type': 'application/json' }
  const login = request(`${url}/api/login`, { method: 'POST', headers, agent: false })
  const answered = once(login, 'response')
  login.write('{"username":"user1",')
  await new Promise((resolve) => setTimeout(resolve, 300))
  const stopped = stopAlone('SIGTERM')
  setTimeout(() => login.end('"password":"mypassword"}'), 3500)
  const [{ statusCode }] = await answered
  expect(statusCode).toBe(200)
  await stopped
})

test.each(['1-no-session', '6-production'])('step %s says so where another still has the port', async (step) => {
  const { port } = await startStep('2-sessions')
  const message = await start(command.replace('1-no-session', step), { PORT: String(port) }).then(
    ({ stop }) => stop().then(() => 'It seemed to start'),
    String,
  )
  expect(message).toContain(`address already in use 127.0.0.1:${port}`)
  expect(message).toContain('ended with code 1')
})

test('the README of the steps gives commands that work', async () => {
  const { port } = await startStep('4-login')
  const readme = await readFile(join(import.meta.dirname, '../../examples/steps/README.md'), 'utf8')
  const commands = /^```sh\n(?<commands>visitor[\s\S]+?)```/m.exec(readme)?.groups?.commands ?? ''
  const separated = commands.replaceAll(/\n(?=visitor )/g, '; echo\n').replaceAll('localhost:3000', `localhost:${port}`)
  const { stdout } = await promisify(execFile)('sh', ['-c', separated], { cwd: folder })
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { views: 1 },
    { views: 2 },
    { userId: 'user1' },
    { orders: ['The first order of user1'] },
    { userId: null },
    { userId: null },
  ])
})

test('the command says which steps there are', async () => {
  const message = await start(command.replace(' 1-no-session', '')).then(String, String)
  expect(message).toContain('steps 1-no-session | steps 2-sessions')
  expect(message).toContain('ended with code 1')
})

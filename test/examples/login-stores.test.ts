import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../harness/describe-with.js'
import { startMemcached } from '../harness/memcached.js'
import { startPostgres } from '../harness/postgres.js'
import { startRedis } from '../harness/redis.js'
import type { Server } from '../harness/server.js'
import { type Example, start } from './example.js'

const startLogin = (store: string) => start('node examples/start.js login', { SESSION_STORE: store })

/** Counts a view as the browser of one visitor, and resolves to what the page says. */
async function countView(app: Example, cookie: string): Promise<[views: string, cookie: string]> {
  const response = await fetch(`${app.url}/views`, { headers: { cookie } })
  const [given = cookie] = response.headers.getSetCookie()
  return [/<strong>(\d+)</.exec(await response.text())?.[1] ?? '', given.replace(/;.*/s, '')]
}

/** Signs in, and resolves to what the page of the devices answers. */
async function visitDevices(app: Example): Promise<[status: number, text: string]> {
  const signedIn = await fetch(`${app.url}/user`, {
    method: 'POST',
    body: new URLSearchParams({ username: 'user1', password: 'mypassword' }),
    redirect: 'manual',
  })
  const cookie = signedIn.headers.getSetCookie()[0]?.replace(/;.*/s, '') ?? ''
  const response = await fetch(`${app.url}/devices`, { headers: { cookie } })
  return [response.status, await response.text()]
}
const cannotList = [501, expect.stringContaining('cannot list them')]

const servers = [
  ['redis', startRedis, '', [200, expect.stringContaining('This device')]],
  ['postgres', startPostgres, '?migrate=true', [200, expect.stringContaining('This device')]],
  ['memcached', startMemcached, '', cannotList],
] as const
for (const [tool, startServer, parameters, devices] of servers) {
  await describeWith([tool], tool, () => {
    let server: Server
    beforeAll(async () => {
      server = await startServer()
    })
    afterAll(() => server.stop())

    test('holds the sessions of the login app where SESSION_STORE says so', async () => {
      const url = `${server.url}${parameters}`
      const first = await startLogin(url)
      const [once, cookie] = await countView(first, '')
      expect(once).toBe('1')
      expect(first.output()).toContain(`Sessions: ${tool}\n`)
      expect(await first.stop()).toBe(0)
      const second = await startLogin(url)
      expect((await countView(second, cookie))[0]).toBe('2')
      expect(await visitDevices(second)).toEqual(devices)
      expect(await second.stop()).toBe(0)
    })
  })
}

await describeWith(['redis'], 'a Redis that may drop any key', () => {
  test('cannot list sessions either, and the page of the devices says so', async () => {
    const server = await startRedis({ own: true, args: ['--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'] })
    onTestFinished(() => server.stop())
    const app = await startLogin(server.url)
    expect(await visitDevices(app)).toEqual(cannotList)
    expect(await app.stop()).toBe(0)
  })
})

test('a store that cannot be opened is an error that says why', async () => {
  const message = await startLogin('redis://user:secret@127.0.0.1:1').then(String, String)
  expect(message).toContain('openStore: the store could not be opened')
  expect(message).toContain('ended with code 1')
  expect(message).not.toContain('secret')
})

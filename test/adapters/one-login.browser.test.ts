import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { createClient } from 'redis'
import { createSessions, type SessionStore } from 'sojourn'
import { memoryStore } from 'sojourn/stores/memory'
import { redisStore } from 'sojourn/stores/redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startChromium } from '../harness/chromium.js'
import { describeWith } from '../harness/describe-with.js'
import { startRedis } from '../harness/redis.js'
import { proxyTo } from './one-login/proxy.js'
import { sites, socketServer } from './one-login/servers.js'

type Site = keyof typeof sites
const names = Object.keys(sites) as Site[]

/** What the pages under test have. */
declare const io: (options: object) => { on(event: string, listener: (value: string) => void): void }

/** What sockets have told a page: who they are for, and with which code they were closed. */
interface Told {
  ws: { user?: string; code?: number }
  socketIo: { user?: string; reason?: string }
}
declare const told: Told

/** The stores of as many servers: one that all share, or a connection of its own for each, as in processes of their own. */
interface Place {
  storeOf(): Promise<SessionStore>
  stop(): Promise<unknown>
}

async function inMemory(): Promise<Place> {
  const store = memoryStore()
  return { storeOf: async () => store, stop: async () => {} }
}

async function inRedis(): Promise<Place> {
  const server = await startRedis()
  const clients: { destroy(): void }[] = []
  return {
    async storeOf() {
      const client = await createClient({ socket: { host: server.host, port: server.port } }).connect()
      clients.push(client)
      return redisStore({ client })
    },
    async stop() {
      for (const client of clients) client.destroy()
      await server.stop()
    },
  }
}

await describeWith(['chromium'], 'one login, servers on one store in memory', () => oneLogin(inMemory))
await describeWith(['chromium', 'redis'], 'one login, servers with a connection to Redis each', () => oneLogin(inRedis))

function oneLogin(begin: () => Promise<Place>): void {
  const stops: (() => unknown)[] = []
  let origin: string
  let browser: Browser

  async function listen(server: Server): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    stops.push(() => {
      server.closeAllConnections()
      server.close()
    })
    return (server.address() as AddressInfo).port
  }

  beforeAll(async () => {
    const place = await begin()
    stops.push(place.stop)
    const ports: Record<string, number> = {}
    for (const [name, make] of Object.entries({ ...sites, sockets: socketServer })) {
      const sessions = createSessions({ store: await place.storeOf() })
      stops.push(() => sessions.close())
      ports[name] = await listen(await make(sessions))
    }
    origin = `http://localhost:${await listen(proxyTo(ports))}`
    browser = await startChromium()
  })
  afterAll(async () => {
    await browser?.close()
    for (const stop of stops.reverse()) await stop()
  })

  async function visit(): Promise<{ context: BrowserContext; page: Page }> {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${origin}/`)
    return { context, page }
  }
  const post = (page: Page, path: string) => page.evaluate((path) => fetch(path, { method: 'POST' }), path)
  const who = async (page: Page) => {
    const answers = names.map((name) => page.evaluate(async (path) => (await fetch(path)).text(), `/${name}/`))
    return [...new Set(await Promise.all(answers))]
  }
  const open = async (page: Page) => {
    await page.addScriptTag({ path: createRequire(import.meta.url).resolve('socket.io-client/dist/socket.io.js') })
    await page.evaluate(() => {
      const told: Told = Object.assign(globalThis, { told: { ws: {}, socketIo: {} } }).told
      const ws = new WebSocket('/sockets/')
      ws.onmessage = ({ data }) => {
        told.ws.user = data
      }
      ws.onclose = ({ code }) => {
        told.ws.code = code
      }
      const socket = io({ path: '/sockets/socket.io/', transports: ['websocket'], reconnection: false })
      socket.on('user', (user) => {
        told.socketIo.user = user
      })
      socket.on('disconnect', (reason) => {
        told.socketIo.reason = reason
      })
    })
  }

  test.each(names.map((name, index) => [name, names[(index + 1) % names.length] as Site] as const))(
    'signed in on %s is signed in on all; logged out on %s is logged out on all, sockets too',
    async (first, last) => {
      const { context, page } = await visit()
      const bystander = await visit()
      await post(bystander.page, `/${last}/login`)
      expect(await who(page)).toEqual(['nobody'])
      await post(page, `/${first}/login`)
      expect(await who(page)).toEqual(['ann'])
      expect(await context.cookies()).toHaveLength(1)

      const other = await context.newPage()
      await other.goto(`${origin}/`)
      for (const tab of [page, other, bystander.page]) {
        await open(tab)
        await tab.waitForFunction(() => told.ws.user !== undefined && told.socketIo.user !== undefined)
        expect(await tab.evaluate(() => told)).toEqual({ ws: { user: 'ann' }, socketIo: { user: 'ann' } })
      }

      await post(page, `/${last}/logout`)
      const closed = () => told.ws.code !== undefined && told.socketIo.reason !== undefined
      await Promise.all(
        [page, other].map((tab) => tab.waitForFunction(closed, undefined, { timeout: 1000, polling: 50 })),
      )
      expect(await other.evaluate(() => [told.ws.code, told.socketIo.reason])).toEqual([4401, 'io server disconnect'])
      expect(await who(page)).toEqual(['nobody'])
      expect(await context.cookies()).toEqual([])

      expect(await who(bystander.page)).toEqual(['ann'])
      expect(await bystander.page.evaluate(() => told.ws.code)).toBeUndefined()
      await Promise.all([context.close(), bystander.context.close()])
    },
  )
}

import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { describeWith } from '../../../test/harness/describe-with.js'
import { startPostgres } from '../../../test/harness/postgres.js'
import { startProxy, type TcpProxy } from '../../../test/harness/proxy.js'
import type { Server } from '../../../test/harness/server.js'
import type { Awaitable } from '../../core/store.js'
import { postgresStore } from '../postgres.js'

type Client = pg.Pool | postgres.Sql

/** As the documents tell an app to make them. */
const clients = {
  pg(url: string) {
    const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: 2000, query_timeout: 2000 })
    pool.on('error', () => {})
    return pool
  },
  postgres: (url: string) =>
    postgres(url, { connect_timeout: 2, fetch_types: false, backoff: () => 0.2, onnotice: () => {} }),
}

/** What `postgres` left unanswered in an outage, it would wait for. */
const close = (client: Client) => ('unsafe' in client ? client.end({ timeout: 1 }) : client.end())

const record = { values: { a: '1' }, userId: null, createdAt: 0, expiresAt: 1000 }

async function isRejected(answer: Awaitable<unknown>): Promise<boolean> {
  try {
    await answer
    return false
  } catch {
    return true
  }
}

/** A proxy that can break the next connection that gets a row (message `D`), right after it. */
async function startBreaking(target: Server) {
  let armed = false
  const proxy = createServer((client) => {
    const upstream = connect({ port: target.port, host: target.host })
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.pipe(upstream)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    upstream.on('data', (bytes) => {
      for (let at = 0; armed && at + 5 <= bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) {
        if (bytes[at] !== 'D'.charCodeAt(0)) continue
        armed = false
        client.end(bytes.subarray(0, at + 1 + bytes.readUInt32BE(at + 1)))
        upstream.destroy()
        return
      }
      client.write(bytes)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const url = new URL(target.url)
  url.port = String((proxy.address() as AddressInfo).port)
  return {
    url: url.href,
    breakAfterRow() {
      armed = true
    },
    stop: () => new Promise((resolve) => proxy.close(resolve)),
  }
}

await describeWith(['postgres'], 'a PostgreSQL that fails', () => {
  let server: Server
  beforeAll(async () => {
    server = await startPostgres({ own: true })
  })
  afterAll(() => server.stop())

  describe.each(Object.keys(clients) as (keyof typeof clients)[])('through %s', (name) => {
    const table = `sojourn_${name}`
    const open = (url: string) => {
      const client = clients[name](url)
      const store = postgresStore({ pool: client, listen: client, table })
      return { client, store }
    }

    test('rejects at once while it is down, and serves again when it is up', async () => {
      const { client, store } = open(server.url)
      await store.migrate()
      await store.create('kept', record)
      const writing = Promise.allSettled(
        Array.from({ length: 50 }, (_, index) => store.patch('kept', { now: 0, set: { [`n${index}`]: '1' } })),
      )
      await server.kill()
      const applied = (await writing).filter((result) => result.status === 'fulfilled').length
      // What a server that was killed leaves behind may answer for a moment.
      await expect.poll(() => isRejected(store.read('kept'))).toBe(true)
      const before = performance.now()
      await expect(store.read('kept')).rejects.toThrow()
      await expect(store.patch('kept', { now: 0, set: { b: '1' } })).rejects.toThrow()
      expect(performance.now() - before).toBeLessThan(2500)
      await server.restart()
      await expect.poll(() => isRejected(store.read('kept')), { timeout: 10_000 }).toBe(false)
      expect(Object.keys((await store.read('kept'))?.values ?? {}).length).toBeGreaterThan(applied)
      await store.delete('kept')
      await close(client)
    })

    test('tells a watcher that it may have missed something, and goes on', async () => {
      const [watching, other] = [open(server.url), open(server.url)]
      await watching.store.migrate()
      const heard: (string | null)[] = []
      const stop = await watching.store.watch?.((id) => heard.push(id))
      await server.kill()
      await sleep(1000)
      await server.restart()
      await expect.poll(() => heard, { timeout: 15_000 }).toEqual([null])
      await expect.poll(() => isRejected(other.store.read('a')), { timeout: 5000 }).toBe(false)
      await other.store.create('a', record)
      await other.store.delete('a')
      await expect.poll(() => heard).toEqual([null, 'a'])
      await stop?.()
      await other.store.create('b', record)
      await other.store.delete('b')
      await server.restart()
      await sleep(500)
      expect(heard).toEqual([null, 'a'])
      await Promise.all([close(watching.client), close(other.client)])
    })

    test('a watcher that cannot begin is told so, and may try again', async () => {
      const { client, store } = open(server.url)
      await server.kill()
      await expect(store.watch?.(() => {})).rejects.toThrow()
      await server.restart()
      const heard: (string | null)[] = []
      const stop = await store.watch?.((id) => heard.push(id))
      await store.create('a', record)
      await store.delete('a')
      await expect.poll(() => heard).toEqual(['a'])
      await stop?.()
      await close(client)
    })
  })

  test.each(Object.keys(clients) as (keyof typeof clients)[])(
    '%s: a connection that breaks in the middle of an answer spoils no later one',
    async (name) => {
      const breaking = await startBreaking(server)
      const client = clients[name](breaking.url)
      const store = postgresStore({ pool: client, table: 'halves' })
      await store.migrate()
      await store.create('a', record)
      for (let round = 0; round < 8; round++) {
        breaking.breakAfterRow()
        await expect.poll(() => isRejected(store.read('a'))).toBe(true)
        const read = async () => expect(await store.read('a')).toEqual(record)
        await expect.poll(() => isRejected(store.list?.({ limit: 1 })), { timeout: 10_000 }).toBe(false)
        await Promise.all(Array.from({ length: 12 }, read))
      }
      await close(client)
      await breaking.stop()
    },
  )

  describe('behind a network that goes silent', () => {
    let proxy: TcpProxy
    beforeAll(async () => {
      proxy = await startProxy(server)
    })
    afterAll(() => proxy.stop())

    test('a pool with a time limit is free again when the network is back', async () => {
      const pool = clients.pg(proxy.url)
      const store = postgresStore({ pool, table: 'silent' })
      await store.migrate()
      await store.create('a', record)
      proxy.stall()
      const stuck = await Promise.allSettled(Array.from({ length: 30 }, () => store.read('a')))
      expect(stuck.filter((result) => result.status === 'fulfilled')).toEqual([])
      proxy.restore()
      expect(await store.read('a')).toEqual(record)
      await close(pool)
    })

    test('a connection that listens is given up when it does not answer', async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      const pool = clients.pg(proxy.url)
      const direct = clients.pg(server.url)
      const store = postgresStore({ pool, listen: pool, table: 'silent' })
      const other = postgresStore({ pool: direct, listen: direct, table: 'silent' })
      await store.migrate()
      const heard: (string | null)[] = []
      const stop = await store.watch?.((id) => heard.push(id))
      vi.advanceTimersByTime(30_000)
      await sleep(100)
      vi.advanceTimersByTime(30_000)
      await sleep(100)
      expect(heard).toEqual([])
      proxy.stall()
      vi.advanceTimersByTime(60_000)
      await other.create('missed', record)
      await other.delete('missed')
      await sleep(100)
      expect(heard).toEqual([])
      proxy.restore()
      await expect.poll(() => heard, { timeout: 10_000 }).toEqual([null])
      await other.create('b', record)
      await other.delete('b')
      await expect.poll(() => heard).toEqual([null, 'b'])
      await stop?.()
      vi.useRealTimers()
      await Promise.all([close(pool), close(direct)])
    })
  })
})

import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import { Client } from 'pg'
import { createClient } from 'redis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startChromium } from './chromium.js'
import { describeWith } from './describe-with.js'
import { startMariadb } from './mariadb.js'
import { startMemcached } from './memcached.js'
import { startPostgres } from './postgres.js'
import { startProxy, type TcpProxy } from './proxy.js'
import { startRedis, startRedisCluster, startRedisSentinel, startValkey } from './redis.js'
import { expectReply } from './text-protocol.js'

await describeWith(['chromium'], 'Chromium', () => {
  test('opens a page', async () => {
    const browser = await startChromium()
    const page = await browser.newPage()
    await page.setContent('<title>Sojourn</title>')
    expect(await page.title()).toBe('Sojourn')
    await browser.close()
  })
})

await describeWith(['redis'], 'Redis', () => {
  test('keeps its port and what it held over a crash, and is gone after it was stopped', async () => {
    const redis = await startRedis({ own: true, durable: true })
    const { pid } = redis
    const client = createClient({ url: redis.url })
    client.on('error', () => {})
    await client.connect()
    await client.set('a', '1')
    await redis.kill()
    expect(redis.pid).toBeUndefined()
    await redis.restart()
    expect(redis.pid).not.toBe(pid)
    expect(await client.get('a')).toBe('1')
    client.destroy()
    const last = redis.pid
    await redis.stop()
    expect(existsSync(`/proc/${last}`)).toBe(false)
  })

  test('forms a cluster', async () => {
    const cluster = await startRedisCluster()
    expect(cluster.nodes).toHaveLength(3)
    await cluster.stop()
  })

  test('forms a primary and a replica under three sentinels', async () => {
    const watched = await startRedisSentinel()
    expect(watched.sentinels).toHaveLength(3)
    await watched.stop()
  })
})

await describeWith(['postgres'], 'PostgreSQL', () => {
  test('keeps its port and what it held over a crash', async () => {
    const postgres = await startPostgres({ own: true })
    const query = async (text: string) => {
      const client = new Client({ connectionString: postgres.url })
      client.on('error', () => {})
      await client.connect()
      const { rows } = await client.query(text)
      await client.end()
      return rows
    }
    await query('CREATE TABLE t AS SELECT 1 AS a')
    await postgres.kill()
    await postgres.restart()
    expect(await query('SELECT a FROM t')).toEqual([{ a: 1 }])
    await postgres.stop()
  })
})

await describeWith(['mariadb'], 'MariaDB', () => {
  test('keeps its port and what it held over a crash', async () => {
    const mariadb = await startMariadb({ own: true })
    const query = async (text: string) => {
      const connection = await createConnection(mariadb.url)
      const [rows] = await connection.query(text)
      await connection.end()
      return rows
    }
    await query('CREATE TABLE t AS SELECT 1 AS a')
    await mariadb.kill()
    await mariadb.restart()
    expect(await query('SELECT a FROM t')).toEqual([{ a: 1 }])
    await mariadb.stop()
  })
})

await describeWith(['valkey'], 'Valkey', () => {
  test('answers', async () => {
    const valkey = await startValkey()
    await expectReply(valkey.port, 'INFO server', /valkey_version:/)
    await valkey.stop()
  })
})

await describeWith(['memcached'], 'Memcached', () => {
  test('answers directly and through a proxy, until that is cut', async () => {
    const memcached = await startMemcached()
    const proxy = await startProxy(memcached)
    await expectReply(memcached.port, 'version', /^VERSION/)
    await expectReply(proxy.port, 'version', /^VERSION/)
    proxy.cut()
    await expect(expectReply(proxy.port, 'version', /^VERSION/)).rejects.toThrow()
    proxy.restore()
    await expectReply(proxy.port, 'version', /^VERSION/)
    await proxy.stop()
    await memcached.stop()
  })
})

describe('A proxy', () => {
  let echo: Echo
  let proxy: TcpProxy
  let client: Socket
  let received: string
  beforeEach(async () => {
    echo = await startEcho()
    proxy = await startProxy(echo)
    received = ''
    client = connect(proxy.port, proxy.host)
    client.on('error', () => {})
    client.on('data', (text) => {
      received += text
    })
    client.write('a')
    await expect.poll(() => received).toBe('a')
  })
  afterEach(async () => {
    client.destroy()
    await proxy.stop()
    await echo.stop()
  })

  test('delays', async () => {
    proxy.delay(60)
    const start = performance.now()
    client.write('b')
    await expect.poll(() => received).toBe('ab')
    expect(performance.now() - start).toBeGreaterThan(115)
  })

  test('holds bytes while it stalls and passes them on, in order, when all is well again', async () => {
    proxy.stall()
    client.write('b')
    await sleep(50)
    client.write('c')
    expect(echo.heard).toBe('a')
    proxy.restore()
    await expect.poll(() => received).toBe('abc')
  })

  test('loses replies to what the server heard', async () => {
    proxy.dropReplies()
    client.write('b')
    await expect.poll(() => echo.heard).toBe('ab')
    await sleep(20)
    expect(received).toBe('a')
  })

  test('leaves open connections without an answer for good, and serves new ones', async () => {
    proxy.strand()
    client.write('b')
    const other = connect(proxy.port, proxy.host)
    const heard = new Promise((resolve) => other.once('data', (bytes) => resolve(String(bytes))))
    other.write('c')
    expect(await heard).toBe('c')
    proxy.restore()
    other.write('d')
    await new Promise((resolve) => other.once('data', resolve))
    expect([received, client.destroyed]).toEqual(['a', false])
    other.destroy()
  })

  test('breaks connections, and each new one', async () => {
    const closed = once(client, 'close')
    proxy.cut()
    await closed
    const next = connect(proxy.port, proxy.host)
    next.on('error', () => {})
    await once(next, 'close')
    expect(proxy.connections).toBe(0)
  })
})

interface Echo {
  url: string
  host: string
  port: number
  heard: string
  stop(): Promise<void>
}

async function startEcho(): Promise<Echo> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      echo.heard += bytes
      socket.write(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = (server.address() as AddressInfo).port
  const stop = () => new Promise<void>((resolve) => server.close(() => resolve()))
  const echo: Echo = { url: `tcp://127.0.0.1:${port}`, host: '127.0.0.1', port, heard: '', stop }
  return echo
}

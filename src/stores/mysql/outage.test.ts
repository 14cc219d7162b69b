import { createPool, type Pool } from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../../test/harness/describe-with.js'
import { startMariadb } from '../../../test/harness/mariadb.js'
import { startProxy } from '../../../test/harness/proxy.js'
import type { Server } from '../../../test/harness/server.js'
import { mysqlStore } from '../mysql.js'

const record = { values: { a: '1' }, userId: null, createdAt: 0, expiresAt: 1000 }

await describeWith(['mariadb'], 'a MariaDB that fails', () => {
  let server: Server
  const open: Pool[] = []
  const storeAt = async (uri: string) => {
    const pool = createPool({ uri, connectTimeout: 2000 })
    open.push(pool)
    const store = mysqlStore({ pool })
    await store.migrate()
    return store
  }
  beforeAll(async () => {
    // The harness has it lose the last second when it is killed, unless told so.
    server = await startMariadb({ own: true, args: ['--innodb-flush-log-at-trx-commit=2'] })
  })
  afterAll(async () => {
    await Promise.all(open.map((pool) => pool.end().catch(() => {})))
    await server.stop()
  })

  test('rejects at once while it is down, and serves again when it is up', async () => {
    const store = await storeAt(server.url)
    await store.create('kept', record)
    const writing = Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => store.patch('kept', { now: 0, set: { [`n${index}`]: '1' } })),
    )
    await server.kill()
    const applied = (await writing).filter((result) => result.status === 'fulfilled').length
    const before = performance.now()
    await expect(store.read('kept')).rejects.toThrow()
    await expect(store.patch('kept', { now: 0, set: { b: '1' } })).rejects.toThrow()
    expect(performance.now() - before).toBeLessThan(500)
    await server.restart()
    const kept = await store.read('kept')
    expect(Object.keys(kept?.values ?? {}).length).toBeGreaterThan(applied)
    expect(await store.patch('kept', { now: 0, set: { b: '1' } })).toBe('applied')
  })

  test('a server that was restarted while nobody asked is not noticed', async () => {
    const store = await storeAt(server.url)
    await Promise.all(Array.from({ length: 10 }, () => store.read('kept')))
    await server.restart()
    await expect.poll(() => isRead(store.read('kept'))).toBe(true)
    expect(await Promise.all(Array.from({ length: 10 }, () => isRead(store.read('kept'))))).not.toContain(false)
  })

  test('a network that breaks, or goes silent, and comes back', async () => {
    const proxy = await startProxy(server)
    const store = await storeAt(proxy.url)
    await store.delete('a')
    await store.create('a', record)
    proxy.cut()
    await expect(store.read('a')).rejects.toThrow()
    proxy.restore()
    expect(await store.read('a')).toEqual(record)
    proxy.stall()
    const silent = Promise.all(Array.from({ length: 20 }, () => store.read('a')))
    await expect(Promise.race([silent, new Promise((resolve) => setTimeout(resolve, 300, 'silent'))])).resolves.toBe(
      'silent',
    )
    proxy.restore()
    expect(await silent).toEqual(Array(20).fill(record))
    await proxy.stop()
  })
})

async function isRead(answer: PromiseLike<unknown> | unknown): Promise<boolean> {
  try {
    return (await answer) !== null
  } catch {
    return false
  }
}

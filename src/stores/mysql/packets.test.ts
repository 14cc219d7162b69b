import { createPool, type Pool } from 'mysql2/promise'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../../test/harness/describe-with.js'
import { startMariadb } from '../../../test/harness/mariadb.js'
import type { Server } from '../../../test/harness/server.js'
import type { SessionRecord } from '../../core/store.js'
import { mysqlStore } from '../mysql.js'

const record = (values: Record<string, string>): SessionRecord => ({
  values,
  userId: null,
  createdAt: 0,
  expiresAt: 1000,
})

await describeWith(['mariadb'], 'a MySQL that takes small packets', () => {
  let server: Server
  let pool: Pool
  beforeAll(async () => {
    server = await startMariadb({ own: true, args: ['--max-allowed-packet=1M', '--sql-mode='] })
    pool = createPool({ uri: server.url, connectionLimit: 4 })
  })
  afterAll(async () => {
    await pool.end()
    await server.stop()
  })

  test('refuses a value that is too large whole, and goes on', async () => {
    const store = mysqlStore({ pool })
    await store.migrate()
    await store.create('a', record({ a: '1' }))
    for (const size of [600_000, 2_000_000, 20_000_000]) {
      const large = JSON.stringify('x'.repeat(size))
      const refusal = { code: 'record_too_large', message: expect.stringContaining('max_allowed_packet') }
      await expect(store.patch('a', { now: 0, set: { large } })).rejects.toMatchObject(refusal)
      await expect(store.create('b', record({ large }))).rejects.toMatchObject(refusal)
      expect(await store.read('a')).toEqual(record({ a: '1' }))
      expect(await store.read('b')).toBeNull()
    }
  })

  test('gives back whole what grew beyond a packet by and by', async () => {
    const store = mysqlStore({ pool })
    await store.migrate()
    await store.create('c', record({}))
    const values: Record<string, string> = {}
    for (let index = 0; index < 8; index++) {
      values[`n${index}`] = JSON.stringify(`${index}`.repeat(300_000))
      const set = { [`n${index}`]: values[`n${index}`] as string }
      expect(await store.patch('c', { now: 0, set, when: { absent: null } })).toBe('applied')
    }
    const read = (await store.read('c'))?.values ?? {}
    expect(Object.keys(read)).toEqual(Object.keys(values))
    expect(Object.entries(values).every(([name, text]) => read[name] === text)).toBe(true)
  })
})

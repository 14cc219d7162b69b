import { createPool as createCallbackPool } from 'mysql2'
import { createPool, type Pool, type PoolOptions } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../../test/harness/describe-with.js'
import { startMariadb } from '../../test/harness/mariadb.js'
import type { Server } from '../../test/harness/server.js'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { storeChecks } from '../conformance/store.js'
import type { SessionRecord } from '../core/store.js'
import { type MysqlPool, type MysqlStoreOptions, mysqlStore } from './mysql.js'

const never = { query: async () => [[]] }

test.each([
  [undefined, '"pool" must be a pool'],
  [{}, '"pool" must be a pool'],
  [{ pool: 'mysql://localhost' }, '"pool" must be a pool'],
  [{ pool: { ...never, promise() {} } }, '"pool" must be a pool of promises'],
  [{ pool: never, client: never }, '"client" is not an option; there are "pool" and "table"'],
  [{ pool: never, table: '' }, '"table" must be'],
  [{ pool: never, table: 'a`; DROP TABLE users; --' }, '"table" must be'],
  [{ pool: never, table: 'a.b.c' }, '"table" must be'],
  [{ pool: never, table: 'a'.repeat(65) }, '"table" must be'],
])('refuses the options %j', (given, message) => {
  expect(() => mysqlStore(given as unknown as MysqlStoreOptions)).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
  )
})

test('refuses one connection, which does not come back', () => {
  const connection = { ...never, beginTransaction() {} }
  expect(() => mysqlStore({ pool: connection as unknown as MysqlPool })).toThrow('one connection does not come back')
})

test('tells the pool of callbacks from the one of promises', async () => {
  const pool = createCallbackPool({ host: '127.0.0.1', port: 1 })
  expect(() => mysqlStore({ pool: pool as unknown as MysqlPool })).toThrow('pool of promises')
  mysqlStore({ pool: pool.promise() })
  await pool.promise().end()
})

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  values: { a: '1' },
  userId: null,
  createdAt: 0,
  expiresAt: 1000,
  ...change,
})

/** MariaDB, unless `MYSQL_URL` names a MySQL. */
await describeWith(['mariadb'], 'MySQL and MariaDB', () => {
  let server: Server
  let pool: Pool
  const open: Pool[] = []
  const poolWith = (options: PoolOptions = {}, ...statements: string[]) => {
    const made = createPool({ uri: server.url, connectionLimit: 8, ...options })
    for (const statement of statements) made.on('connection', (connection) => connection.query(statement))
    open.push(made)
    return made
  }
  const tables: string[] = []
  /** A store over a table of its own. */
  const storeOver = async (client: Pool) => {
    const table = `sojourn_test_${process.pid}_${tables.length}`
    tables.push(table)
    const store = mysqlStore({ pool: client, table })
    await store.migrate()
    return { store, table }
  }

  beforeAll(async () => {
    server = await startMariadb({ own: !process.env.MYSQL_URL })
    pool = poolWith()
  })
  afterAll(async () => {
    for (const table of tables) await pool.query(`DROP TABLE IF EXISTS ${table}`)
    await Promise.all(open.map((each) => each.end()))
    await server.stop()
  })

  function passesTheChecks(makePool: () => Pool): void {
    let made: Pool
    beforeAll(() => {
      made = makePool()
    })
    const checks = storeChecks({
      async makeStore({ name: table, after }) {
        const store = mysqlStore({ pool: made, table })
        await store.migrate()
        after(() => pool.query(`DROP TABLE IF EXISTS ${table}`))
        return store
      },
      methods: ['list', 'sweep'],
    })
    for (const { name, run } of checks) test(name, run)
  }

  describe('through mysql2', () => passesTheChecks(() => pool))

  describe('with every setting of the connection against it', () => {
    passesTheChecks(() =>
      poolWith(
        {
          charset: 'latin1',
          flags: ['-FOUND_ROWS'],
          typeCast: false,
          supportBigNumbers: true,
          bigNumberStrings: true,
          namedPlaceholders: true,
          stringifyObjects: true,
        },
        `SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'`,
        'SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE',
      ),
    )
  })

  test('a limit of rows that the connection has does not make sessions of one turn look gone', async () => {
    const { store } = await storeOver(poolWith({}, 'SET SESSION sql_select_limit = 1'))
    const ids = ['a', 'b', 'c']
    for (const id of ids) await store.create(id, record())
    expect(await Promise.all(ids.map((id) => store.read(id)))).toEqual(ids.map(() => record()))
  })

  describe('with a pool that makes of columns and rows what it likes', () => {
    passesTheChecks(() =>
      poolWith({
        typeCast: (field: { string(): string | null }) => field.string()?.toUpperCase(),
        nestTables: true,
        rowsAsArray: true,
        dateStrings: true,
        decimalNumbers: true,
      } as PoolOptions),
    )
  })

  test('connections that do not commit by themselves are refused', async () => {
    const uncommitted = poolWith({ connectionLimit: 1 }, 'SET SESSION autocommit = 0')
    const refused = { code: 'store_misconfigured', message: expect.stringContaining('autocommit') }
    await expect(mysqlStore({ pool: uncommitted, table: 'uncommitted' }).migrate()).rejects.toMatchObject(refused)
    const { store, table } = await storeOver(pool)
    await store.create('a', record())
    // What is not taken back would hold up the removal of the table.
    onTestFinished(() => void uncommitted.query('ROLLBACK'))
    const careless = mysqlStore({ pool: uncommitted, table })
    await expect(careless.create('b', record())).rejects.toMatchObject(refused)
    await expect(careless.patch('a', { now: 0, set: { a: '2' } })).rejects.toMatchObject(refused)
    await expect(careless.delete('a')).rejects.toMatchObject(refused)
  })

  describe('where a row that changed meanwhile is an error', () => {
    passesTheChecks(() => poolWith({}, 'SET /*M! SESSION innodb_snapshot_isolation = ON, */ @mysql = 1'))
  })

  test('any sequence of calls answers as the model does', async () => {
    const { store, table } = await storeOver(pool)
    await expectLikeTheModel(async () => {
      await pool.query(`DELETE FROM ${table}`)
      return store
    }, 100)
  })

  test('reads at the same time are one statement, and each gets what is its own', async () => {
    const { store: writer, table } = await storeOver(pool)
    let statements = 0
    const counted: MysqlPool = {
      query(statement) {
        statements++
        return pool.query(statement)
      },
    }
    const store = mysqlStore({ pool: counted, table })
    const ids = ['a', 'b', '-', '_', 'aa']
    for (const id of ids) await writer.create(id, record({ userId: id }))
    const [absent, twice, ...found] = await Promise.all(['absent', 'a', ...ids].map((id) => store.read(id)))
    expect(found).toEqual(ids.map((id) => record({ userId: id })))
    expect([absent, twice]).toEqual([null, record({ userId: 'a' })])
    expect(twice).not.toBe(found[0])
    expect(statements).toBe(1)
  })

  test('removals and changes go together, in whatever order the names were written', async () => {
    const { store } = await storeOver(pool)
    const names = ['a', 'b', 'c', 'd']
    let id = 0
    for (const first of names) {
      for (const second of names) {
        for (const third of names) {
          const values = Object.fromEntries([third, second, first].map((name) => [name, '0']))
          const set = Object.fromEntries([second].map((name) => [name, '1']))
          const unset = [third, first].filter((name) => name !== second)
          await store.create(`${++id}`, record({ values }))
          expect(await store.patch(`${id}`, { now: 0, set, unset, when: { [second]: '0' } })).toBe('applied')
          expect(await store.read(`${id}`), `${third}${second}${first}`).toMatchObject({ values: set })
          expect(Object.keys((await store.read(`${id}`))?.values ?? {})).toEqual([second])
        }
      }
    }
  })

  test('a statement that the server took back is sent again', async () => {
    const { table } = await storeOver(pool)
    let refusals = 5
    const deadlocked: MysqlPool = {
      async query(statement) {
        if (refusals-- > 0) throw Object.assign(new Error('Deadlock found'), { errno: 1213 })
        return pool.query(statement)
      },
    }
    const store = mysqlStore({ pool: deadlocked, table })
    expect(await store.create('a', record())).toBe(true)
    refusals = Number.POSITIVE_INFINITY
    await expect(store.read('a')).rejects.toThrow('Deadlock found')
  })

  test('writers, endings and sweeps at once neither fail nor lose', async () => {
    const { store } = await storeOver(pool)
    const ids = Array.from({ length: 60 }, (_, index) => `id-${index}`)
    for (const [index, id] of ids.entries()) await store.create(id, record({ expiresAt: index % 2 ? 10 : 1000 }))
    const sweeps: number[] = []
    const ended: boolean[] = []
    await Promise.all([
      ...[1, 2, 3, 4].map(async () => {
        for (let round = 0; round < 10; round++) sweeps.push((await store.sweep?.(10, 5)) ?? 0)
      }),
      ...ids.map(async (id, index) => {
        for (let round = 0; round < 5; round++) {
          const outcome = await store.patch(id, {
            now: 5,
            set: { [`n${round}`]: '1' },
            expiresAt: index % 2 ? 10 : 1001,
          })
          if (index % 2 === 0) expect(outcome).toBe('applied')
        }
        if (index % 4 === 1) ended.push(await store.delete(id))
      }),
    ])
    sweeps.push((await store.sweep?.(10, 100)) ?? 0)
    // An ending may find its session swept already; what neither took is gone likewise.
    const total = sweeps.reduce((sum, count) => sum + count, ended.filter((found) => found).length)
    expect(total).toBe(30)
    expect((await store.list?.({ limit: 100 }))?.map(([, { values }]) => Object.keys(values).length)).toEqual(
      Array(30).fill(6),
    )
  })

  describe('a sweep', () => {
    test('that has to wait holds up nobody who lives', async () => {
      const { store, table } = await storeOver(pool)
      for (const [id, expiresAt] of Object.entries({ a: 1, b: 2, c: 3, d: 100, e: 101 })) {
        await store.create(id, record({ expiresAt }))
      }
      const holder = await pool.getConnection()
      try {
        await holder.query(`BEGIN`)
        await holder.query(`UPDATE ${table} SET rev = rev + 1 WHERE id = 'c'`)
        const sweeping = store.sweep?.(3, 10)
        expect(await store.patch('d', { now: 50, expiresAt: 200, set: { a: '2' } })).toBe('applied')
        expect(await store.create('f', record({ expiresAt: 4 }))).toBe(true)
        expect(await store.create('bb', record({ expiresAt: 99 }))).toBe(true)
        expect(await store.delete('e')).toBe(true)
        await holder.query('COMMIT')
        expect(await sweeping).toBe(3)
      } finally {
        holder.release()
      }
    })

    test('finds what expired by an index', async () => {
      const { table } = await storeOver(pool)
      const [rows] = await pool.query(
        `EXPLAIN SELECT id FROM ${table} WHERE expires_at <= 5 ORDER BY expires_at LIMIT 5`,
      )
      expect(rows).toMatchObject([{ key: 'by_expiry' }])
    })
  })

  describe('the table', () => {
    const reading = (table: string, client: Pool = pool) => mysqlStore({ pool: client, table }).read('a')

    test('when it is missing, the error says what to run', async () => {
      await expect(reading('nowhere')).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringMatching(/`nowhere`.*await store\.migrate\(\)/),
        cause: { errno: 1146 },
      })
      await expect(mysqlStore({ pool, table: 'no_database.sessions' }).migrate()).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringContaining('CREATE DATABASE'),
      })
      const withoutDatabase = poolWith({ uri: server.url.replace(/[^/]*$/, '') })
      await expect(mysqlStore({ pool: withoutDatabase }).migrate()).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringContaining('no database is said'),
      })
    })

    test('is made once, however many processes start at the same time', async () => {
      for (let round = 0; round < 3; round++) {
        const stores = Array.from({ length: 8 }, () => mysqlStore({ pool, table: `started_together_${round}` }))
        await Promise.all(stores.map((store) => store.migrate()))
        expect(await stores[0]?.read('a')).toBeNull()
        await pool.query(`DROP TABLE started_together_${round}`)
      }
    })

    test('stays as it is when it is there, with its sessions, and can be made by its SQL', async () => {
      const store = mysqlStore({ pool, table: 'order' })
      await pool.query(store.schema)
      await store.create('a', record())
      await store.migrate()
      expect(await store.read('a')).toEqual(record())
      await pool.query('DROP TABLE `order`')
    })

    test('is given the indexes that it lacks, once, and keeps its sessions', async () => {
      const { store, table } = await storeOver(pool)
      await store.create('a', record())
      await pool.query(`ALTER TABLE ${table} DROP INDEX by_user, DROP INDEX by_expiry`)
      await Promise.all(Array.from({ length: 8 }, () => store.migrate()))
      const [found] = await pool.query({ sql: `SHOW INDEX FROM ${table}`, rowsAsArray: true })
      const names = (found as unknown[][]).map((row) => row[2])
      expect(names.sort()).toEqual(['PRIMARY', 'by_expiry', 'by_user', 'by_user'])
      expect(await store.read('a')).toEqual(record())
    })

    test('whose texts compare by another collation still tells values byte for byte', async () => {
      const { store, table } = await storeOver(pool)
      await store.create('a', record({ values: { a: '"Straße"' } }))
      await pool.query(`ALTER TABLE ${table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
      for (const other of ['"straße"', '"Strasse"', '"Straße "']) {
        expect(await store.patch('a', { now: 0, set: { b: '1' }, when: { a: other } }), other).toBe('conflict')
      }
      expect(await store.patch('a', { now: 0, set: { a: '"straße"' }, when: { a: '"Straße"', b: null } })).toBe(
        'applied',
      )
      expect(await store.read('a')).toEqual(record({ values: { a: '"straße"' } }))
    })

    test('of another program is refused', async () => {
      await pool.query('CREATE TABLE IF NOT EXISTS orders (id INT, total BIGINT)')
      const store = mysqlStore({ pool, table: 'orders' })
      const refusal = { code: 'store_misconfigured', message: expect.stringContaining('`orders` lacks a column') }
      await expect(store.migrate()).rejects.toMatchObject(refusal)
      await expect(store.read('a')).rejects.toMatchObject(refusal)
      await pool.query('DROP TABLE orders')
    })

    const columns = {
      id: 'VARBINARY(128) NOT NULL PRIMARY KEY',
      user_id: 'VARBINARY(512)',
      created_at: 'BIGINT',
      expires_at: 'BIGINT',
      rev: 'BIGINT DEFAULT 0',
      data: 'JSON',
    }
    const byHand = async (change: Partial<typeof columns>) => {
      const made = Object.entries({ ...columns, ...change }).map((column) => column.join(' '))
      await pool.query('DROP TABLE IF EXISTS by_guess')
      await pool.query(`CREATE TABLE by_guess (${made})`)
      return mysqlStore({ pool, table: 'by_guess' })
    }
    test.each<[change: Partial<typeof columns>, ...errno: number[]]>([
      [{ user_id: 'VARBINARY(512) NOT NULL' }, 1048],
      [{ created_at: 'INT', expires_at: 'INT' }, 1264],
      [{ created_at: 'DATETIME', expires_at: 'DATETIME' }, 1292],
      [{ rev: 'BIGINT NOT NULL' }, 1364],
      [{ id: 'INT PRIMARY KEY' }, 1366],
      [{ id: 'VARBINARY(10) PRIMARY KEY' }, 1406],
      [{ user_id: 'VARBINARY(128), FOREIGN KEY (user_id) REFERENCES by_guess (id)' }, 1452],
      [{ user_id: "VARBINARY(512) CHECK (user_id <> 'ada')" }, 4025, 3819],
    ])('made by hand otherwise, with %j, is refused', async (change, ...errno) => {
      const store = await byHand(change)
      const using = async () => {
        await store.create('an id of twenty-four', record({ userId: null, expiresAt: Date.now() }))
        await store.create('another', record({ userId: 'ada' }))
      }
      await expect(using()).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringContaining('`by_guess` is not as `store.schema` makes it'),
        cause: { errno: expect.toBeOneOf(errno) },
      })
      await pool.query('DROP TABLE by_guess')
    })

    test.each([
      'VARBINARY(128)',
      'VARBINARY(128) NOT NULL, pk BIGINT AUTO_INCREMENT PRIMARY KEY',
      'VARBINARY(128), PRIMARY KEY (id, created_at)',
      'VARBINARY(128), UNIQUE (id(10))',
      'VARBINARY(128), INDEX (id)',
    ])('made by hand so that an id can be there twice, with id %s, is refused by migrate()', async (id) => {
      const store = await byHand({ id })
      await expect(store.migrate()).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringContaining('no key keeps `id` unique'),
      })
      await pool.query('DROP TABLE by_guess')
    })

    test.each(['VARBINARY(128) NOT NULL UNIQUE', 'VARBINARY(128) UNIQUE, pk BIGINT AUTO_INCREMENT PRIMARY KEY'])(
      'made by hand so that an id is there once, with id %s, is taken',
      async (id) => {
        const store = await byHand({ id })
        await store.migrate()
        expect(await store.create('a', record())).toBe(true)
        expect(await store.create('a', record())).toBe(false)
        await pool.query('DROP TABLE by_guess')
      },
    )

    test('needs four rights, and nothing more to use it', async () => {
      const { table } = await storeOver(pool)
      await pool.query(`DROP USER IF EXISTS 'app'@'%'`)
      await pool.query(`CREATE USER 'app'@'%' IDENTIFIED BY 'secret'`)
      await pool.query(`GRANT USAGE ON *.* TO 'app'@'%'`)
      const qualified = `${new URL(server.url).pathname.slice(1)}.${table}`
      const restricted = poolWith({ user: 'app', password: 'secret', database: '' })
      const store = mysqlStore({ pool: restricted, table: qualified })
      await expect(store.read('a')).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringContaining('SELECT, INSERT, UPDATE and DELETE'),
      })
      await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${qualified} TO 'app'@'%'`)
      await store.create('a', record())
      expect(await store.patch('a', { now: 0, set: { a: '2' }, when: { b: null } })).toBe('applied')
      expect(await store.sweep?.(1000, 10)).toBe(1)
      expect(await store.delete('a')).toBe(false)
      await pool.query(`DROP USER 'app'@'%'`)
    })
  })

  test('a user id that does not fit is refused', async () => {
    const { store } = await storeOver(pool)
    await expect(store.create('a', record({ userId: 'x'.repeat(513) }))).rejects.toMatchObject({
      code: 'record_too_large',
    })
  })
})

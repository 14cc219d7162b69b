import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../../test/harness/describe-with.js'
import { startPgBouncer } from '../../test/harness/pgbouncer.js'
import { startPostgres } from '../../test/harness/postgres.js'
import type { Server } from '../../test/harness/server.js'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { storeChecks } from '../conformance/store.js'
import type { SessionRecord } from '../core/store.js'
import {
  type PostgresClient,
  type PostgresListener,
  type PostgresPool,
  type PostgresStoreOptions,
  postgresStore,
} from './postgres.js'

const never = { query: async () => ({ rows: [], rowCount: 0 }) }

test.each([
  [undefined, '"pool" must be'],
  [{}, '"pool" must be'],
  [{ pool: 'postgres://localhost' }, '"pool" must be'],
  [{ pool: never, listen: never }, '"listen" must be'],
  [{ pool: never, client: never }, '"client" is not an option; there are "pool", "table" and "listen"'],
  [{ pool: never, table: '' }, '"table" must be'],
  [{ pool: never, table: 'a"; DROP TABLE users; --' }, '"table" must be'],
  [{ pool: never, table: 'a.b.c' }, '"table" must be'],
  [{ pool: never, table: 'a'.repeat(49) }, '"table" must be'],
])('refuses the options %j', (given, message) => {
  expect(() => postgresStore(given as unknown as PostgresStoreOptions)).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
  )
})

test('one connection is refused, which does not come back', () => {
  const client = new pg.Client() as unknown as pg.Pool
  expect(() => postgresStore({ pool: client })).toThrow('"pool" must be a Pool of pg: a Client does not come back')
  expect(() => postgresStore({ pool: never, listen: client })).toThrow(
    '"listen" must be a Pool of pg: a Client does not',
  )
})

test('a pool of one connection is refused where it is to listen as well: nothing would be left for the sessions', () => {
  const [one, two] = [1, 2].map((max) => new pg.Pool({ max })) as [pg.Pool, pg.Pool]
  expect(() => postgresStore({ pool: one, listen: one })).toThrow(
    expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining('"pool" a max of 2 or more') }),
  )
  expect(postgresStore({ pool: two, listen: two })).toHaveProperty('watch')
  expect(postgresStore({ pool: one, listen: two })).toHaveProperty('watch')
  expect(postgresStore({ pool: one, listen: new pg.Pool({ max: 1 }) })).toHaveProperty('watch')
  expect(postgresStore({ pool: one })).not.toHaveProperty('watch')
  // It listens over a connection beside its pool.
  const sql = postgres({ max: 1 })
  expect(postgresStore({ pool: sql, listen: sql })).toHaveProperty('watch')
})

test('a pool that does not count rows is refused, before a write that was made is taken for none', async () => {
  const uncounted = { query: async () => ({ rows: [] }) } as unknown as PostgresPool
  const refusal = { code: 'store_misconfigured', message: expect.stringContaining('"rowCount"') }
  await expect(postgresStore({ pool: uncounted }).delete('a')).rejects.toMatchObject(refusal)
})

test('has `watch`, and `close` to end it, only where it is given what that takes', () => {
  const store = postgresStore({ pool: never })
  expect(store).not.toHaveProperty('watch')
  expect(store).not.toHaveProperty('close')
})

await describeWith(['postgres', 'pgbouncer'], 'PostgreSQL', () => {
  let server: Server
  let bouncer: Server
  let pool: pg.Pool
  const open: { end(): Promise<unknown> }[] = []
  const pgPool = (config: pg.PoolConfig) => {
    const made = new pg.Pool(config)
    open.push(made)
    return made
  }
  const sqlOf = (url: string, settings: postgres.Options<{ bigint: postgres.PostgresType<bigint> }> = {}) => {
    const made = postgres(url, { max: 8, onnotice: () => {}, ...settings })
    open.push(made)
    return made
  }
  let tables = 0
  /** A store over a table of its own. */
  const storeOver = async (client: PostgresClient, table = `sojourn_test_${++tables}`) => {
    const store = postgresStore({ pool: client, table })
    await store.migrate()
    return { store, table }
  }

  beforeAll(async () => {
    server = await startPostgres({ own: true, args: ['-c', 'autovacuum=off'] })
    bouncer = await startPgBouncer(server)
    pool = pgPool({ connectionString: server.url, max: 8 })
  })
  afterAll(async () => {
    await Promise.all(open.map((client) => client.end()))
    await bouncer.stop()
    await server.stop()
  })

  function passesTheChecks(clients: () => { pool: PostgresClient; listen: PostgresListener }): void {
    let made: ReturnType<typeof clients>
    beforeAll(() => {
      made = clients()
    })
    const checks = storeChecks({
      async makeStore({ name: table, after }) {
        const store = postgresStore({ ...made, table })
        await store.migrate()
        after(() => pool.query(`DROP TABLE IF EXISTS ${table}`))
        return store
      },
      methods: ['list', 'sweep', 'watch', 'close'],
    })
    for (const { name, run } of checks) test(name, run)
  }

  describe('through pg', () => passesTheChecks(() => ({ pool, listen: pool })))

  describe('through postgres', () => {
    passesTheChecks(() => {
      const sql = sqlOf(server.url)
      return { pool: sql, listen: sql }
    })
  })

  describe('behind PgBouncer, which gives each statement another connection', () => {
    const direct = () => pgPool({ connectionString: server.url, max: 1 })

    describe('through pg', () => {
      passesTheChecks(() => ({ pool: pgPool({ connectionString: bouncer.url, max: 8 }), listen: direct() }))
    })
    describe('through postgres', () => {
      passesTheChecks(() => ({ pool: sqlOf(bouncer.url, { prepare: false }), listen: direct() }))
    })
  })

  describe.each(['repeatable read', 'serializable'])('where transactions are %s unless said', (isolation) => {
    passesTheChecks(() => {
      const setting = `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`
      return { pool: pgPool({ connectionString: server.url, max: 8, options: setting }), listen: pool }
    })
  })

  describe('in a database that sorts by language', () => {
    let sorted: pg.Pool
    beforeAll(async () => {
      await pool.query(
        `CREATE DATABASE sorted TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'`,
      )
      sorted = pgPool({ connectionString: server.url.replace(/postgres$/, 'sorted'), max: 8 })
      const { rows } = await sorted.query(`SELECT 'a' < 'B' AS "byLanguage"`)
      expect(rows).toEqual([{ byLanguage: true }])
    })
    passesTheChecks(() => ({ pool: sorted, listen: sorted }))
  })

  test('any sequence of calls answers as the model does', async () => {
    const { store, table } = await storeOver(pool)
    await expectLikeTheModel(async () => {
      await pool.query(`TRUNCATE ${table}`)
      return store
    }, 100)
  })

  describe('settings of the app’s own queries do not reach the store', () => {
    const record: SessionRecord = { values: { a: '{"b":1}' }, userId: 'ann', createdAt: 5, expiresAt: 10 }
    const clients: Record<string, () => PostgresClient> = {
      'pg with parsers of its own': () => {
        const types = { getTypeParser: () => (text: string) => `parsed ${text}` }
        const parsed = pgPool({ connectionString: server.url, types: types as unknown as pg.CustomTypesConfig })
        const bigint = { getTypeParser: (id: number) => (id === 20 ? BigInt : String) }
        parsed.options.types = bigint as unknown as pg.CustomTypesConfig
        return parsed
      },
      'postgres that renames columns': () => sqlOf(server.url, { transform: postgres.camel }),
      'postgres that changes values': () => {
        const value = (it: unknown) => (typeof it === 'string' ? it.toUpperCase().trim() : null)
        return sqlOf(server.url, { transform: { undefined: null, column: () => '', value } })
      },
      'postgres with bigints': () => sqlOf(server.url, { types: { bigint: postgres.BigInt } }),
      'postgres that fetches no types': () => sqlOf(server.url, { fetch_types: false }),
    }
    for (const [name, client] of Object.entries(clients)) {
      test(name, async () => {
        const { store } = await storeOver(client())
        expect(await store.create('a', record)).toBe(true)
        expect(await store.read('a')).toEqual(record)
        expect(await store.list?.({ limit: 1 })).toEqual([['a', record]])
      })
    }
  })

  test('postgres that changes rows is refused: the store would read what the app made of its own', () => {
    const refusal = { code: 'invalid_option', message: expect.stringContaining('"transform.row"') }
    const row = (it: object) => Object.keys(it)
    for (const transform of [{ row }, { row: { from: row } }]) {
      expect(() => postgresStore({ pool: sqlOf(server.url, { transform }) })).toThrow(expect.objectContaining(refusal))
    }
  })

  test('reads at the same time are one statement, and each gets what is its own', async () => {
    const { store: writer, table } = await storeOver(pool)
    const statements: string[] = []
    const counted: PostgresPool = {
      query(text, values) {
        statements.push(text)
        return pool.query(text, values)
      },
    }
    const store = postgresStore({ pool: counted, table })
    const record = (n: number): SessionRecord => ({
      values: { n: `${n}` },
      userId: `"${n}",`,
      createdAt: n,
      expiresAt: 1000,
    })
    const ids = ['a', 'b', '-', '_', 'aa']
    for (const [n, id] of ids.entries()) await writer.create(id, record(n))
    const [absent, twice, ...found] = await Promise.all(['absent', 'a', ...ids].map((id) => store.read(id)))
    expect(found).toEqual(ids.map((_, n) => record(n)))
    expect([absent, twice]).toEqual([null, record(0)])
    expect(twice).not.toBe(found[0])
    expect(statements).toHaveLength(1)
  })

  describe('what is written', () => {
    const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
      values: { a: '1' },
      userId: null,
      createdAt: 0,
      expiresAt: 1000,
      ...change,
    })

    test('a move of the expiry does not write a large value again', async () => {
      const { store, table } = await storeOver(pool)
      const large = JSON.stringify(Array.from({ length: 2000 }, () => Math.random()))
      await store.create('a', record({ values: { large } }))
      const places = async () => {
        const toast = await pool.query(
          `SELECT reltoastrelid::regclass::text AS name FROM pg_class WHERE relname = $1`,
          [table],
        )
        const chunks = await pool.query(`SELECT ctid::text FROM ${toast.rows[0].name} ORDER BY 1`)
        return chunks.rows.map((row) => row.ctid)
      }
      const before = await places()
      expect(before.length).toBeGreaterThan(3)
      expect(await store.patch('a', { now: 0, expiresAt: 2000, when: { large } })).toBe('applied')
      expect(await places()).toEqual(before)
    })

    test('a change of values touches no index', async () => {
      const { store, table } = await storeOver(pool)
      for (let index = 0; index < 200; index++) await store.create(`${index}`, record({ userId: 'ann' }))
      for (let round = 0; round < 3; round++) {
        for (let index = 0; index < 200; index++) {
          await store.patch(`${index}`, { now: 0, set: { a: `${round}` }, when: { b: null } })
        }
      }
      const counted = `SELECT pg_stat_force_next_flush(), n_tup_upd::int AS all, n_tup_hot_upd::int AS hot
        FROM pg_stat_user_tables WHERE relname = $1`
      await pool.query(counted, [table])
      await expect.poll(async () => (await pool.query(counted, [table])).rows[0].all).toBe(600)
      expect((await pool.query(counted, [table])).rows[0].hot).toBe(600)
    })

    test('by somebody else is listed, without values where it has none', async () => {
      const { store, table } = await storeOver(pool)
      await store.create('a', record())
      await store.create('b', record())
      await pool.query(`UPDATE ${table} SET data = 'null' WHERE id = 'a'`)
      expect(await store.read('a')).toEqual(record({ values: {} }))
      expect(await store.list?.({ limit: 5 })).toEqual([
        ['a', record({ values: {} })],
        ['b', record()],
      ])
    })

    test('what PostgreSQL cannot hold is refused, and told', async () => {
      const { store } = await storeOver(pool)
      const random = Array.from({ length: 9000 }, () => Math.random().toString(36)[2]).join('')
      await expect(store.create('a', record({ userId: random }))).rejects.toMatchObject({ code: 'record_too_large' })
      await expect(store.create('a', record({ userId: 'a\0' }))).rejects.toMatchObject({ code: 'invalid_value' })
      await expect(store.create('a', record({ values: { a: '\0' } }))).rejects.toMatchObject({ code: 'invalid_value' })
      expect(await store.read('a')).toBeNull()
    })

    test('what the encoding of the database lacks is refused, and told', async () => {
      await pool.query(`CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`)
      const { store } = await storeOver(pgPool({ connectionString: server.url.replace(/postgres$/, 'latin') }))
      expect(await store.create('a', record({ values: { a: '"é"' } }))).toBe(true)
      expect(await store.read('a')).toEqual(record({ values: { a: '"é"' } }))
      await expect(store.create('b', record({ values: { a: '"語"' } }))).rejects.toMatchObject({
        code: 'invalid_value',
        message: expect.stringContaining('ENCODING'),
      })
    })
  })

  test('closing gives back the connection that listened, so that the pool can end', async () => {
    const listen = pgPool({ connectionString: server.url, max: 1 })
    const store = postgresStore({ pool, listen, table: 'watched' })
    await store.watch?.(() => {})
    await store.watch?.(() => {})
    expect(listen.totalCount).toBe(1)
    await store.close?.()
    await expect.poll(() => listen.totalCount).toBe(0)
    const stop = await store.watch?.(() => {})
    expect(listen.totalCount).toBe(1)
    await stop?.()
  })

  test('closing after the client was ended is no error', async () => {
    for (const ended of [pgPool({ connectionString: server.url }), sqlOf(server.url)]) {
      const store = postgresStore({ pool: ended, listen: ended, table: 'watched' })
      const stop = await store.watch?.(() => {})
      // A pool waits for the connection that listens.
      const ending = ended.end()
      if ('unsafe' in ended) await ending
      await store.close?.()
      await stop?.()
      await ending
      open.splice(open.indexOf(ended), 1)
    }
  })

  describe('a sweep', () => {
    test('waits for nobody, and leaves what someone is writing', async () => {
      const { store, table } = await storeOver(pool)
      const record = { values: {}, userId: null, createdAt: 0, expiresAt: 1 }
      for (const id of ['a', 'b', 'c']) await store.create(id, record)
      const writer = await pool.connect()
      try {
        await writer.query(`BEGIN; UPDATE ${table} SET expires_at = 10 WHERE id = 'b'`)
        expect(await store.sweep?.(1, 10)).toBe(2)
        await writer.query('COMMIT')
      } finally {
        writer.release()
      }
      expect(await store.sweep?.(1, 10)).toBe(0)
      expect(await store.read('b')).toMatchObject({ expiresAt: 10 })
    })

    test('holds up no one for long: it finds what expired by an index', async () => {
      const { store, table } = await storeOver(pool)
      await pool.query(`INSERT INTO ${table} SELECT 'id-' || n, NULL, 0, n, '{}' FROM generate_series(1, 20000) AS n`)
      await pool.query(`ANALYZE ${table}`)
      const plan = await pool.query(
        `EXPLAIN SELECT id FROM ${table} WHERE expires_at <= 100 ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED`,
      )
      expect(plan.rows.map((row) => row['QUERY PLAN']).join('\n')).toContain(`${table}_by_expiry`)
      expect(await store.sweep?.(100, 60)).toBe(60)
      expect(await store.sweep?.(100, 60)).toBe(40)
    })
  })

  describe('the table', () => {
    const reading = (table: string, client: PostgresClient = pool) => postgresStore({ pool: client, table }).read('a')

    test('when it is missing, the error says what to run', async () => {
      await expect(reading('nowhere')).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringMatching(/"nowhere".*await store\.migrate\(\)/),
        cause: { code: '42P01' },
      })
      await expect(reading('nowhere', sqlOf(server.url))).rejects.toMatchObject({ code: 'store_misconfigured' })
      const elsewhere = server.url.replace(/postgres$/, 'no_database')
      for (const client of [pgPool({ connectionString: elsewhere }), sqlOf(elsewhere)]) {
        await expect(reading('nowhere', client)).rejects.toMatchObject({
          code: 'store_misconfigured',
          message: expect.stringContaining('CREATE DATABASE'),
        })
      }
    })

    test('is made once, however many processes start at the same time', async () => {
      for (let round = 0; round < 5; round++) {
        const stores = Array.from({ length: 8 }, () => postgresStore({ pool, table: `started_together_${round}` }))
        await Promise.all(stores.map((store) => store.migrate()))
        expect(await stores[0]?.read('a')).toBeNull()
      }
    })

    test('is brought up to date, and keeps its sessions', async () => {
      const { store, table } = await storeOver(pool)
      const record = { values: { a: '1' }, userId: 'ann', createdAt: 0, expiresAt: 1 }
      await store.create('a', record)
      await pool.query(`DROP INDEX ${table}_by_expiry; DROP INDEX ${table}_by_user`)
      await store.migrate()
      const indexes = await pool.query('SELECT indexname FROM pg_indexes WHERE tablename = $1 ORDER BY 1', [table])
      expect(indexes.rows.map((row) => row.indexname)).toEqual([
        `${table}_by_expiry`,
        `${table}_by_user`,
        `${table}_pkey`,
      ])
      expect(await store.read('a')).toEqual(record)
    })

    test.each(['made', 'auth_of_made.Made'])(
      '%s, where all is there: waits for nobody who writes to it, and needs no right to create',
      async (table) => {
        await pool.query('CREATE SCHEMA IF NOT EXISTS auth_of_made')
        await storeOver(pool, table)
        const quoted = table.replace(/\w+/g, '"$&"')
        const role = `writer_of_${table.replace('.', '_').toLowerCase()}`
        await pool.query(`CREATE ROLE ${role} LOGIN`)
        await pool.query(`GRANT USAGE ON SCHEMA auth_of_made TO ${role}`)
        await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${quoted} TO ${role}`)
        const restricted = server.url.replace('postgres@', `${role}@`)
        const writing = await pool.connect()
        onTestFinished(async () => {
          await writing.query('ROLLBACK')
          writing.release()
        })
        await writing.query('BEGIN')
        await writing.query(`LOCK TABLE ${quoted} IN ROW EXCLUSIVE MODE`)
        // Longer than a look takes, and no wait for an end that does not come.
        const hasty = { options: '-c lock_timeout=2000' }
        await postgresStore({ pool: pgPool({ connectionString: server.url, ...hasty }), table }).migrate()
        await postgresStore({ pool: pgPool({ connectionString: restricted, ...hasty }), table }).migrate()
        await postgresStore({ pool: sqlOf(restricted), table }).migrate()
      },
    )

    test('can be made by its SQL, statement by statement', async () => {
      const store = postgresStore({ pool, table: 'by_hand' })
      for (const statement of store.schema.split(';\n')) await pool.query(statement)
      expect(await store.create('a', { values: {}, userId: null, createdAt: 0, expiresAt: 1 })).toBe(true)
    })

    test('may stand in a schema, under any name', async () => {
      await expect(postgresStore({ pool, table: 'auth.Order' }).migrate()).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringContaining('CREATE SCHEMA'),
      })
      await pool.query('CREATE SCHEMA auth')
      const { store } = await storeOver(pool, 'auth.Order')
      await store.migrate()
      expect(await store.create('a', { values: {}, userId: null, createdAt: 0, expiresAt: 1 })).toBe(true)
      expect((await pool.query('SELECT id FROM auth."Order"')).rows).toEqual([{ id: 'a' }])
    })

    test('is used where it stands on the path, though tables are made elsewhere', async () => {
      await pool.query(`CREATE ROLE shop LOGIN; CREATE SCHEMA shop AUTHORIZATION shop`)
      await storeOver(pool, 'on_the_path')
      await pool.query('GRANT SELECT, INSERT, UPDATE, DELETE ON on_the_path TO shop')
      const own = pgPool({ connectionString: server.url.replace('postgres@', 'shop@') })
      const store = postgresStore({ pool: own, table: 'on_the_path' })
      await store.create('a', { values: {}, userId: null, createdAt: 0, expiresAt: 1 })
      await store.migrate()
      expect(await store.read('a')).not.toBe(null)
      // What is missing is made beside the table, by whoever may.
      await pool.query('DROP INDEX on_the_path_by_user')
      await expect(store.migrate()).rejects.toMatchObject({ code: 'store_misconfigured' })
      await pool.query('ALTER TABLE on_the_path OWNER TO shop; GRANT CREATE ON SCHEMA public TO shop')
      await store.migrate()
      expect(await store.read('a')).not.toBe(null)
      const { rows } = await pool.query(`SELECT schemaname FROM pg_indexes WHERE indexname = 'on_the_path_by_user'`)
      expect(rows).toEqual([{ schemaname: 'public' }])
    })

    test('of another program is refused, and stays as it is', async () => {
      await pool.query('CREATE TABLE orders (id text, total bigint)')
      const store = postgresStore({ pool, table: 'orders' })
      const refusal = { code: 'store_misconfigured', message: expect.stringContaining('"orders" lacks a column') }
      await expect(store.migrate()).rejects.toMatchObject(refusal)
      await expect(store.read('a')).rejects.toMatchObject(refusal)
      const columns = await pool.query(`SELECT column_name FROM information_schema.columns WHERE table_name = 'orders'`)
      expect(columns.rows).toHaveLength(2)
    })

    const columns = {
      id: 'text PRIMARY KEY',
      user_id: 'text',
      created_at: 'bigint',
      expires_at: 'bigint',
      data: 'jsonb',
    }
    test.each<[change: Partial<typeof columns>, code: string, isSeenByMigrate?: boolean]>([
      [{ data: 'json' }, '42883'],
      [{ data: 'text' }, '42883'],
      [{ data: 'bytea' }, '42804'],
      [{ created_at: 'timestamptz', expires_at: 'timestamptz' }, '22008'],
      [{ id: 'text' }, '42P10', false],
      [{ created_at: 'integer', expires_at: 'integer' }, '22003', false],
      [{ id: 'varchar(10) PRIMARY KEY' }, '22001', false],
      [{ id: 'uuid PRIMARY KEY' }, '22P02'],
      [{ user_id: 'text NOT NULL' }, '23502', false],
      [{ user_id: `text CHECK (user_id <> 'ada')` }, '23514', false],
      [{ user_id: 'text UNIQUE' }, '23505', false],
      [{ user_id: 'text REFERENCES by_guess' }, '23503', false],
    ])('made by hand otherwise, with %j, is refused', async (change, code, isSeenByMigrate = true) => {
      const made = Object.entries({ ...columns, ...change }).map((column) => column.join(' '))
      await pool.query(`DROP TABLE IF EXISTS by_guess; CREATE TABLE by_guess (${made})`)
      const store = postgresStore({ pool, table: 'by_guess' })
      const refusal = {
        code: 'store_misconfigured',
        message: expect.stringContaining('"by_guess" is not as `store.schema` makes it'),
      }
      const using = async () => {
        const [createdAt, expiresAt] = [Date.now(), Date.now() + 60_000]
        await store.create('an id of twenty-four', { values: { a: '1' }, userId: null, createdAt, expiresAt })
        await store.patch('an id of twenty-four', { now: 0, set: { b: '1' }, when: { a: '1' } })
        for (const id of ['1', '2']) await store.create(id, { values: {}, userId: 'ada', createdAt, expiresAt })
      }
      await expect(using()).rejects.toMatchObject({ ...refusal, cause: { code } })
      if (isSeenByMigrate) await expect(store.migrate()).rejects.toMatchObject(refusal)
    })

    test('needs four rights, and nothing more to use it', async () => {
      const { table } = await storeOver(pool)
      await pool.query(`CREATE ROLE app LOGIN`)
      const restricted = pgPool({ connectionString: server.url.replace('postgres@', 'app@') })
      const store = postgresStore({ pool: restricted, listen: restricted, table })
      await expect(store.read('a')).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringContaining('SELECT, INSERT, UPDATE and DELETE'),
      })
      await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO app`)
      const stop = await store.watch?.(() => {})
      await store.create('a', { values: {}, userId: null, createdAt: 0, expiresAt: 1 })
      expect(await store.patch('a', { now: 0, set: { a: '1' }, when: { a: null } })).toBe('applied')
      expect(await store.sweep?.(0, 1)).toBe(0)
      expect(await store.delete('a')).toBe(true)
      await stop?.()
    })
  })
})

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import type BetterSqlite3Class from 'better-sqlite3'
import fc from 'fast-check'
import Libsql from 'libsql'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { installRuntimes } from '../../test/package/installed.js'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { storeChecks } from '../conformance/store.js'
import { createSessions } from '../core/sessions.js'
import type { SessionRecord, SessionStore } from '../core/store.js'
import { type SqliteDatabase, sqliteStore } from './sqlite.js'

// It is installed apart, for npm 10 would compile it.
const BetterSqlite3: typeof BetterSqlite3Class = createRequire(`${await installRuntimes()}/`)('better-sqlite3')

const folder = mkdtempSync(join(tmpdir(), 'sojourn-sqlite-'))
chmodSync(folder, 0o755)
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const newFile = () => join(folder, `${++files}.db`)

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  values: { a: '1' },
  userId: 'ann',
  createdAt: 0,
  expiresAt: 1000,
  ...change,
})

describe('node:sqlite', () => {
  const makeStore = ({ name }: { name: string }) => sqliteStore(join(folder, name))
  for (const { name, run } of storeChecks({ makeStore, methods: ['list', 'sweep', 'close'] })) test(name, run)

  test('any sequence of calls answers as the model does', () => expectLikeTheModel(() => sqliteStore(':memory:')))
})

type Open = (path: string) => SqliteDatabase & { close(): void }
const handedOver: [name: string, open: Open][] = [
  ['better-sqlite3', (path) => new BetterSqlite3(path)],
  ['libsql', (path) => new Libsql(path)],
]
const drivers: typeof handedOver = [['node:sqlite', (path) => new DatabaseSync(path)], ...handedOver]

describe.each(handedOver)('%s', (_, open) => {
  const checks = storeChecks({
    makeStore({ name, after }) {
      const database = open(join(folder, name))
      after(() => database.close())
      return sqliteStore({ database })
    },
    methods: ['list', 'sweep'],
  })
  for (const { name, run } of checks) test(name, run)

  test('any sequence of calls answers as the model does', () =>
    expectLikeTheModel(() => sqliteStore({ database: open(':memory:') }), 50))

  test('a foreign database handed over is refused and stays as it is', () => {
    const database = open(newFile())
    database.exec('CREATE TABLE orders (id INTEGER)')
    expect(() => sqliteStore({ database })).toThrow(
      misconfigured('the database handed over belongs to another program'),
    )
    expect(database.prepare('SELECT name FROM sqlite_schema').all()).toMatchObject([{ name: 'orders' }])
    expect(database.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'delete' })
    database.close()
  })
})

const misconfigured = (message: string) =>
  expect.objectContaining({ code: 'store_misconfigured', message: expect.stringContaining(message) })

test('a database in place of the options is an error that says how to hand it over', () => {
  for (const [, open] of drivers) {
    const database = open(':memory:')
    expect(() => sqliteStore(database as never)).toThrow(
      'sqliteStore: a database was given in place of the options: write { database } around it',
    )
    database.close()
  }
})

describe('a file', () => {
  test('is made where there is none, and keeps sessions for the next to open it', async () => {
    const path = newFile()
    const first = sqliteStore(path)
    await first.create('a', record())
    first.close?.()
    const second = sqliteStore({ path: pathToFileURL(path) })
    expect(second.read('a')).toEqual(record())
    second.close?.()
  })

  test('is named by its URL as text, too, also by a relative one', () => {
    const path = join(folder, 'a%b ?.db')
    const { href } = pathToFileURL(path)
    for (const url of [href, `file:${relative('.', path).replace('%', '%25').replace('?', '%3F')}`]) {
      sqliteStore({ path: url }).close?.()
      expect(existsSync(path)).toBe(true)
      for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true })
    }
    const memory = sqliteStore('file::memory:')
    expect(memory.read('a')).toBe(null)
    expect(existsSync(':memory:')).toBe(false)
    memory.close?.()
  })

  test('that is empty is taken', () => {
    const path = newFile()
    writeFileSync(path, '')
    sqliteStore(path).close?.()
    expect(readFileSync(path, 'latin1').slice(0, 15)).toBe('SQLite format 3')
  })

  test('that is a database without tables is taken, with the settings that it was made with', () => {
    const path = newFile()
    const made = new DatabaseSync(path)
    made.exec('PRAGMA auto_vacuum = INCREMENTAL; VACUUM')
    made.close()
    sqliteStore(path).close?.()
    const opened = new DatabaseSync(path)
    expect(opened.prepare('PRAGMA auto_vacuum').get()).toEqual({ auto_vacuum: 2 })
    expect(opened.prepare('SELECT count(*) AS count FROM sessions').get()).toEqual({ count: 0 })
    opened.close()
  })

  test('says in its header whose it is', () => {
    const path = newFile()
    sqliteStore(path).close?.()
    expect(readFileSync(path).toString('latin1', 68, 72)).toBe('SJRN')
  })

  test('of a process that crashed is known again, also where the app chose the write-ahead log', async () => {
    const [path, copy] = [newFile(), newFile()]
    const database = new BetterSqlite3(path)
    database.pragma('journal_mode = WAL')
    await sqliteStore({ database }).create('a', record())
    for (const end of ['', '-wal']) copyFileSync(path + end, copy + end)
    database.close()
    const store = sqliteStore(copy)
    expect(store.read('a')).toEqual(record())
    store.close?.()
  })

  test('is read while another writes, and a write waits its turn for as long as `busyTimeout`', async () => {
    const path = newFile()
    const store = sqliteStore({ path, busyTimeout: 50 })
    await store.create('a', record())
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    expect(store.read('a')).toEqual(record())
    const started = performance.now()
    await expect(store.delete('a')).rejects.toThrow('locked')
    expect(performance.now() - started).toBeGreaterThan(40)
    expect(() => sqliteStore({ path, busyTimeout: 0 })).toThrow(
      expect.objectContaining({ code: 'store_unavailable', message: expect.stringContaining('"busyTimeout"') }),
    )
    other.close()
    expect(await store.delete('a')).toBe(true)
    store.close?.()
  })

  test('is opened while another process that does so has just begun to write', async () => {
    const path = newFile()
    const steps = new Int32Array(new SharedArrayBuffer(8))
    const [toldToLock, hasLocked] = [0, 1]
    const program = `
      const { steps, path } = require('node:worker_threads').workerData
      const database = new (require('node:sqlite').DatabaseSync)(path)
      require('node:worker_threads').parentPort.postMessage('ready')
      Atomics.wait(steps, ${toldToLock}, 0)
      database.exec('BEGIN IMMEDIATE')
      Atomics.store(steps, ${hasLocked}, 1)
      Atomics.notify(steps, ${hasLocked})
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
      database.exec('COMMIT')
      database.close()`
    const other = new Worker(program, { eval: true, workerData: { steps, path } })
    const ended = once(other, 'exit')
    await once(other, 'message')
    const database = new DatabaseSync(path)
    const late = Object.assign(Object.create(database), {
      exec: (sql: string) => database.exec(sql),
      prepare(sql: string) {
        if (sql === 'PRAGMA journal_mode = WAL' && steps[hasLocked] === 0) {
          Atomics.store(steps, toldToLock, 1)
          Atomics.notify(steps, toldToLock)
          Atomics.wait(steps, hasLocked, 0)
        }
        return database.prepare(sql)
      },
    })
    const store = sqliteStore({ database: late })
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    expect(await store.create('a', record())).toBe(true)
    await ended
    database.close()
  })

  test.each([
    ['normal', 1],
    ['full', 2],
  ] as const)('is written with the durability %s', (durability, synchronous) => {
    const database = new DatabaseSync(newFile())
    sqliteStore({ database, durability })
    expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous })
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    expect(database.prepare('PRAGMA busy_timeout').get()).toEqual({ timeout: 5000 })
    database.close()
  })

  test.each(['the same copy of Sojourn', 'another copy'])(
    'stays locked when another store of the process opens and closes it, of %s, so that nobody takes it for left',
    async (copy) => {
      const path = newFile()
      const store = sqliteStore(path)
      await store.create('a', record())
      if (copy === 'another copy') vi.resetModules()
      const { sqliteStore: another } = await import('./sqlite.js')
      void another(path).close?.()
      const program = `
      const database = new (require('node:sqlite').DatabaseSync)(process.argv[1])
      try {
        database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE')
        process.stdout.write('taken')
      } catch (error) {
        process.stdout.write(error.message)
      }`
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', program, path])
      expect(stdout).toContain('locked')
    },
  )

  test('with a row that somebody else wrote signs out its visitor, and is listed all the same', async () => {
    const path = newFile()
    const sessions = createSessions({ store: sqliteStore(path) })
    const other = new DatabaseSync(path)
    const reasons: string[] = []
    sessions.on('refused', ({ reason }) => reasons.push(reason))
    const damaged = ['damaged', 'null', '5', '[]', '{"a":', '{"__token":5}', '{"__token":"\\"cut"}']
    for (const data of damaged) {
      const { session, cookie } = await sessions.create({ userId: 'ann' })
      other.prepare('UPDATE sessions SET data = ? WHERE id = ?').run(data, session.id)
      expect((await sessions.load({ cookie })).isNew, data).toBe(true)
    }
    expect(reasons).toEqual(damaged.map(() => 'corrupt_record'))
    const { session } = await sessions.create({ userId: 'ann' })
    expect((await sessions.list({ userId: 'ann' })).sessions).toMatchObject([{ id: session.id }])
    expect(await sessions.endAll('ann')).toBe(8)
    other.close()
    await sessions.close()
  })

  test('with a value that somebody else wrote, and that is no text, keeps its session, which can be repaired', async () => {
    const path = newFile()
    const sessions = createSessions<{ visits: unknown; seen: number }>({ store: sqliteStore(path) })
    const other = new DatabaseSync(path)
    const { session, cookie } = await sessions.create({ values: { visits: 1 } })
    const written = other.prepare("UPDATE sessions SET data = json_set(data, '$.visits', 5) WHERE id = ?")
    expect(written.run(session.id).changes).toBe(1)
    const damaged = await sessions.load({ cookie })
    const corrupt = { code: 'corrupt_value' }
    await expect(async () => damaged.visits).rejects.toMatchObject(corrupt)
    await expect(damaged.update('visits', () => 2)).rejects.toMatchObject(corrupt)
    await expect(damaged.take('visits')).rejects.toMatchObject(corrupt)
    expect(await damaged.update('seen', () => 1)).toBe(1)
    damaged.visits = 6
    expect(await damaged.save()).toBe(true)
    expect({ ...(await sessions.load({ cookie })) }).toEqual({ visits: 6, seen: 1 })
    other.close()
    await sessions.close()
  })

  test.each(drivers)('with times that no number holds is read, listed and swept through %s', async (_, open) => {
    const path = newFile()
    const database = open(path)
    const store = sqliteStore({ database })
    const [largest, smallest] = [2n ** 63n - 1n, -(2n ** 63n)]
    for (const id of ['a', 'b', 'c']) await store.create(id, record())
    const other = new DatabaseSync(path)
    other.prepare('UPDATE sessions SET created_at = ?, expires_at = ? WHERE id = ?').run(smallest, largest, 'a')
    other.prepare('UPDATE sessions SET created_at = ?, expires_at = ? WHERE id = ?').run(largest, smallest, 'b')
    const far = [
      record({ createdAt: -(2 ** 63), expiresAt: 2 ** 63 }),
      record({ createdAt: 2 ** 63, expiresAt: -(2 ** 63) }),
    ]
    expect([store.read('a'), store.read('b')]).toEqual(far)
    const all = [
      ['a', far[0]],
      ['b', far[1]],
      ['c', record()],
    ]
    expect(store.list?.({ limit: 5 })).toEqual(all)
    expect(store.list?.({ userId: 'ann', limit: 5 })).toEqual(all)
    expect(await store.sweep?.(1000, 10)).toBe(2)
    expect(await store.patch('a', { now: 0, expiresAt: 2000 })).toBe('applied')
    expect(store.read('a')).toMatchObject({ expiresAt: 2000 })
    other.close()
    database.close()
  })

  test('is hardly written to when only the expiry moves', async () => {
    const path = newFile()
    const store = sqliteStore(path)
    await store.create('a', record({ values: { large: JSON.stringify('x'.repeat(1_000_000)) } }))
    const before = statSync(`${path}-wal`).size
    expect(await store.patch('a', { now: 0, set: {}, unset: [], expiresAt: 2000 })).toBe('applied')
    expect(statSync(`${path}-wal`).size - before).toBeLessThan(20_000)
    store.close?.()
  })
})

describe('a file that cannot be used is refused, and stays as it is:', () => {
  function expectRefused(path: string, message: string): void {
    const content = () =>
      ['', '-wal', '-journal'].map((end) => existsSync(path + end) && readFileSync(path + end, 'hex'))
    const before = existsSync(path) && statSync(path).isDirectory() ? undefined : content()
    expect(() => sqliteStore(path)).toThrow(misconfigured(message))
    expect(() => sqliteStore(path)).toThrow(misconfigured(path))
    if (before) expect(content()).toEqual(before)
  }

  test('one in a folder that does not exist', () => {
    expectRefused(join(folder, 'nowhere', 'sessions.db'), 'is in a folder that does not exist')
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
  })

  test('a directory', () => {
    const path = join(folder, 'directory')
    mkdirSync(path)
    expectRefused(path, 'is a directory')
  })

  test.each(['hello', 'x'.repeat(5000), '\0'])('something else', (content) => {
    const path = newFile()
    writeFileSync(path, content)
    expectRefused(path, 'is not a SQLite database')
  })

  test.each([0, 42])('the database of another program, with the application id %i', (applicationId) => {
    const path = newFile()
    const other = new DatabaseSync(path)
    other.exec(`CREATE TABLE sessions (sid TEXT, sess TEXT); PRAGMA application_id = ${applicationId}`)
    other.close()
    expectRefused(path, 'is the database of another program')
  })

  test('the database of another program that crashed, which has yet to finish what it began', () => {
    const [path, copy] = [newFile(), newFile()]
    const other = new DatabaseSync(path)
    other.exec('PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (1)')
    for (const end of ['', '-wal']) copyFileSync(path + end, copy + end)
    other.close()
    expectRefused(copy, 'is the database of another program')
  })

  test('one that a newer version made', () => {
    const path = newFile()
    sqliteStore(path).close?.()
    const newer = new DatabaseSync(path)
    newer.exec('PRAGMA user_version = 3')
    newer.close()
    expect(() => sqliteStore(path)).toThrow(
      misconfigured(`"${path}" has schema version 3, and this version of Sojourn knows 2`),
    )
    const after = new DatabaseSync(path)
    expect(after.prepare('PRAGMA user_version').get()).toEqual({ user_version: 3 })
    after.close()
  })

  test('one that is damaged', () => {
    const path = newFile()
    sqliteStore(path).close?.()
    const content = readFileSync(path)
    writeFileSync(path, content.fill(0xff, 100, 4096))
    expectRefused(path, 'cannot be used')
  })

  test('one that this process may not write', () => {
    const path = newFile()
    sqliteStore(path).close?.()
    chmodSync(path, 0o444)
    asNobody(() => expectRefused(path, 'Let this process write to it and to its folder'))
  })

  test('one that this process may not read', () => {
    const path = newFile()
    sqliteStore(path).close?.()
    chmodSync(path, 0o000)
    asNobody(() => expect(() => sqliteStore(path)).toThrow(misconfigured('cannot be read (EACCES)')))
  })

  test('one in a folder that this process may not enter, or under a name that no file can have', () => {
    const path = join(folder, 'locked', 'sessions.db')
    mkdirSync(join(folder, 'locked'))
    sqliteStore(path).close?.()
    chmodSync(join(folder, 'locked'), 0o600)
    asNobody(() => expect(() => sqliteStore(path)).toThrow(misconfigured('cannot be found (EACCES)')))
    expect(() => sqliteStore('x'.repeat(300))).toThrow(misconfigured('cannot be found (ENAMETOOLONG)'))
  })

  test('a new one in a folder that this process may not write', () => {
    const path = join(folder, 'closed', 'sessions.db')
    mkdirSync(join(folder, 'closed'), { mode: 0o555 })
    asNobody(() => expectRefused(path, 'unable to open database file'))
  })

  test('one handed over that is open for reading only', () => {
    const path = newFile()
    sqliteStore(path).close?.()
    const database = new DatabaseSync(path, { readOnly: true })
    expect(() => sqliteStore({ database })).toThrow(misconfigured('the database handed over cannot be used'))
    database.close()
  })
})

/** Runs as a user whom file permissions bind, where the tests run as root. */
function asNobody(run: () => void): void {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65534)
  try {
    run()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

describe('writes that come together', () => {
  const read = (database: DatabaseSync) => database.prepare('SELECT id FROM sessions ORDER BY id').all()

  test('are answered once they are on record', async () => {
    const path = newFile()
    const [store, other] = [sqliteStore(path), new DatabaseSync(path)]
    const created = ['a', 'b', 'c'].map((id) => store.create(id, record()))
    expect(read(other)).toEqual([])
    await created[0]
    expect(read(other)).toEqual([{ id: 'a' }, { id: 'b' }, { id: 'c' }])
    expect(await Promise.all(created)).toEqual([true, true, true])
    other.close()
    store.close?.()
  })

  test('are seen by who reads the session, or lists, before that', async () => {
    const store = sqliteStore(newFile())
    const [created, changed] = [store.create('a', record()), store.patch('a', { now: 0, expiresAt: 2000 })]
    expect(store.read('a')).toEqual(record({ expiresAt: 2000 }))
    expect(await Promise.all([created, changed])).toEqual([true, 'applied'])
    void store.create('b', record())
    expect(store.list?.({ limit: 5 })).toHaveLength(2)
    store.close?.()
  })

  test('are not starved by who reads without a pause, also through another store', async () => {
    const path = newFile()
    const [store, other] = [sqliteStore(path), sqliteStore(path)]
    let isDone = false
    void Promise.resolve(store.create('a', record())).then(() => {
      isDone = true
    })
    for (let reads = 0; !isDone && reads < 5000; reads++) await other.read('a')
    expect(isDone).toBe(true)
    for (const each of [store, other]) each.close?.()
  })

  test('are done in their order', async () => {
    const store = sqliteStore(newFile())
    const [made, changed, gone, absent] = [
      store.create('a', record()),
      store.patch('a', { now: 0, expiresAt: 2000 }),
      store.delete('a'),
      store.patch('a', { now: 0, expiresAt: 3000 }),
    ]
    expect(await Promise.all([made, changed, gone, absent])).toEqual([true, 'applied', true, 'absent'])
    store.close?.()
  })

  test.each(['ABORT', 'ROLLBACK'])('are kept, but for the one that fails (%s)', async (how) => {
    const database = new DatabaseSync(newFile())
    const store = sqliteStore({ database })
    database.exec(`CREATE TRIGGER picky BEFORE INSERT ON sessions WHEN NEW.id LIKE 'bad%'
      BEGIN SELECT RAISE(${how}, 'not that one'); END`)
    const ids = ['a', 'bad', 'c', 'bad too', 'e']
    const outcomes = await Promise.allSettled(ids.map((id) => store.create(id, record())))
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(read(database)).toEqual([{ id: 'a' }, { id: 'c' }, { id: 'e' }])
    expect(await store.create('f', record())).toBe(true)
    database.close()
  })

  test('are all answered where thousands of them fail', async () => {
    const path = newFile()
    const [store, other] = [sqliteStore(path), new DatabaseSync(path)]
    await Promise.all([store.create('a', record()), store.create('b', record())])
    other.exec("UPDATE sessions SET data = 'damaged' WHERE id = 'b'")
    const writes = Array.from({ length: 20_000 }, (_, index) =>
      store.patch(index % 4 === 0 ? 'a' : 'b', { now: 0, set: { [`n${index % 10}`]: '2' } }),
    )
    const outcomes = await Promise.allSettled(writes)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5000)
    expect(outcomes[1]).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('JSON') } })
    expect(Object.keys((await store.read('a'))?.values ?? {})).toEqual(['a', 'n0', 'n4', 'n8', 'n2', 'n6'])
    other.close()
    store.close?.()
  })

  test('wait once for another process, and fail together', async () => {
    const path = newFile()
    const store = sqliteStore({ path, busyTimeout: 50 })
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const started = performance.now()
    const outcomes = await Promise.allSettled([...'abcdefghij'].map((id) => store.create(id, record())))
    expect(performance.now() - started).toBeLessThan(400)
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.message)).toEqual(
      Array(10).fill('database is locked'),
    )
    other.exec('COMMIT')
    expect(await store.create('a', record())).toBe(true)
    other.close()
    store.close?.()
  })

  test('are done before the store closes', async () => {
    const path = newFile()
    const store = sqliteStore(path)
    const created = [store.create('a', record()), store.create('b', record())]
    store.close?.()
    expect(await Promise.all(created)).toEqual([true, true])
    const again = sqliteStore(path)
    expect(again.read('b')).toEqual(record())
    again.close?.()
  })
})

describe('reads that come together', () => {
  // The clock stands, so that no snapshot ends by its age.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }))
  afterEach(() => void vi.useRealTimers())

  /** Two stores on one file, and the bare database beside them, as another process has it. */
  async function opened() {
    const path = newFile()
    const [here, there] = [sqliteStore(path), sqliteStore(path)]
    await here.create('a', record())
    return { here, there, database: new DatabaseSync(path) }
  }

  test('see what another store of the process has answered, in the same turn', async () => {
    const { here, there } = await opened()
    const deleted = there.delete('a')
    for (let count = 0; count < 3; count++) expect(here.read('a')).not.toBeNull()
    expect(await deleted).toBe(true)
    expect(here.read('a')).toBeNull()
  })

  test('see what another process wrote, a millisecond later or in the next turn', async () => {
    const { here, database } = await opened()
    for (let count = 0; count < 3; count++) expect(here.read('a')).not.toBeNull()
    database.exec("UPDATE sessions SET user_id = 'bob'")
    expect(here.read('a')).toMatchObject({ userId: 'ann' })
    vi.advanceTimersByTime(1)
    expect(here.read('a')).toMatchObject({ userId: 'bob' })
    database.exec('DELETE FROM sessions')
    await new Promise(setImmediate)
    expect(here.read('a')).toBeNull()
  })

  test('leave no transaction open in a database that the app uses too', async () => {
    const database = new DatabaseSync(newFile())
    const store = sqliteStore({ database })
    await store.create('a', record())
    for (let count = 0; count < 3; count++) store.read('a')
    expect(() => database.exec('BEGIN; COMMIT')).not.toThrow()
  })

  test('never see less than what was answered, whoever wrote it and whenever it is read', async () => {
    const step = fc.record({
      by: fc.constantFrom('here', 'there'),
      does: fc.constantFrom('read', 'read', 'read', 'patch', 'delete', 'create', 'list', 'sweep', 'turn'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const path = newFile()
        const stores = { here: sqliteStore(path), there: sqliteStore(path) }
        let known: string | null = null
        for (const [index, { by, does }] of steps.entries()) {
          const [store, other] = by === 'here' ? [stores.here, stores.there] : [stores.there, stores.here]
          // Each write is under way while the other store reads.
          const during = <T>(write: PromiseLike<T> | T) => {
            for (let count = 0; count < 3; count++) other.read('a')
            return write
          }
          if (does === 'turn') await new Promise(setImmediate)
          if (does === 'sweep') await store.sweep?.(-1, 10)
          if (does === 'list') expect((await store.list?.({ limit: 9 }))?.length).toBe(known === null ? 0 : 1)
          if (does === 'create' && (await during(store.create('a', record())))) known = '1'
          if (does === 'delete' && (await during(store.delete('a')))) known = null
          const patch = { now: 0, set: { a: `${index}` } }
          if (does === 'patch' && (await during(store.patch('a', patch))) === 'applied') known = `${index}`
          for (const each of [store, other]) expect((await each.read('a'))?.values.a ?? null).toBe(known)
        }
        await stores.here.close?.()
        await stores.there.close?.()
      }),
      { numRuns: 200 },
    )
  })
})

/** As `node --permission` does. */
function refuseThreads() {
  const getBuiltinModule = process.getBuiltinModule
  const withoutThreads = (id: string) => {
    if (id === 'node:worker_threads') throw new Error('threads are not allowed')
    return getBuiltinModule(id)
  }
  return vi.spyOn(process, 'getBuiltinModule').mockImplementation(withoutThreads as typeof getBuiltinModule)
}

describe('checkpoints', () => {
  /** Writes enough that SQLite itself would make one at its usual thousand pages, and not at the backstop's eight. */
  async function writeMuch(store: SessionStore, prefix = ''): Promise<void> {
    const values = { a: JSON.stringify('x'.repeat(1000)) }
    for (let group = 0; group < 25; group++) {
      await Promise.all(
        Array.from({ length: 60 }, (_, n) => store.create(`${prefix}${group}-${n}`, record({ values }))),
      )
    }
  }
  const isInTheFile = (path: string) => vi.waitFor(() => expect(statSync(path).size).toBeGreaterThan(1_000_000), 5000)

  test('are made by a thread, which ends with the store', async () => {
    const path = newFile()
    const store = sqliteStore(path)
    await writeMuch(store)
    await isInTheFile(path)
    const database = new DatabaseSync(path)
    expect(database.prepare('SELECT count(*) AS count FROM sessions').get()).toEqual({ count: 1500 })
    database.close()
    await store.close?.()
    expect([existsSync(path), existsSync(`${path}-wal`), existsSync(`${path}-shm`)]).toEqual([true, false, false])
  })

  test('are made in place where no thread can be started', async () => {
    const spied = refuseThreads()
    const path = newFile()
    const store = sqliteStore(path)
    await writeMuch(store)
    for (let count = 0; count < 5; count++) await store.patch('0-0', { now: 0, set: { a: `${count}` } })
    await isInTheFile(path)
    await store.close?.()
    expect(spied).toHaveBeenCalledWith('node:worker_threads')
    spied.mockRestore()
  })

  test('keep the log from growing without end where others read without a pause', async () => {
    const path = newFile()
    const store = sqliteStore(path)
    // There is never a moment without a reader, and none reads for long.
    const readers = new Worker(
      `const { DatabaseSync } = require('node:sqlite')
      const { workerData } = require('node:worker_threads')
      const [one, other] = [0, 1].map(() => new DatabaseSync(workerData))
      const begin = (database) => database.exec('BEGIN; SELECT count(*) FROM sqlite_schema')
      let next = one
      begin(other)
      setInterval(() => {
        begin(next)
        next = next === one ? other : one
        next.exec('COMMIT')
      }, 2)`,
      { eval: true, workerData: path },
    )
    await once(readers, 'online')
    for (let round = 0; round < 15; round++) {
      await writeMuch(store, `${round}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { size } = statSync(`${path}-wal`)
    await readers.terminate()
    await store.close?.()
    expect(size).toBeLessThan(150_000_000)
  })

  test('do not keep the process from ending', async () => {
    const hrefOf = (path: string) => new URL(path, import.meta.url).href
    const program = `
      const { sqliteStore } = await import('${hrefOf('./sqlite.ts')}')
      const store = sqliteStore(process.argv[1])
      const record = { values: { a: '1' }, userId: null, createdAt: 0, expiresAt: 1 }
      for (let n = 0; n < 40; n++) await Promise.all(Array.from({ length: 50 }, (_, m) => store.create(n + '-' + m, record)))
      process.stdout.write('written')`
    const options = ['--import', hrefOf('../../test/torture/typescript.js'), '--input-type=module']
    const { stdout } = await promisify(execFile)(process.execPath, [...options, '-e', program, newFile()])
    expect(stdout).toBe('written')
  })
})

describe('a sweep of many', () => {
  const values = { a: '1' }
  async function withExpired(path: string, count: number): Promise<SessionStore> {
    const store = sqliteStore(path)
    await store.create('living', record({ expiresAt: 5000 }))
    const create = (_: unknown, n: number) => store.create(`expired-${n}`, record({ values, expiresAt: 1000 }))
    await Promise.all(Array.from({ length: count }, create))
    expect(await store.sweep?.(2000, 30)).toBe(30)
    return store
  }

  test('removes all of them and nothing else', async () => {
    const store = await withExpired(newFile(), 500)
    expect(await store.sweep?.(2000, 100)).toBe(100)
    expect(await store.sweep?.(2000, 1000)).toBe(370)
    expect(await store.sweep?.(2000, 1000)).toBe(0)
    expect((await store.list?.({ limit: 10 }))?.map(([id]) => id)).toEqual(['living'])
    await store.close?.()
  })

  test('lets this thread go on while it waits for the lock, and those who write likewise', async () => {
    const path = newFile()
    const store = await withExpired(path, 100)
    expect(await store.sweep?.(2000, 30)).toBe(30)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const swept = store.sweep?.(2000, 1000)
    const patched = store.patch('living', { now: 0, set: { a: '2' } })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(store.read('expired-99')).not.toBe(null)
    const [seen, listed] = [store.read('living'), store.list?.({ limit: 1000 })]
    // More than the store takes for a loop that never lets a turn end.
    for (let count = 0; count < 300; count++) store.read('expired-99')
    other.exec('COMMIT')
    other.close()
    expect(await Promise.all([swept, patched])).toEqual([40, 'applied'])
    const after = record({ expiresAt: 5000, values: { a: '2' } })
    expect(await Promise.all([seen, listed])).toEqual([after, expect.arrayContaining([['living', after]])])
    await store.close?.()
  })

  test('keeps the process going until it is made', async () => {
    const hrefOf = (path: string) => new URL(path, import.meta.url).href
    const program = `
      const { sqliteStore } = await import('${hrefOf('./sqlite.ts')}')
      const store = sqliteStore(process.argv[1])
      const record = { values: { a: '1' }, userId: null, createdAt: 0, expiresAt: 1 }
      await Promise.all(Array.from({ length: 2000 }, (_, n) => store.create('id-' + n, record)))
      const swept = [await store.sweep(2, 1000), await store.sweep(2, 1000)]
      process.stdout.write(swept.join())`
    const options = ['--import', hrefOf('../../test/torture/typescript.js'), '--input-type=module']
    const { stdout } = await promisify(execFile)(process.execPath, [...options, '-e', program, newFile()])
    expect(stdout).toBe('1000,1000')
  })

  test('lets each write go first that came meanwhile', async () => {
    const path = newFile()
    const store = await withExpired(path, 1500)
    const other = new DatabaseSync(path)
    const count = other.prepare('SELECT count(*) AS count FROM sessions')
    const counts = [1471]
    const swept = store.sweep?.(2000, 1000)
    for (let views = 0; views < 20; views++) {
      await store.patch('living', { now: 0, set: { views: `${views}` } })
      counts.push(Number(count.get()?.count))
    }
    expect(await swept).toBe(1000)
    const removedBetween = counts.slice(1).map((now, index) => (counts[index] as number) - now)
    expect(Math.max(...removedBetween)).toBeLessThanOrEqual(60)
    other.close()
    await store.close?.()
  })

  test('is made here where no thread can be started', async () => {
    const spied = refuseThreads()
    const store = await withExpired(newFile(), 100)
    expect(await store.sweep?.(2000, 1000)).toBe(70)
    expect(spied).toHaveBeenCalledWith('node:worker_threads')
    spied.mockRestore()
    await store.close?.()
  })

  test('ends with the store, which it does not keep open', async () => {
    const store = await withExpired(newFile(), 1500)
    const swept = store.sweep?.(2000, 1000)
    await store.close?.()
    expect(await swept).toBeLessThan(1000)
  })
})

describe('close', () => {
  test('closes what was opened here, and may be called again', () => {
    const store = sqliteStore(newFile())
    store.close?.()
    store.close?.()
    expect(() => store.read('a')).toThrow()
  })

  test('is not there for a database handed over', async () => {
    const database = new DatabaseSync(newFile())
    const store = sqliteStore({ database })
    expect(store.close).toBeUndefined()
    await store.create('a', record())
    expect(database.prepare('SELECT user_id FROM sessions').all()).toEqual([{ user_id: 'ann' }])
    database.close()
  })
})

describe('where the runtime has no SQLite', () => {
  afterEach(() => void vi.restoreAllMocks())

  test('a path is refused with what to install and what to write', () => {
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined)
    const path = newFile()
    expect(() => sqliteStore(path)).toThrow(expect.objectContaining({ code: 'client_missing' }))
    expect(() => sqliteStore(path)).toThrow('npm install libsql')
    expect(() => sqliteStore(path)).toThrow("sqliteStore({ database: new Database('sessions.db') })")
    expect(existsSync(path)).toBe(false)
  })

  test('a database handed over works', async () => {
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined)
    const store = sqliteStore({ database: new Libsql(newFile()) })
    expect(await store.create('a', record())).toBe(true)
  })
})

test('a database that gives rows as objects alone does as well, as Node 22.13 has it', async () => {
  const database = new DatabaseSync(newFile())
  const store = sqliteStore({
    database: {
      exec: (sql) => database.exec(sql),
      prepare(sql) {
        const statement = database.prepare(sql)
        return {
          get: (...parameters) => statement.get(...parameters),
          all: (...parameters) => statement.all(...parameters),
          run: (...parameters) => statement.run(...parameters),
        }
      },
    },
  })
  await store.create('a', record())
  expect(store.read('a')).toEqual(record())
  expect(store.read('b')).toBe(null)
  expect(store.list?.({ limit: 5 })).toEqual([['a', record()]])
  database.close()
})

test('a database that gives integers as bigint still gives times as numbers', async () => {
  const database = new BetterSqlite3(newFile()).defaultSafeIntegers()
  const store = sqliteStore({ database })
  expect(await store.create('a', record())).toBe(true)
  expect(await store.patch('a', { now: 0, expiresAt: 2000 })).toBe('applied')
  expect(store.read('a')).toEqual(record({ expiresAt: 2000 }))
  expect(store.sweep?.(2000, 10)).toBe(1)
  database.close()
})

test.each([
  [{}, '"path" must name a file'],
  ['', '"path" must name a file'],
  [undefined, '"path" must name a file'],
  [{ path: 5 }, '"path" must name a file'],
  [{ path: new URL('https://example.com/sessions.db') }, '"path" must name a file'],
  [new URL('file://another-machine/sessions.db'), '"path" must name a file'],
  ['file://another-machine/sessions.db', '"path" must name a file'],
  ['file:sessions.db?mode=ro', 'without parameters'],
  [{ path: 'a.db', database: {} }, 'not both'],
  [{ database: {} }, '"database" must be an open database of node:sqlite, better-sqlite3 or libsql'],
  [{ database: null }, '"database" must be an open database'],
  [{ path: 'a.db', durability: 'high' }, `"durability" must be 'normal' or 'full'`],
  [{ path: 'a.db', busyTimeout: -1 }, '"busyTimeout" must be a whole number of milliseconds'],
  [{ path: 'a.db', busyTimeout: 2 ** 31 }, '"busyTimeout" must be'],
  [{ path: 'a.db', busyTimeout: '5s' }, '"busyTimeout" must be'],
  [
    { path: 'a.db', timeout: 5 },
    '"timeout" is not an option; there are "path", "database", "durability" and "busyTimeout"',
  ],
])('refuses the options %j', (options, message) => {
  expect(() => sqliteStore(options as string)).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  expect(() => sqliteStore(options as string)).toThrow(message)
})

import { toConnectStore } from 'sojourn/express-session'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '../../test/harness/describe-with.js'
import { places } from '../../test/stores/places.js'
import { storeChecks } from '../conformance/store.js'
import { createSessions } from '../core/sessions.js'
import type { SessionRecord, SessionStore } from '../core/store.js'
import { encrypted } from './encrypted.js'
import { memoryStore } from './memory.js'

const secret = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'
const newSecret = 'q8Rz1LxVt6Kp3YwNb5Mc9HsJd2FgTaEu'
const now = 1_800_000_000_000
const day = 86_400_000
const record = (values: Record<string, string>, userId: string | null = null) => ({
  values,
  userId,
  createdAt: now,
  expiresAt: now + day,
})

await describeWith(['redis', 'postgres'], 'the contract', () => {
  for (const [name, { methods, shared, open }] of Object.entries(places)) {
    describe(`over ${name}`, () => {
      let place: Awaited<ReturnType<typeof open>>
      beforeAll(async () => {
        place = await open()
      })
      afterAll(() => place.close())
      const checks = storeChecks({
        makeStore: async (given) => encrypted(await place.makeStore(given), { secrets: secret }),
        methods,
        shared,
      })
      for (const { name: check, run } of checks) test(check, run)
    })
  }
})

describe('what is stored', () => {
  test('can be read by nobody without the secret, but for owner, times and the engine’s own values', async () => {
    const inner = memoryStore()
    const store = encrypted(inner, { secrets: secret })
    await store.create('a', record({ diary: '"dear diary"', __token: '"digest"' }, 'alice'))
    const stored = await inner.read('a')
    expect(stored).toMatchObject({ userId: 'alice', values: { __token: '"digest"' } })
    expect(JSON.stringify(stored)).not.toContain('dear')
    expect(await store.read('a')).toEqual(record({ diary: '"dear diary"', __token: '"digest"' }, 'alice'))
    expect((await store.list?.({ userId: 'alice', limit: 5 }))?.[0]?.[1].values.diary).toBe('"dear diary"')
  })

  test('has no value of the app in clear, whatever its name was before a bridge kept it', async () => {
    const inner = memoryStore()
    const bridge = toConnectStore(encrypted(inner, { secrets: secret }))
    const cookie = { originalMaxAge: null, path: '/', httpOnly: true }
    const call = (run: (done: (error: unknown, result?: unknown) => void) => void) =>
      new Promise((resolve, reject) => run((error, result) => (error ? reject(error) : resolve(result))))
    await call((done) => bridge.set('sid', { cookie, __diary: 'dear diary' } as never, done))
    expect(JSON.stringify(await inner.list?.({ limit: 5 }))).not.toContain('dear')
    expect(await call((done) => bridge.get('sid', done))).toMatchObject({ __diary: 'dear diary' })
  })

  test('cannot be moved to another session or another name, or replaced by plain text', async () => {
    const inner = memoryStore()
    const sessions = createSessions<{ role: string; note: string }>({
      store: encrypted(inner, { secrets: secret }),
      clock: () => now,
    })
    const admin = await sessions.create({ values: { role: 'admin', note: 'a' } })
    const guest = await sessions.create({ values: { role: 'guest', note: 'b' } })
    const rows = await Promise.all([admin, guest].map(({ session }) => inner.read(session.id)))
    const [adminRow, guestRow] = rows
    const attempts = [adminRow?.values.role, guestRow?.values.note, '"admin"', `${guestRow?.values.role}A`]
    for (const text of attempts) {
      await inner.patch(guest.session.id, { now, set: { role: text ?? '' } })
      const session = await sessions.load({ cookie: guest.cookie })
      expect(session.note).toBe('b')
      expect(() => session.role).toThrow(expect.objectContaining({ code: 'corrupt_value' }))
    }
  })

  test('is read beside one that somebody else wrote, which is no text', async () => {
    const inner = memoryStore()
    const store = encrypted(inner, { secrets: secret })
    await store.create('a', record({ x: '1' }))
    await inner.patch('a', { now, set: { y: 5 as unknown as string } })
    expect((await store.read('a'))?.values.x).toBe('1')
    expect(await store.list?.({ limit: 5 })).toHaveLength(1)
    expect(await store.patch('a', { now, set: { y: '6' }, when: { y: '5' } })).toBe('conflict')
  })

  test('is read also from rows that have it behind accessors of their prototype, as those of an ORM', async () => {
    class Row implements SessionRecord {
      readonly #record: SessionRecord
      constructor(record: SessionRecord) {
        this.#record = record
      }
      get values() {
        return this.#record.values
      }
      get userId() {
        return this.#record.userId
      }
      get createdAt() {
        return this.#record.createdAt
      }
      get expiresAt() {
        return this.#record.expiresAt
      }
    }
    const inner = memoryStore()
    const store = encrypted(
      {
        ...inner,
        read: async (id) => new Row((await inner.read(id)) as SessionRecord),
        list: async (page) => ((await inner.list?.(page)) ?? []).map(([id, found]) => [id, new Row(found)]),
      },
      { secrets: secret },
    )
    await store.create('a', record({ x: '1' }, 'alice'))
    expect(await store.read('a')).toEqual(record({ x: '1' }, 'alice'))
    expect(await store.list?.({ limit: 5 })).toEqual([['a', record({ x: '1' }, 'alice')]])
  })

  test('is read with each secret and written with the first', async () => {
    const inner = memoryStore()
    await encrypted(inner, { secrets: secret }).create('a', record({ x: '1', y: '2' }))
    const rotating = encrypted(inner, { secrets: [newSecret, secret] })
    expect(await rotating.patch('a', { now, set: { x: '3' }, when: { y: '2' } })).toBe('applied')
    expect((await rotating.read('a'))?.values).toEqual({ x: '3', y: '2' })
    expect((await encrypted(inner, { secrets: newSecret }).read('a'))?.values.x).toBe('3')
  })

  test.each([
    ['the new secret is added', [secret], [secret, newSecret]],
    ['it comes first', [secret, newSecret], [newSecret, secret]],
    ['the old one goes', [newSecret, secret], [newSecret]],
  ])('is read and compared by each of two processes while %s', async (_, before, after) => {
    const inner = memoryStore()
    const processes = [before, after].map((secrets) => encrypted(inner, { secrets }))
    for (const [index, writer] of processes.entries()) {
      const id = `by ${index}`
      await writer.create(id, record({ n: '0' }))
      for (const [turn, process] of [...processes, ...processes].entries()) {
        expect((await process.read(id))?.values.n).toBe(`${turn}`)
        expect(await process.patch(id, { now, set: { n: `${turn + 1}` }, when: { n: `${turn}` } })).toBe('applied')
      }
    }
  })

  test('before encryption was introduced is read only where that was said', async () => {
    const inner = memoryStore()
    await inner.create('a', record({ x: '1' }))
    expect((await encrypted(inner, { secrets: secret, acceptPlaintext: true }).read('a'))?.values).toEqual({ x: '1' })
    expect((await encrypted(inner, { secrets: secret }).read('a'))?.values.x).not.toBe('1')
  })
})

test('a counter is exact also from two processes', async () => {
  const inner = memoryStore()
  const make = () => createSessions<{ n: number }>({ store: encrypted(inner, { secrets: secret }) })
  const [one, two] = [make(), make()]
  const { cookie } = await one.create({ values: { n: 0 } })
  const add = async (sessions: typeof one) => (await sessions.load({ cookie })).update('n', (n = 0) => n + 1)
  await Promise.all(Array.from({ length: 60 }, (_, index) => add(index % 2 ? one : two)))
  expect((await one.load({ cookie })).n).toBe(60)
})

test('a weak secret is refused, and none', () => {
  expect(() => encrypted(memoryStore(), undefined as never)).toThrow(/^secrets must be a text/)
  expect(() => encrypted(memoryStore(), { secrets: 'keyboard cat' })).toThrow(/everybody knows/)
})

test.each<[unknown, object, RegExp]>([
  [
    memoryStore(),
    { acceptPlainText: true },
    /"acceptPlainText" is not an option; there are "secrets" and "acceptPlaintext"/,
  ],
  [memoryStore(), { acceptPlaintext: 'false' }, /"acceptPlaintext" must be true or false/],
  [memoryStore, {}, /its first argument must be a store/],
  [undefined, {}, /its first argument must be a store/],
])('encrypted(%s, %j) is refused', (store, options, message) => {
  expect(() => encrypted(store as SessionStore, { secrets: secret, ...options })).toThrow(message)
})

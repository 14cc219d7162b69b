import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { storeChecks } from '../conformance/store.js'
import type { ListPage, SessionRecord, SessionStore } from '../core/store.js'
import { memoryStore } from './memory.js'

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  values: {},
  userId: null,
  createdAt: 0,
  expiresAt: 1000,
  ...change,
})

const listOf = (store: SessionStore, page: ListPage) => store.list?.(page) as [string, SessionRecord][]

describe('the contract', () => {
  const checks = storeChecks({ makeStore: () => memoryStore(), methods: ['list', 'sweep'], shared: false })
  for (const { name, run } of checks) test(name, run)

  test('any sequence of calls answers as the model does', () => expectLikeTheModel(() => memoryStore()))
})

test('answers at once, never with a promise', () => {
  const store = memoryStore()
  expect(store.create('a', record())).toBe(true)
  expect(store.read('a')).toEqual(record())
  expect(store.patch('a', { now: 0, expiresAt: 2000 })).toBe('applied')
  expect(store.list?.({ limit: 1 })).toEqual([['a', record({ expiresAt: 2000 })]])
  expect(store.sweep?.(0, 1)).toBe(0)
  expect(store.delete('a')).toBe(true)
})

test.each([1, 7, 2999, 3000, 100_000])('lists many in order, %i at a time', (limit) => {
  const store = memoryStore()
  const ids = Array.from({ length: 3000 }, (_, index) => `${(index * 7919) % 3000}`.padStart(4, '0'))
  for (const id of ids) store.create(id, record())
  const listed: string[] = []
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = listOf(store, { limit, after })
    expect(page.length).toBeLessThanOrEqual(limit)
    listed.push(...page.map(([id]) => id))
    after = page.at(-1)?.[0]
  }
  expect(listed).toEqual(ids.sort())
})

describe('when it is full', () => {
  const idsIn = (store: SessionStore) => listOf(store, { limit: 1000 }).map(([id]) => id)

  test('a new session evicts the one that expires soonest', () => {
    const store = memoryStore({ maxSessions: 3 })
    for (const [id, expiresAt] of [
      ['a', 3000],
      ['b', 1000],
      ['c', 2000],
    ] as const)
      store.create(id, record({ expiresAt }))
    store.create('d', record({ expiresAt: 500 }))
    expect(idsIn(store)).toEqual(['a', 'c', 'd'])
    store.create('e', record({ expiresAt: 4000 }))
    expect(idsIn(store)).toEqual(['a', 'c', 'e'])
  })

  test('a session that was used meanwhile stays', () => {
    const store = memoryStore({ maxSessions: 2 })
    store.create('a', record({ expiresAt: 1000, userId: 'ann' }))
    store.create('b', record({ expiresAt: 2000, userId: 'ann' }))
    store.patch('a', { now: 0, expiresAt: 3000 })
    store.create('c', record())
    expect(idsIn(store)).toEqual(['a', 'c'])
    expect(store.list?.({ userId: 'ann', limit: 10 })).toHaveLength(1)
  })

  test('an id that is taken evicts nobody', () => {
    const store = memoryStore({ maxSessions: 2 })
    for (const id of ['a', 'b']) store.create(id, record())
    expect(store.create('b', record())).toBe(false)
    expect(idsIn(store)).toEqual(['a', 'b'])
  })

  test('whatever happened before, the latest to expire are left', () => {
    const moves = fc.array(
      fc.record({
        id: fc.integer({ min: 0, max: 9 }),
        to: fc.nat(100),
        act: fc.constantFrom('move', 'delete', 'create'),
      }),
    )
    const property = fc.property(moves, fc.integer({ min: 1, max: 10 }), (steps, newcomers) => {
      const store = memoryStore({ maxSessions: 10 })
      const expiries = new Map<number, number>()
      for (const { id, to, act } of steps) {
        if (act === 'delete' && store.delete(`${id}`)) expiries.delete(id)
        if (act === 'create' && store.create(`${id}`, record({ expiresAt: to }))) expiries.set(id, to)
        if (act === 'move' && store.patch(`${id}`, { now: -1, expiresAt: to }) === 'applied') expiries.set(id, to)
      }
      const before = [...expiries.values()].sort((a, b) => a - b)
      for (let index = 0; index < newcomers; index++) store.create(`new-${index}`, record({ expiresAt: 200 + index }))
      const left = listOf(store, { limit: 100 })
      const old = left.filter(([id]) => !id.startsWith('new')).map(([, { expiresAt }]) => expiresAt)
      const evicted = Math.max(0, before.length + newcomers - 10)
      expect(old.sort((a, b) => a - b)).toEqual(before.slice(evicted))
    })
    fc.assert(property)
  })
})

test('sessions that are gone are not remembered', () => {
  const store = memoryStore()
  for (let index = 0; index < 1000; index++)
    store.create(`${index}`, record({ userId: `user ${index}`, expiresAt: index }))
  expect(store.sweep?.(499, 1000)).toBe(500)
  for (let index = 500; index < 1000; index++) expect(store.delete(`${index}`)).toBe(true)
  expect(store.list?.({ limit: 1 })).toEqual([])
  for (let index = 0; index < 1000; index++) expect(store.list?.({ userId: `user ${index}`, limit: 1 })).toEqual([])
})

test.each([
  [{ maxSessions: 0 }, '"maxSessions" must be a whole number from 1'],
  [{ maxSessions: 1.5 }, '"maxSessions" must be'],
  [{ maxSessions: Number.NaN }, '"maxSessions" must be'],
  [{ maxSessions: '10' }, '"maxSessions" must be'],
  [{ max: 10 }, '"max" is not an option; there is "maxSessions"'],
])('refuses the options %j', (options, message) => {
  expect(() => memoryStore(options as object)).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  expect(() => memoryStore(options as object)).toThrow(message)
})

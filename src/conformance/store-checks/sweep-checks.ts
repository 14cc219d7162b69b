import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SessionStore } from '../../core/store.js'
import { assertReads, created, day, idOf, listPage, patchOf, readBack, type StoreCheck } from './bench.js'

/** `sweep`, where a store has it. */
export const sweepChecks = {
  async 'sweep: takes what expired by then, and nothing that lives'({ store, peer }) {
    const now = Date.now()
    assert.equal(await sweep(store, now, 10), 0, 'the sweep of an empty store')
    const living = await created(store, idOf('living'), {
      userId: 'ann',
      createdAt: now - 30 * day,
      expiresAt: now + day,
    })
    const justLiving = await created(store, idOf('just-living'), { expiresAt: now + 1 })
    await created(store, idOf('just-expired'), { expiresAt: now, userId: 'ann' })
    await created(store, idOf('expired'), { expiresAt: now - day, userId: 'ann' })
    assert.equal(await sweep(peer, now, 10), 2)
    assert.equal(await store.read(idOf('just-expired')), null)
    assert.equal(await store.read(idOf('expired')), null)
    await assertReads(store, idOf('living'), living)
    await assertReads(store, idOf('just-living'), justLiving)
    assert.equal(await sweep(store, now, 10), 0, 'a second sweep')
    assert.equal(await sweep(store, now + 1, 10), 1, 'a sweep a millisecond later')
    await assertReads(store, idOf('living'), living)
  },

  async 'sweep: takes no more than it is asked to, and the rest by and by'({ store }) {
    const now = Date.now()
    for (let index = 0; index < 7; index++) await created(store, idOf(index), { expiresAt: now - index * 1000 })
    const living = await created(store, idOf('living'))
    const left = async () => {
      const records = await Promise.all([0, 1, 2, 3, 4, 5, 6].map((index) => readBack(store, idOf(index))))
      return records.filter((record) => record !== null).length
    }
    for (const [limit, swept, remaining] of [
      [3, 3, 4],
      [1, 1, 3],
      [2, 2, 1],
      [2, 1, 0],
      [2, 0, 0],
    ] as const) {
      assert.equal(await sweep(store, now, limit), swept, `swept of at most ${limit}`)
      assert.equal(await left(), remaining, `left after a sweep of at most ${limit}`)
    }
    await assertReads(store, idOf('living'), living)
  },

  async 'sweep: goes by the expiry as it is now'({ store, peer }) {
    const now = Date.now()
    const later = await created(store, idOf('later'), { expiresAt: now + 1000 })
    await created(store, idOf('earlier'), { expiresAt: now + day })
    const kept = await created(store, idOf('kept'), { expiresAt: now + day })
    await store.patch(idOf('later'), { now, expiresAt: now + day })
    await store.patch(idOf('earlier'), { now, expiresAt: now + 1000 })
    await store.patch(idOf('kept'), { now, set: { a: '1' } })
    assert.equal(await sweep(peer, now + 2000, 10), 1)
    await assertReads(store, idOf('later'), later, { expiresAt: now + day })
    assert.equal(await store.read(idOf('earlier')), null)
    await assertReads(store, idOf('kept'), kept, { values: { ...kept.values, a: '1' } })
  },

  async 'sweep: what was swept is gone for good'({ store }) {
    const now = Date.now()
    await created(store, idOf(1), { expiresAt: now, userId: 'ann', values: { old: '1' } })
    assert.equal(await sweep(store, now, 1), 1)
    assert.equal(await store.patch(idOf(1), patchOf({ expiresAt: now + day })), 'absent')
    assert.equal(await store.delete(idOf(1)), false)
    if (store.list) assert.deepEqual(await listPage(store, { userId: 'ann', limit: 10 }), [])
    const record = await created(store, idOf(1), { values: { new: '1' } })
    await assertReads(store, idOf(1), record, {}, 'a record of the same id')
    if (store.list) assert.deepEqual(await listPage(store, { userId: 'ann', limit: 10 }), [])
  },

  async 'sweep: leaves a record that is given more time meanwhile'({ store, peer }) {
    for (let round = 0; round < 8; round++) {
      const now = Date.now()
      const ids = Array.from({ length: 8 }, (_, index) => idOf(`${round}-${index}`))
      const records = await Promise.all(ids.map((id) => created(store, id, { expiresAt: now })))
      // Each of them a turn later than the one before, to come between whatever steps a sweep has.
      const extend = async (id: string, turns: number) => {
        for (let turn = 0; turn < turns; turn++) await nextTurn()
        return (turns % 2 ? peer : store).patch(id, { now: now - 1, expiresAt: now + day })
      }
      const sweeping = sweep(round % 2 ? peer : store, now, ids.length)
      const [, ...outcomes] = await Promise.all([sweeping, ...ids.map(extend)])
      for (const [index, before] of records.entries()) {
        const id = ids[index] as string
        if (outcomes[index] === 'applied') await assertReads(store, id, before, { expiresAt: now + day })
        else assert.deepEqual([outcomes[index], await store.read(id)], ['absent', null], 'a patch beside a sweep')
      }
    }
  },

  async 'sweep: several at once take each record once'({ store, peer }) {
    const now = Date.now()
    for (let index = 0; index < 20; index++) await created(store, idOf(index), { expiresAt: now })
    const living = await created(store, idOf('living'))
    const swept = await Promise.all([0, 1, 2, 3, 4, 5].map(async (index) => sweep(index % 2 ? peer : store, now, 10)))
    const rest = await sweep(store, now, 100)
    assert.equal(
      swept.reduce((total, count) => total + count, rest),
      20,
    )
    await assertReads(store, idOf('living'), living)
  },
} satisfies Record<string, StoreCheck>

async function sweep(store: SessionStore, before: number, limit: number): Promise<number> {
  assert.ok(store.sweep, 'the store has no sweep')
  return store.sweep(before, limit)
}

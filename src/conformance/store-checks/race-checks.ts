import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SessionRecord } from '../../core/store.js'
import {
  assertReads,
  created,
  day,
  idOf,
  patchOf,
  plain,
  readBack,
  recordOf,
  type StoreBench,
  type StoreCheck,
} from './bench.js'

const writers = Array.from({ length: 8 }, (_, index) => index)
const rounds = Array.from({ length: 8 }, (_, index) => index)

/** Several callers at once, half of them through another store over the same records. */
export const raceChecks = {
  async 'race: writers of different values all keep their change'(bench) {
    for (const round of rounds) {
      const before = await created(bench.store, idOf(round), { values: { kept: '0', gone: '1' } })
      const outcomes = await allAtOnce((writer) => {
        const set = { [`by ${writer}`]: String(round) }
        return at(bench, writer).patch(idOf(round), patchOf(writer === 0 ? { set, unset: ['gone'] } : { set }))
      })
      assert.deepEqual(outcomes, Array(writers.length).fill('applied'))
      const values = Object.fromEntries(writers.map((writer) => [`by ${writer}`, String(round)]))
      await assertReads(bench.store, idOf(round), before, { values: { kept: '0', ...values } })
    }
  },

  async 'race: a move of the expiry and a change of user lose no value'(bench) {
    for (const round of rounds) {
      const before = await created(bench.store, idOf(round), { values: {} })
      const expiresAt = before.expiresAt + day
      const outcomes = await allAtOnce((writer) => {
        const change =
          writer % 4 === round % 4
            ? { expiresAt }
            : writer % 4 === (round + 2) % 4
              ? { userId: 'ann' }
              : { set: { [writer]: '1' } }
        return at(bench, writer).patch(idOf(round), patchOf(change))
      })
      assert.deepEqual(outcomes, Array(writers.length).fill('applied'))
      const values = Object.fromEntries(
        writers.filter((writer) => writer % 2 !== round % 2).map((writer) => [writer, '1']),
      )
      await assertReads(bench.store, idOf(round), before, { values, expiresAt, userId: 'ann' })
    }
  },

  async 'race: of writers with the same `when`, one wins'(bench) {
    const before = await created(bench.store, idOf(1), { values: {} })
    let last: string | null = null
    for (const round of rounds) {
      const outcomes = await allAtOnce((writer) => {
        const set = { seat: JSON.stringify(`${round} ${writer}`), [`by ${writer}`]: String(round) }
        return at(bench, writer).patch(idOf(1), patchOf({ set, when: { seat: last } }))
      })
      const winner = outcomes.indexOf('applied')
      assert.deepEqual(
        outcomes,
        writers.map((writer) => (writer === winner ? 'applied' : 'conflict')),
      )
      const record = await readBack(bench.store, idOf(1))
      last = record?.values.seat ?? null
      assert.equal(last, JSON.stringify(`${round} ${winner}`))
      const marked = writers.filter((writer) => record?.values[`by ${writer}`] === String(round))
      assert.deepEqual(marked, [winner], 'whose other values were written')
    }
    await assertReads(bench.store, idOf(1), before, { values: (await readBack(bench.store, idOf(1)))?.values ?? {} })
  },

  async 'race: a counter kept by compare and set is exact'(bench) {
    const before = await created(bench.store, idOf(1), { values: { count: '0', other: '1' } })
    await allAtOnce(async (writer) => {
      const store = at(bench, writer)
      for (let added = 0, tries = 0; added < 5; tries++) {
        assert.ok(tries < 1000, 'one of those who compare with what they have just read gets through')
        const count = (await store.read(idOf(1)))?.values.count ?? 'missing'
        const outcome = await store.patch(
          idOf(1),
          patchOf({ set: { count: String(Number(count) + 1) }, when: { count } }),
        )
        assert.notEqual(outcome, 'absent')
        if (outcome === 'applied') added++
      }
    })
    await assertReads(bench.store, idOf(1), before, { values: { count: String(5 * writers.length), other: '1' } })
  },

  async 'race: of creates of one id, one wins'(bench) {
    for (const round of rounds) {
      const records = writers.map((writer) => recordOf({ values: { [`by ${writer}`]: '1' }, userId: `user ${writer}` }))
      const outcomes = await allAtOnce((writer) =>
        at(bench, writer).create(idOf(round), records[writer] as SessionRecord),
      )
      const winner = outcomes.indexOf(true)
      assert.deepEqual(
        outcomes,
        writers.map((writer) => writer === winner),
      )
      await assertReads(bench.store, idOf(round), records[winner] as SessionRecord)
    }
  },

  async 'race: a reader never sees half of a create'(bench) {
    for (const round of rounds) {
      const record = recordOf({ values: { a: '1', b: '2' }, userId: 'ann' })
      let creating = true
      await allAtOnce(async (writer) => {
        const store = at(bench, writer)
        if (writer === round) {
          await created(store, idOf(round), record).finally(() => {
            creating = false
          })
        }
        while (creating) {
          const found = await readBack(store, idOf(round))
          if (found !== null) assert.deepEqual(found, plain(record), 'what was read before the create had answered')
          await nextTurn()
        }
      })
      await assertReads(bench.store, idOf(round), record)
    }
  },

  async 'race: no late write revives what was deleted'(bench) {
    for (const round of rounds) {
      const { expiresAt } = await created(bench.store, idOf(round), { userId: 'ann' })
      const late = [{ set: { late: '1' } }, { expiresAt: expiresAt + day }, { userId: 'bob' }, { unset: ['kept'] }, {}]
      const outcomes = await allAtOnce((writer) => {
        if (writer === round) return at(bench, writer).delete(idOf(round))
        return at(bench, writer).patch(idOf(round), patchOf(late[writer % late.length] ?? {}))
      })
      for (const [writer, outcome] of outcomes.entries()) {
        if (writer === round) assert.equal(outcome, true, 'the delete')
        else assert.ok(outcome === 'applied' || outcome === 'absent', `a patch beside a delete: ${outcome}`)
      }
      assert.equal(await bench.store.read(idOf(round)), null)
      assert.equal(await bench.store.patch(idOf(round), patchOf({ set: { later: '1' } })), 'absent')
    }
  },

  async 'race: of deletes of one id, one finds it'(bench) {
    for (const round of rounds) {
      await created(bench.store, idOf(round))
      const outcomes = await allAtOnce((writer) => at(bench, writer).delete(idOf(round)))
      assert.equal(outcomes.filter((found) => found).length, 1)
    }
  },

  async 'race: a reader never sees half of a patch'(bench) {
    const before = await created(bench.store, idOf(1), { values: { a: '0', b: '0' } })
    await allAtOnce(async (writer) => {
      const store = at(bench, writer)
      for (let step = 1; step <= 5; step++) {
        const text = `${writer * 5 + step}`
        if (writer % 2)
          await store.patch(idOf(1), patchOf({ set: { a: text, b: text }, expiresAt: before.expiresAt + Number(text) }))
        const record = await readBack(store, idOf(1))
        assert.equal(record?.values.a, record?.values.b)
        assert.equal(record?.expiresAt, before.expiresAt + Number(record?.values.a))
      }
    })
  },
} satisfies Record<string, StoreCheck>

function at({ store, peer }: StoreBench, writer: number) {
  return writer % 2 ? peer : store
}

/** Starts all writers before the first is awaited. */
function allAtOnce<T>(work: (writer: number) => PromiseLike<T> | T): Promise<T[]> {
  return Promise.all(writers.map(async (writer) => work(writer)))
}

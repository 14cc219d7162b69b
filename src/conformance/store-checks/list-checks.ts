import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SessionRecord } from '../../core/store.js'
import {
  created,
  day,
  expired,
  idOf,
  listAll,
  listPage,
  patchOf,
  plain,
  recordOf,
  type StoreBench,
  type StoreCheck,
} from './bench.js'
import { lookalikes } from './odd-texts.js'

/** Ids whose order a loose collation, or one by number, gets wrong. In ascending order, byte for byte. */
const orderedIds = '-a 0 00 10 2 A B Z Za _ __ _a a aA a_ aa b z zz'.split(' ')

/** `list`, where a store has it. */
export const listChecks = {
  async 'list: all sessions, in ascending order of id, in pages of any size'({ store, peer }) {
    assert.deepEqual(await listPage(store, { limit: 10 }), [], 'the list of an empty store')
    const shuffled = [...orderedIds].sort((a, b) => a.length - b.length || (a < b ? 1 : -1))
    const records = new Map<string, SessionRecord>()
    for (const [index, id] of shuffled.entries()) {
      records.set(
        id,
        await created(store, id, { values: { index: `${index}` }, userId: index % 3 ? `user ${index % 3}` : null }),
      )
    }
    for (const limit of [1, 2, 5, orderedIds.length, orderedIds.length + 1, 1000]) {
      const found = await listAll(peer, { limit })
      assert.deepEqual([...found.keys()], orderedIds, `in pages of ${limit}`)
      for (const [id, record] of found) assert.deepEqual(plain(record), records.get(id), `the record of ${id}`)
    }
  },

  async 'list: a page is as full as it was asked to be, also of large records'({ store, peer, maxValueBytes }) {
    const text = JSON.stringify('l'.repeat(Math.min(60_000, maxValueBytes) - 2))
    const ids = Array.from({ length: 520 }, (_, index) => idOf(1000 + index))
    // Twenty in a page of 200, which together are more than a megabyte.
    const large = new Set(ids.filter((_, index) => index % 10 === 0))
    for (let first = 0; first < ids.length; first += 20) {
      const batch = ids.slice(first, first + 20)
      await Promise.all(
        batch.map((id) => created(store, id, { userId: 'ann', ...(large.has(id) && { values: { text } }) })),
      )
    }
    for (const limit of [200, 500]) {
      for (const page of [{ limit }, { limit, userId: 'ann' }]) {
        const found = await listAll(peer, page)
        assert.equal(found.size, ids.length, `found before a page had less than the ${limit} that were asked for`)
        assert.deepEqual([...found.keys()], ids, `in pages of ${limit}`)
        for (const id of large) assert.ok(found.get(id)?.values.text === text, `the value of ${id}`)
      }
    }
  },

  async 'list: a page starts after an id, whether it is there or not'({ store }) {
    for (const id of ['a', 'c', 'e', 'g']) await created(store, id, { userId: 'ann' })
    for (const userId of [{}, { userId: 'ann' }]) {
      const idsAfter = async (after: string, limit: number) =>
        (await listPage(store, { ...userId, after, limit })).map(([id]) => id)
      assert.deepEqual(await idsAfter('a', 2), ['c', 'e'])
      assert.deepEqual(await idsAfter('b', 2), ['c', 'e'])
      assert.deepEqual(await idsAfter('A', 2), ['a', 'c'])
      assert.deepEqual(await idsAfter('e', 2), ['g'])
      assert.deepEqual(await idsAfter('g', 2), [])
    }
    await store.delete('c')
    for (const userId of [{}, { userId: 'ann' }]) {
      const page = await listPage(store, { ...userId, after: 'c', limit: 2 })
      assert.deepEqual(
        page.map(([id]) => id),
        ['e', 'g'],
        'after an id that was deleted',
      )
    }
  },

  async 'list: by user gives the sessions of that user and no other'({ store, peer }) {
    const records = new Map<string, SessionRecord>()
    await created(store, idOf('anonymous'))
    for (const [index, userId] of [
      ...lookalikes,
      'null',
      'al',
      '%',
      '*',
      'alice*',
      '',
      '__proto__',
      'x'.repeat(255),
    ].entries()) {
      if (userId === '') continue
      for (const nth of ['first', 'second']) {
        const id = idOf(`${nth}-${index}`)
        records.set(id, await created(store, id, { userId, values: { index: String(index) } }))
      }
    }
    for (const userId of new Set([...records.values()].map((record) => record.userId as string))) {
      for (const limit of [1, 2, 100]) {
        const expected = new Map([...records].filter(([, record]) => record.userId === userId))
        const found = await listAll(peer, { userId, limit })
        assert.deepEqual(plainMap(found), expected, `the sessions of ${JSON.stringify(userId)}`)
      }
    }
    assert.deepEqual(await listPage(store, { userId: 'nobody', limit: 10 }), [])
  },

  async 'list: by user follows every change of user'({ store, peer }) {
    const idsOf = async (userId: string) => [...(await listAll(peer, { userId, limit: 2 })).keys()]
    const [one, two] = [idOf(1), idOf(2)]
    await created(store, one)
    await created(store, two, { userId: 'ann' })
    assert.deepEqual(await idsOf('ann'), [two])
    await store.patch(one, patchOf({ userId: 'ann', set: { signedIn: '1' } }))
    assert.deepEqual(await idsOf('ann'), [one, two], 'after a sign-in')
    await store.patch(one, patchOf({ userId: 'ann' }))
    assert.deepEqual(await idsOf('ann'), [one, two], 'after a second sign-in of the same user')
    await store.patch(two, patchOf({ userId: 'bob' }))
    assert.deepEqual([await idsOf('ann'), await idsOf('bob')], [[one], [two]], 'after a change of user')
    await store.patch(one, patchOf({ set: { a: '1' } }))
    await store.patch(one, patchOf({ expiresAt: Date.now() + 2 * day }))
    assert.deepEqual(await idsOf('ann'), [one], 'after patches that do not name the user')
    await store.patch(one, patchOf({ userId: null }))
    assert.deepEqual(await idsOf('ann'), [], 'after a sign-out')
    await store.patch(two, patchOf({ userId: 'ann' }))
    await store.patch(one, patchOf({ userId: 'ann' }))
    assert.deepEqual([await idsOf('ann'), await idsOf('bob')], [[one, two], []], 'after both came back')
    assert.deepEqual([...(await listAll(peer, { limit: 1 })).keys()], [one, two], 'all sessions')
  },

  async 'list: a refused write lists nobody elsewhere'({ store }) {
    const { expiresAt } = await created(store, idOf(1), { userId: 'ann' })
    await store.create(idOf(1), recordOf({ userId: 'bob' }))
    await store.patch(idOf(1), patchOf({ userId: 'bob', when: { kept: null } }))
    await store.patch(idOf(1), { userId: 'bob', now: expiresAt })
    await store.patch(idOf(2), patchOf({ userId: 'bob' }))
    assert.deepEqual(await listPage(store, { userId: 'bob', limit: 10 }), [])
    assert.deepEqual([...(await listAll(store, { userId: 'ann', limit: 10 })).keys()], [idOf(1)])
    assert.deepEqual([...(await listAll(store, { limit: 10 })).keys()], [idOf(1)])
  },

  async 'list: what was deleted is gone, and does not shorten a page'({ store, peer }) {
    for (const index of [1, 2, 3, 4, 5, 6, 7, 8]) await created(store, idOf(index), { userId: 'ann' })
    for (const index of [1, 2, 3, 5, 6]) await peer.delete(idOf(index))
    for (const userId of [{}, { userId: 'ann' }]) {
      const ids = async (after: string | undefined, limit: number) =>
        (await listPage(store, { ...userId, ...(after === undefined ? {} : { after }), limit })).map(([id]) => id)
      assert.deepEqual(await ids(undefined, 2), [idOf(4), idOf(7)])
      assert.deepEqual(await ids(idOf(4), 2), [idOf(7), idOf(8)])
    }
    await created(store, idOf(5), { userId: 'bob' })
    assert.deepEqual(
      [...(await listAll(store, { userId: 'ann', limit: 1 })).keys()],
      [4, 7, 8].map(idOf),
      'an id used again',
    )
    assert.deepEqual([...(await listAll(store, { userId: 'bob', limit: 1 })).keys()], [idOf(5)])
  },

  async 'list: what has expired, shown or not, does not shorten a page'({ store, peer }) {
    const gone = [1, 2, 4].map(idOf)
    const living = [3, 5, 6].map(idOf)
    for (const id of gone) await created(store, id, { ...expired(), userId: 'ann' })
    for (const id of living) await created(store, id, { userId: 'ann' })
    for (const page of [{ limit: 2 }, { limit: 2, userId: 'ann' }]) {
      const found = [...(await listAll(peer, page)).keys()].filter((id) => !gone.includes(id))
      assert.deepEqual(found, living, 'the living that were found before a page had less than two')
    }
  },

  async 'list: what it returns belongs to the caller'({ store }) {
    const before = await created(store, idOf(1), { userId: 'ann', values: { a: '1' } })
    for (const page of [{ limit: 10 }, { limit: 10, userId: 'ann' }]) {
      const entries = (await store.list?.(page)) ?? []
      assert.deepEqual(plain(entries[0]?.[1] ?? null), before)
      for (const [, record] of entries) {
        Object.assign(record.values, { a: '"changed"', b: '"added"' })
        Object.assign(record, { userId: 'bob', expiresAt: 0 })
      }
      entries.length = 0
      assert.deepEqual(plainMap(await listAll(store, { limit: 10 })), new Map([[idOf(1), before]]))
    }
  },

  async 'list: never misses a session that lives, while others write'(bench) {
    const living = Array.from({ length: 12 }, (_, index) => idOf(index * 2 + 10))
    for (const id of living) await created(bench.store, id, { userId: 'ann' })
    let writing = true
    const misses: string[] = []
    const list = async (userId?: string) => {
      while (writing) {
        const found = await listAll(bench.store, { limit: 5, ...(userId !== undefined && { userId }) })
        for (const id of living) if (!found.has(id)) misses.push(id)
        // Where `list` answers at once, nobody else would get a turn.
        await nextTurn()
      }
    }
    const listing = Promise.all([list(), list('ann')])
    // It is waited for when the writers are done.
    listing.catch(() => {})
    await writeBeside(bench, living).finally(() => {
      writing = false
    })
    await listing
    assert.deepEqual(misses, [])
  },

  async 'list: finds what is created and signed in at the same time'(bench) {
    for (let round = 0; round < 8; round++) {
      const userId = `user ${round}`
      const ids = Array.from({ length: 8 }, (_, index) => idOf(`${round}-${index}`))
      await created(bench.store, ids[0] as string)
      await Promise.all(
        ids.map(async (id, index) => {
          const store = index % 2 ? bench.peer : bench.store
          if (index === 0) await store.patch(id, patchOf({ userId }))
          else await store.create(id, recordOf({ userId }))
        }),
      )
      assert.deepEqual([...(await listAll(bench.store, { userId, limit: 3 })).keys()], ids)
    }
  },
} satisfies Record<string, StoreCheck>

function plainMap(records: Map<string, SessionRecord>): Map<string, SessionRecord | null> {
  return new Map([...records].map(([id, record]) => [id, plain(record)]))
}

/** Changes the living in every way that leaves them the user's, and lets others come and go between them. */
async function writeBeside({ store, peer }: StoreBench, living: string[]): Promise<void> {
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      living.map(async (id, index) => {
        const writer = index % 2 ? peer : store
        const passing = idOf(index * 2 + 11)
        await writer.create(passing, recordOf({ userId: index % 3 ? 'ann' : 'bob' }))
        const changes = [
          { set: { round: String(round) } },
          { expiresAt: Date.now() + (round + 1) * day },
          { userId: 'ann', set: { signedIn: String(round) } },
        ]
        await writer.patch(id, patchOf(changes[(index + round) % 3] ?? {}))
        await writer.patch(passing, patchOf({ userId: 'ann' }))
        await writer.delete(passing)
      }),
    )
  }
}

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionPatch } from '../../core/store.js'
import { assertReads, created, day, idOf, patchOf, type StoreBench, type StoreCheck } from './bench.js'

/** A change of everything that a patch can change, to see that a refused one changes nothing. */
const everything = { set: { kept: '"other"', added: '1' }, userId: 'mallory' } satisfies Partial<SessionPatch>

/** `patch`, one caller at a time. */
export const patchChecks = {
  async 'patch sets values and keeps the others'({ store, peer }) {
    const before = await created(store, idOf(1), { values: { a: '1', b: '2' }, userId: 'ann' })
    const untouched = await created(store, idOf(2), { values: { a: '1' } })
    assert.equal(await peer.patch(idOf(1), patchOf({ set: { b: '3', c: '4' } })), 'applied')
    await assertReads(store, idOf(1), before, { values: { a: '1', b: '3', c: '4' } })
    await assertReads(store, idOf(2), untouched, {}, 'the other record')
  },

  async 'patch replaces a value whole'({ store }) {
    const before = await created(store, idOf(1), { values: { cart: '{"pears":1,"plums":{"ripe":2}}' } })
    for (const cart of ['{"plums":{"sour":3}}', '{}', '[1,2]', '[]', 'null', '"text"', '{"pears":null}']) {
      assert.equal(await store.patch(idOf(1), patchOf({ set: { cart } })), 'applied')
      await assertReads(store, idOf(1), before, { values: { cart } })
    }
  },

  async 'patch removes values, and an unset name is gone'({ store }) {
    const before = await created(store, idOf(1), { values: { a: '1', b: '2', c: '3' } })
    assert.equal(await store.patch(idOf(1), patchOf({ unset: ['a', 'c'] })), 'applied')
    await assertReads(store, idOf(1), before, { values: { b: '2' } })
    assert.equal(await store.patch(idOf(1), patchOf({ unset: ['b'] })), 'applied')
    await assertReads(store, idOf(1), before, { values: {} }, 'the record after its last value went')
    assert.equal(await store.patch(idOf(1), patchOf({ set: { a: '9' } })), 'applied')
    await assertReads(store, idOf(1), before, { values: { a: '9' } }, 'the record after a value came back')
  },

  async 'patch that changes nothing is applied'({ store }) {
    const before = await created(store, idOf(1), { values: { a: '1' }, userId: 'ann' })
    const { expiresAt } = before
    const nothings: Partial<SessionPatch>[] = [
      {},
      { set: {}, unset: [], when: {} },
      { set: { a: '1' } },
      { unset: ['absent'] },
      { userId: 'ann' },
      { expiresAt },
      { set: { a: '1' }, unset: ['absent'], userId: 'ann', expiresAt },
      { when: { a: '1' } },
    ]
    for (const change of nothings) {
      assert.equal(await store.patch(idOf(1), patchOf(change)), 'applied', JSON.stringify(change))
      await assertReads(store, idOf(1), before, {}, `the record after ${JSON.stringify(change)}`)
    }
  },

  async 'patch changes everything it names in one go'({ store, peer }) {
    const before = await created(store, idOf(1), { values: { a: '1', b: '2', c: '3' } })
    const expiresAt = before.expiresAt + day
    const change = patchOf({
      set: { b: '4', d: '5' },
      unset: ['a', 'x'],
      userId: 'ann',
      expiresAt,
      when: { c: '3', y: null },
    })
    assert.equal(await store.patch(idOf(1), change), 'applied')
    await assertReads(peer, idOf(1), before, { values: { b: '4', c: '3', d: '5' }, userId: 'ann', expiresAt })
    const signOut = { set: { b: '6', e: '7' }, unset: ['c'], userId: null, expiresAt: expiresAt - 1, when: { d: '5' } }
    assert.equal(await store.patch(idOf(1), patchOf(signOut)), 'applied', 'a sign-out')
    await assertReads(peer, idOf(1), before, { values: { b: '6', d: '5', e: '7' }, expiresAt: expiresAt - 1 })
  },

  async 'patch changes the user, also to and from none'({ store }) {
    const before = await created(store, idOf(1))
    for (const userId of ['ann', 'bob', null, 'null', null, 'ann']) {
      assert.equal(await store.patch(idOf(1), patchOf({ userId })), 'applied')
      await assertReads(store, idOf(1), before, { userId })
    }
    assert.equal(await store.patch(idOf(1), patchOf({ set: { kept: '2' } })), 'applied')
    await assertReads(
      store,
      idOf(1),
      before,
      { userId: 'ann', values: { kept: '2' } },
      'a patch that does not name the user',
    )
  },

  async 'patch moves the expiry, later and earlier, and keeps the values'({ store }) {
    // Names and a text that do not come through a parser as they are.
    const values = Object.fromEntries([
      ['a', '1'],
      ['a.b', String.raw`{ "c": [2.0], "2": 1, "1": "\u0000" }`],
      ['__proto__', '1e2'],
    ])
    const before = await created(store, idOf(1), { values, userId: 'ann' })
    for (const by of [30 * day, -day / 2, 1, 2, 60_000, 1]) {
      const expiresAt = before.expiresAt + by
      assert.equal(await store.patch(idOf(1), patchOf({ expiresAt })), 'applied')
      await assertReads(store, idOf(1), before, { expiresAt })
    }
    const { now } = patchOf({})
    assert.equal(await store.patch(idOf(1), { now, expiresAt: now + day / 4 }), 'applied')
    assert.equal(
      await store.patch(idOf(1), { now: now + day / 4, set: { a: '2' } }),
      'absent',
      'past an earlier expiry',
    )
    assert.equal(await store.patch(idOf(1), { now: now + day / 4 - 1, set: { a: '2' } }), 'applied', 'just before it')
  },

  async 'patch of an unknown id is absent and creates nothing'({ store, peer }) {
    const expiresAt = Date.now() + day
    for (const change of [
      {},
      everything,
      { expiresAt },
      { ...everything, expiresAt, unset: ['a'] },
      { when: { a: null } },
    ]) {
      assert.equal(await store.patch(idOf(1), patchOf(change)), 'absent', JSON.stringify(change))
      assert.equal(await peer.read(idOf(1)), null, `the record after ${JSON.stringify(change)}`)
    }
  },

  async 'patch after a delete is absent and revives nothing'({ store, peer }) {
    const { expiresAt } = await created(store, idOf(1), { userId: 'ann' })
    await store.delete(idOf(1))
    for (const change of [
      {},
      everything,
      { userId: 'ann' },
      { expiresAt: expiresAt + day },
      { when: { kept: null } },
    ]) {
      assert.equal(await peer.patch(idOf(1), patchOf(change)), 'absent', JSON.stringify(change))
      assert.equal(await store.read(idOf(1)), null, `the record after ${JSON.stringify(change)}`)
    }
  },

  async 'patch counts a record as absent from its expiry on'({ store }) {
    const before = await created(store, idOf(1))
    const { expiresAt } = before
    for (const now of [expiresAt, expiresAt + 1, expiresAt + 400 * day]) {
      for (const change of [{}, everything, { expiresAt: now + day }, { ...everything, expiresAt: now + day }]) {
        assert.equal(
          await store.patch(idOf(1), { now, ...change }),
          'absent',
          `${JSON.stringify(change)} at ${now - expiresAt} ms past`,
        )
        await assertReads(store, idOf(1), before, {}, `the record after ${JSON.stringify(change)}`)
      }
    }
    assert.equal(
      await store.patch(idOf(1), { now: expiresAt, when: { kept: '"no"' } }),
      'absent',
      'expired, and `when` fails',
    )
    assert.equal(
      await store.patch(idOf(1), { now: expiresAt - 1, set: { kept: '1' } }),
      'applied',
      'a millisecond before',
    )
    await assertReads(store, idOf(1), before, { values: { kept: '1' } })
  },

  async 'patch goes by the time it is given, not by a clock of its own'({ store }) {
    const now = Date.now()
    const before = await created(store, idOf(1), { createdAt: now - day, expiresAt: now - 240_000 })
    assert.equal(
      await store.patch(idOf(1), { now: now - 240_001, set: { kept: '1' } }),
      'applied',
      'to a caller whose clock is late',
    )
    assert.equal(await store.patch(idOf(1), { now, set: { kept: '2' } }), 'absent', 'to a caller whose clock is right')
    await assertReads(store, idOf(1), before, { values: { kept: '1' } })
  },

  async 'patch moves the time at which the backend reclaims the record'({ store }) {
    const now = Date.now()
    // Reclaimed five minutes late, that is in half a second, by the backend's own clock: a time to live is not told what
    // time it is, so this check has to wait. Two seconds more are for a backend that counts in whole ones.
    const before = await created(store, idOf(1), { createdAt: now - day, expiresAt: now - 299_500 })
    const expiresAt = now + day
    const outcome = await store.patch(idOf(1), { now: before.expiresAt - 1, expiresAt })
    if (outcome === 'absent') return // It was reclaimed at once, which tells nothing.
    assert.equal(outcome, 'applied')
    await sleep(2500)
    await assertReads(store, idOf(1), before, { expiresAt }, 'the record after the end of its first time to live')
  },

  async 'patch applies while `when` holds'({ store }) {
    const before = await created(store, idOf(1), { values: { a: '1', b: '"x"', nothing: 'null' } })
    const holding: Record<string, string | null>[] = [
      { a: '1' },
      { a: '1', b: '"x"' },
      { absent: null },
      { a: '1', absent: null },
      { nothing: 'null' },
      {},
    ]
    for (const [index, when] of holding.entries()) {
      const values = { ...before.values, mark: String(index) }
      assert.equal(
        await store.patch(idOf(1), patchOf({ set: { mark: String(index) }, when })),
        'applied',
        JSON.stringify(when),
      )
      await assertReads(store, idOf(1), before, { values })
    }
  },

  async 'patch is a conflict when one condition fails, and changes nothing'({ store }) {
    const before = await created(store, idOf(1), { values: { kept: '1', b: '"x"', nothing: 'null' }, userId: 'ann' })
    const failing: Record<string, string | null>[] = [
      { kept: '2' },
      { kept: null },
      { kept: '1', b: '"y"' },
      { kept: '2', b: '"x"' },
      { kept: '1', b: '"x"', absent: '0' },
      { absent: null, kept: '2' },
      { kept: '1', b: null },
      { absent: null, b: null },
      { absent: '1' },
      { absent: 'null' },
      { nothing: null },
      { constructor: '1' },
      ...['"X"', '"x" ', ' "x"', '"x"x', 'x', '"x', '"\\u0078"', '""'].map((b) => ({ b })),
    ]
    for (const when of failing) {
      const change = patchOf({ ...everything, unset: ['b'], expiresAt: before.expiresAt + day, when })
      assert.equal(await store.patch(idOf(1), change), 'conflict', JSON.stringify(when))
      await assertReads(store, idOf(1), before, {}, `the record after a conflict on ${JSON.stringify(when)}`)
    }
    const notEven = { expiresAt: before.expiresAt + day, when: { kept: '2' } }
    assert.equal(await store.patch(idOf(1), patchOf(notEven)), 'conflict', 'a move of the expiry alone')
    assert.equal(
      await store.patch(idOf(1), patchOf({ userId: null, when: { kept: '2' } })),
      'conflict',
      'a change of user alone',
    )
    assert.equal(
      await store.patch(idOf(1), patchOf({ unset: ['kept'], when: { kept: '2' } })),
      'conflict',
      'a removal alone',
    )
    assert.equal(await store.patch(idOf(1), patchOf({ when: { kept: '2' } })), 'conflict', 'nothing but `when`')
    await assertReads(store, idOf(1), before)
  },

  async 'patch compares with what was there before it'({ store }: StoreBench) {
    const before = await created(store, idOf(1), { values: { a: '1' } })
    assert.equal(await store.patch(idOf(1), patchOf({ set: { a: '2' }, when: { a: '2' } })), 'conflict')
    assert.equal(await store.patch(idOf(1), patchOf({ set: { a: '2' }, when: { a: '1' } })), 'applied')
    assert.equal(await store.patch(idOf(1), patchOf({ unset: ['a'], when: { a: null } })), 'conflict')
    assert.equal(await store.patch(idOf(1), patchOf({ unset: ['a'], when: { a: '2' } })), 'applied')
    assert.equal(await store.patch(idOf(1), patchOf({ set: { a: '3' }, when: { a: '2' } })), 'conflict')
    assert.equal(await store.patch(idOf(1), patchOf({ set: { a: '3' }, when: { a: null } })), 'applied')
    await assertReads(store, idOf(1), before, { values: { a: '3' } })
  },
} satisfies Record<string, StoreCheck>

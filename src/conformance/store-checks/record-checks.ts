import assert from 'node:assert/strict'
import {
  assertReads,
  created,
  day,
  expired,
  idOf,
  patchOf,
  plain,
  readBack,
  recordOf,
  type StoreCheck,
} from './bench.js'

/** `read`, `create` and `delete`. */
export const recordChecks = {
  async 'read gives null for an unknown id'({ store }) {
    assert.equal(await store.read(idOf('unknown')), null)
  },

  async 'create writes the whole record'({ store, peer }) {
    const now = Date.now()
    const values = {
      name: '"Ann"',
      list: '[1,2,{"deep":null}]',
      flag: 'false',
      count: '0',
      nothing: 'null',
      empty: '""',
    }
    const first = await created(store, idOf(1), {
      values,
      userId: 'ann',
      createdAt: now - 3 * day,
      expiresAt: now + 30 * day,
    })
    const second = await created(store, idOf(2), { values: { other: '1' } })
    await assertReads(peer, idOf(1), first)
    await assertReads(peer, idOf(2), second)
  },

  async 'create writes a record without values'({ store }) {
    await assertReads(store, idOf(1), await created(store, idOf(1), { values: {} }))
  },

  async 'create writes a record of many values, and a patch keeps them'({ store, peer }) {
    const values = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`name ${index}`, `${index}`]))
    const before = await created(store, idOf(1), { values })
    await assertReads(peer, idOf(1), before)
    assert.equal(await peer.patch(idOf(1), patchOf({ set: { 'name 7': '"other"', more: '1' } })), 'applied')
    await assertReads(store, idOf(1), before, { values: { ...values, 'name 7': '"other"', more: '1' } })
  },

  async 'create refuses an id that is taken, and changes nothing'({ store, peer }) {
    const before = await created(store, idOf(1), { userId: 'ann', values: { mine: '1' } })
    const other = recordOf({ userId: 'bob', values: { theirs: '2' }, createdAt: 5, expiresAt: before.expiresAt + day })
    assert.equal(await peer.create(idOf(1), other), false)
    await assertReads(store, idOf(1), before)
  },

  async 'create never overwrites an expired record that is still there'({ store, peer }) {
    await created(store, idOf(1), { ...expired(), userId: 'ann', values: { mine: '1' } })
    const found = await readBack(peer, idOf(1))
    const other = recordOf({ userId: 'bob', values: { theirs: '2' } })
    const isCreated = await peer.create(idOf(1), other)
    if (found !== null) assert.equal(isCreated, false, 'create of an id under which a record is read')
    assert.deepEqual(await readBack(store, idOf(1)), isCreated ? plain(other) : found)
  },

  async 'create after a delete starts from nothing'({ store }) {
    await created(store, idOf(1), { values: { old: '1', both: '1' }, userId: 'ann' })
    await store.delete(idOf(1))
    const record = await created(store, idOf(1), { values: { both: '2' } })
    await assertReads(store, idOf(1), record)
  },

  async 'what a store was handed is not kept'({ store }) {
    const record = {
      values: { a: '1' } as Record<string, string>,
      userId: null,
      createdAt: 1,
      expiresAt: Date.now() + day,
    }
    const before = structuredClone(record)
    await store.create(idOf(1), record)
    record.values.a = '"changed by the caller"'
    record.values.b = '"added by the caller"'
    record.expiresAt = 0
    await assertReads(store, idOf(1), before, {}, 'the record after the object given to create was changed')

    const change = { now: Date.now(), set: { a: '2' } as Record<string, string>, unset: ['absent'] }
    await store.patch(idOf(1), change)
    change.set.a = '"changed by the caller"'
    change.set.c = '"added by the caller"'
    await assertReads(
      store,
      idOf(1),
      before,
      { values: { a: '2' } },
      'the record after the object given to patch was changed',
    )
  },

  async 'what read returns belongs to the caller'({ store }) {
    const before = await created(store, idOf(1), { values: { a: '1', b: '2' } })
    for (const round of ['first', 'second']) {
      const record = await store.read(idOf(1))
      assert.ok(record)
      record.values.a = '"changed by the reader"'
      record.values.c = '"added by the reader"'
      delete record.values.b
      Object.assign(record, { userId: 'someone else', createdAt: 0, expiresAt: 0 })
      await assertReads(store, idOf(1), before, {}, `the record after the ${round} reader changed what it got`)
    }
    await store.patch(idOf(1), patchOf({ set: { d: '4' } }))
    await assertReads(store, idOf(1), before, { values: { a: '1', b: '2', d: '4' } }, 'the record after one more patch')
  },

  async 'what read returned does not follow later changes'({ store }) {
    const before = await created(store, idOf(1), { values: { a: '1', b: '2' } })
    const earlier = await store.read(idOf(1))
    await store.patch(
      idOf(1),
      patchOf({ set: { a: '"new"' }, unset: ['b'], userId: 'ann', expiresAt: before.expiresAt + 1 }),
    )
    assert.deepEqual(plain(earlier), before)
  },

  async 'read gives what another store wrote, also of what it read before'({ store, peer }) {
    assert.equal(await store.read(idOf(1)), null)
    const before = await created(peer, idOf(1))
    await assertReads(store, idOf(1), before, {}, 'the record that another store created')
    await peer.patch(idOf(1), patchOf({ set: { kept: '2' } }))
    await assertReads(store, idOf(1), before, { values: { kept: '2' } }, 'the record that another store patched')
    await peer.delete(idOf(1))
    assert.equal(await store.read(idOf(1)), null, 'the record that another store deleted')
  },

  async 'read gives an expired record as it was, or not at all'({ store }) {
    const now = Date.now()
    const record = await created(store, idOf(1), { createdAt: now - 2 * day, expiresAt: now - day })
    const found = await readBack(store, idOf(1))
    if (found !== null) assert.deepEqual(found, record)
  },

  async 'delete removes one record and tells whether there was one'({ store, peer }) {
    await created(store, idOf(1))
    const other = await created(store, idOf(2))
    assert.equal(await store.delete(idOf('unknown')), false, 'delete of an unknown id')
    assert.equal(await peer.delete(idOf(1)), true, 'delete of a record')
    assert.equal(await store.delete(idOf(1)), false, 'a second delete')
    assert.equal(await store.read(idOf(1)), null)
    await assertReads(store, idOf(2), other, {}, 'the other record')
  },

  async 'delete removes an expired record that is still there, and tells so'({ store, peer }) {
    await created(store, idOf(1), expired())
    const isThere = (await peer.read(idOf(1))) !== null
    const existed = await peer.delete(idOf(1))
    if (isThere) assert.equal(existed, true, 'delete of a record that is read')
    assert.equal(await store.delete(idOf(1)), false, 'a second delete')
    assert.equal(await store.read(idOf(1)), null)
  },

  async 'ids compare byte for byte'({ store }) {
    const odd = [
      'a',
      'A',
      'aa',
      'a-',
      '-a',
      'a_',
      '_a',
      '__a__',
      '__proto__',
      'constructor',
      '0',
      '00',
      '1e0',
      '1',
      'x'.repeat(128),
    ]
    const records = new Map<string, Awaited<ReturnType<typeof created>>>()
    for (const [index, id] of odd.entries()) {
      records.set(id, await created(store, id, { values: { index: String(index) } }))
    }
    for (const [id, record] of records) await assertReads(store, id, record)
    assert.equal(await store.delete('a'), true)
    assert.equal(await store.delete('constructor'), true)
    for (const [id, record] of records) {
      if (id === 'a' || id === 'constructor') assert.equal(await store.read(id), null, `${id} after its delete`)
      else await assertReads(store, id, record, {}, `${id} after the delete of "a" and "constructor"`)
    }
    for (const id of ['toString', 'hasOwnProperty', 'x'.repeat(127)]) {
      assert.equal(await store.read(id), null, `read of ${id}`)
      assert.equal(await store.delete(id), false, `delete of ${id}`)
    }
  },
} satisfies Record<string, StoreCheck>

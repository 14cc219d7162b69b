import assert from 'node:assert/strict'
import type { SessionRecord } from '../../core/store.js'
import { assertReads, created, idOf, patchOf, plain, readBack, recordOf, type StoreCheck } from './bench.js'
import { lookalikes, oddNames, oddTextsWithin } from './odd-texts.js'

/** Names, values and user ids, as odd as the contract allows them to be. */
export const textChecks = {
  async 'names: any well-formed name can be created'({ store, peer }) {
    const values = Object.fromEntries(oddNames.map((name, index) => [name, String(index)]))
    await assertReads(peer, idOf(1), await created(store, idOf(1), { values }))
  },

  async 'names: any well-formed name can be set, compared and unset'({ store }) {
    const before = await created(store, idOf(1), { values: {} })
    const set = Object.fromEntries(oddNames.map((name, index) => [name, String(index)]))
    assert.equal(await store.patch(idOf(1), patchOf({ set })), 'applied')
    await assertReads(store, idOf(1), before, { values: set }, 'the record after all names were set at once')
    const left = new Map(Object.entries(set))
    for (const name of oddNames) {
      const text = left.get(name) as string
      const quoted = JSON.stringify(name)
      assert.equal(
        await store.patch(idOf(1), patchOf({ when: own(name, '"no"') })),
        'conflict',
        `another text of ${quoted}`,
      )
      assert.equal(await store.patch(idOf(1), patchOf({ when: own(name, null) })), 'conflict', `absence of ${quoted}`)
      assert.equal(
        await store.patch(idOf(1), patchOf({ set: own(name, '[]'), when: own(name, text) })),
        'applied',
        quoted,
      )
      assert.equal(await store.patch(idOf(1), patchOf({ unset: [name], when: own(name, '[]') })), 'applied', quoted)
      assert.equal(
        await store.patch(idOf(1), patchOf({ when: own(name, '[]') })),
        'conflict',
        `the old text of ${quoted}`,
      )
      assert.equal(await store.patch(idOf(1), patchOf({ when: own(name, null) })), 'applied', `absence of ${quoted}`)
      left.delete(name)
      await assertReads(store, idOf(1), before, { values: Object.fromEntries(left) }, `the record without ${quoted}`)
    }
    assert.equal(await store.patch(idOf(1), patchOf({ set: { ...set, kept: '1' } })), 'applied')
    assert.equal(await store.patch(idOf(1), patchOf({ unset: oddNames })), 'applied')
    await assertReads(
      store,
      idOf(1),
      before,
      { values: { kept: '1' } },
      'the record after all names were unset at once',
    )
  },

  async 'names: one record is not read with the names of another'({ store }) {
    // The parser of V8 remembers keys, and mistakes one that is written with an escape for one that it has seen. It is not
    // mistaken where this process has made an object of these names itself: so the first is new, and the objects are mere
    // dictionaries, from which it learns nothing.
    const first = crypto.randomUUID()
    const alike = ['\\', '"', 'a\\', 'a"', '\\u', 'é"', '\\\\', '\\"', '""']
    const records = new Map<string, SessionRecord>()
    for (const [index, name] of alike.entries()) {
      const values: Record<string, string> = Object.assign(Object.create(null), own(first, '1'), own(name, '2'))
      records.set(idOf(index), await created(store, idOf(index), { values }))
    }
    for (const _ of [1, 2, 3, 4]) for (const [id, record] of records) await assertReads(store, id, record)
  },

  async 'names: what every object inherits is absent until it is set'({ store }) {
    const before = await created(store, idOf(1), { values: {} })
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf']) {
      assert.equal(Object.hasOwn((await store.read(idOf(1)))?.values ?? {}, name), false, `an own property ${name}`)
      assert.equal(await store.patch(idOf(1), patchOf({ set: { a: '1' }, when: own(name, '1') })), 'conflict', name)
      assert.equal(await store.patch(idOf(1), patchOf({ unset: [name] })), 'applied', name)
      assert.equal(await store.patch(idOf(1), patchOf({ when: own(name, null) })), 'applied', name)
    }
    await assertReads(store, idOf(1), before)
  },

  async 'values: text is kept to the byte'({ store, peer, maxValueBytes }) {
    const oddTexts = oddTextsWithin(maxValueBytes)
    const values = Object.fromEntries(oddTexts.map((text, index) => [`created ${index}`, text]))
    const set = Object.fromEntries(oddTexts.map((text, index) => [`set ${index}`, text]))
    const before = await created(store, idOf(1), { values })
    assert.equal(await store.patch(idOf(1), patchOf({ set })), 'applied')
    await assertReads(peer, idOf(1), before, { values: { ...values, ...set } })
  },

  async 'values: text compares byte for byte'({ store, maxValueBytes }) {
    const before = await created(store, idOf(1), { values: { a: '0' } })
    for (const texts of [oddTextsWithin(maxValueBytes), lookalikes.map((text) => JSON.stringify(text))]) {
      let last = '0'
      for (const text of texts) {
        const [set, when] = [{ a: text }, { a: last }]
        assert.equal(await store.patch(idOf(1), patchOf({ set, when: { a: text } })), 'conflict', `${text} for ${last}`)
        assert.equal(await store.patch(idOf(1), patchOf({ set, when })), 'applied', `${last} for itself`)
        last = text
      }
      await store.patch(idOf(1), patchOf({ set: { a: '0' } }))
    }
    await assertReads(store, idOf(1), before)
  },

  async 'values: one of `maxValueBytes` is held whole'({ store, peer, maxValueBytes }) {
    const large = (letter: string) => JSON.stringify(letter.repeat(maxValueBytes - 2))
    await created(store, idOf(1), { values: { large: large('a') } })
    const patched = [
      [{ set: { large: large('b') }, when: { large: large('a') } }, 'applied', 'b'],
      [{ set: { large: large('c') }, when: { large: large('a') } }, 'conflict', 'b'],
      [{ set: { small: '1' } }, 'applied', 'b'],
    ] as const
    await assertHoldsLarge(large('a'), await peer.read(idOf(1)))
    for (const [change, outcome, letter] of patched) {
      assert.equal(await store.patch(idOf(1), patchOf(change)), outcome)
      await assertHoldsLarge(large(letter), await peer.read(idOf(1)))
    }
  },

  async 'values: one that is too large is refused whole'({ store, maxValueBytes }) {
    const huge = JSON.stringify('h'.repeat(4 * maxValueBytes))
    const before = await created(store, idOf(1))
    if (await isRefused(() => store.patch(idOf(1), patchOf({ set: { huge, kept: '1' }, userId: 'ann' })))) {
      await assertReads(store, idOf(1), before, {}, 'the record after a patch was refused')
    } else await assertHoldsLarge(huge, await store.read(idOf(1)), 'huge')
    if (await isRefused(() => store.create(idOf(2), recordOf({ values: { huge } })))) {
      assert.equal(await store.read(idOf(2)), null, 'the record after a create was refused')
    } else await assertHoldsLarge(huge, await store.read(idOf(2)), 'huge')
  },

  async 'user ids are kept to the byte'({ store, peer }) {
    const userIds = [
      ...lookalikes,
      'null',
      '0',
      'constructor',
      '__proto__',
      'a:b',
      'a/b',
      'a|b',
      '%',
      '*',
      '$a',
      "'",
      '"',
      '\\',
      '😀',
      '\uffff',
    ]
    userIds.push('x'.repeat(255), '語'.repeat(85))
    const before = await created(store, idOf(0))
    for (const [index, userId] of userIds.entries()) {
      await assertReads(peer, idOf(index + 1), await created(store, idOf(index + 1), { userId }))
      assert.equal(await store.patch(idOf(0), patchOf({ userId })), 'applied')
      await assertReads(peer, idOf(0), before, { userId })
    }
  },

  async 'text that is not well-formed is refused or kept, never altered'({ store }) {
    const changes = [{ userId: 'ann\ud800' }, { values: { a: '"\udc00"' } }, { values: { 'a\ud800': '1' } }] as const
    for (const [index, change] of changes.entries()) {
      const record = recordOf({ values: {}, ...change })
      if (!(await isRefused(() => store.create(idOf(index), record)))) await assertReads(store, idOf(index), record)
      const before = await created(store, idOf(`patched-${index}`), { values: {} })
      const { values: set, ...rest } = { values: {}, ...change }
      const refused = await isRefused(() => store.patch(idOf(`patched-${index}`), patchOf({ ...rest, set })))
      await assertReads(store, idOf(`patched-${index}`), before, refused ? {} : change)
    }
    const before = await created(store, idOf('lookalike'), { values: { 'a\ufffd': '"\ufffd"' } })
    for (const change of [{ unset: ['a\ud800'] }, { set: { b: '1' }, when: { 'a\ufffd': '"\ud800"' } }]) {
      await isRefused(() => store.patch(idOf('lookalike'), patchOf(change)))
      assert.deepEqual(
        await readBack(store, idOf('lookalike')),
        plain(before),
        `the record after ${JSON.stringify(change)}`,
      )
    }
  },
} satisfies Record<string, StoreCheck>

/** One own property, also where the name is `__proto__`. */
function own<T>(name: string, value: T): Record<string, T> {
  return Object.fromEntries([[name, value]])
}

/** Whether a call throws or rejects. */
async function isRefused(call: () => unknown): Promise<boolean> {
  try {
    await call()
    return false
  } catch {
    return true
  }
}

/** Compares large texts without printing them. */
async function assertHoldsLarge(expected: string, record: SessionRecord | null, name = 'large'): Promise<void> {
  const text = record?.values[name]
  assert.equal(text?.length, expected.length, 'the length of the value')
  assert.ok(text === expected, 'the value has the right length but another content')
}

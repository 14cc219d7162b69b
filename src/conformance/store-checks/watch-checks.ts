import assert from 'node:assert/strict'
import type { SessionStore } from '../../core/store.js'
import { created, idOf, type StoreCheck } from './bench.js'

/** `watch`, where a store has it. */
export const watchChecks = {
  async 'watch: tells what another store deleted'({ store, peer, shared }) {
    assert.ok(shared, 'watch is for records that several stores share: leave out `shared: false`')
    const ended = await watching(store)
    await created(store, idOf(1))
    await created(peer, idOf(2))
    await peer.delete(idOf(1))
    await ended.has(idOf(1))
    assert.ok(!ended.seen.has(idOf(2)), 'told of a session that lives')
    await peer.delete(idOf(2))
    await ended.has(idOf(2))
    await ended.stop()
  },

  async 'watch: is silent once stopped, and leaves other watchers alone'({ store, peer }) {
    const stopped = await watching(store)
    const going = await watching(store)
    for (const index of [1, 2]) await created(store, idOf(index))
    await peer.delete(idOf(1))
    await Promise.all([stopped.has(idOf(1)), going.has(idOf(1))])
    await stopped.stop()
    await peer.delete(idOf(2))
    await going.has(idOf(2))
    assert.ok(!stopped.seen.has(idOf(2)), 'a watcher was told of an ending after it had stopped')
    await going.stop()
  },
} satisfies Record<string, StoreCheck>

async function watching(store: SessionStore) {
  const seen = new Set<string | null>()
  let changed = () => {}
  assert.ok(store.watch, 'the store has no watch')
  const stop = await store.watch((id) => {
    seen.add(id)
    changed()
  })
  /** Waits until an ending was told; a message that is lost fails the check rather than hanging it. */
  const has = async (id: string) => {
    const deadline = Date.now() + 5000
    while (!seen.has(id)) {
      assert.ok(Date.now() < deadline, `not told of the end of ${id} within 5 s`)
      let timer: ReturnType<typeof setTimeout> | undefined
      await new Promise<void>((resolve) => {
        changed = resolve
        timer = setTimeout(resolve, 5000)
      })
      clearTimeout(timer)
    }
  }
  return { seen, has, stop }
}

/** `close`, where a store has it. */
export const closeChecks = {
  async 'close: leaves the records, and other stores over them, as they are'(bench) {
    const { store, peer, shared } = bench
    if (!shared) return bench.close(store)
    const before = await created(store, idOf(1), { userId: 'ann' })
    await bench.close(store)
    assert.equal(await peer.patch(idOf(1), { now: Date.now(), set: { kept: '1' } }), 'applied', 'through another store')
    const again = await bench.reopen()
    assert.deepEqual(
      (await again.read(idOf(1)))?.values,
      { ...before.values, kept: '1' },
      'through a store opened later',
    )
  },
} satisfies Record<string, StoreCheck>

/** What the queue needs of an entry. `position` is the queue's own. */
export interface Queued {
  expiresAt: number
  position: number
}

/** The soonest to expire comes first: a binary heap in which each entry knows its place, so that any can move or leave. */
export function expiryQueue<Entry extends Queued>() {
  const heap: Entry[] = []

  function put(entry: Entry, position: number): void {
    heap[position] = entry
    entry.position = position
  }

  /** Lets an entry rise or sink to where it belongs. */
  function move(entry: Entry): void {
    let position = entry.position
    for (;;) {
      const parent = heap[(position - 1) >> 1]
      if (position === 0 || parent === undefined || parent.expiresAt <= entry.expiresAt) break
      const next = parent.position
      put(parent, position)
      position = next
    }
    for (;;) {
      const [left, right] = [heap[2 * position + 1], heap[2 * position + 2]]
      const child = left && right && right.expiresAt < left.expiresAt ? right : left
      if (child === undefined || child.expiresAt >= entry.expiresAt) break
      const next = child.position
      put(child, position)
      position = next
    }
    put(entry, position)
  }

  return {
    first: () => heap[0],
    add(entry: Entry) {
      put(entry, heap.length)
      move(entry)
    },
    move,
    remove(entry: Entry) {
      const last = heap.pop() as Entry
      if (last === entry) return
      put(last, entry.position)
      move(last)
    },
  }
}

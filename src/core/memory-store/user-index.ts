/** What the index needs of an entry: whose it is, and room for its neighbours among the entries of that user. */
export interface Linked {
  readonly id: string
  userId: string | null
  next: Linked | undefined
  previous: Linked | undefined
}

/** The sessions of each user, linked to one another: a set for each user would take a third of the store's memory. */
export function userIndex() {
  const newest = new Map<string, Linked>()
  return {
    *idsOf(userId: string): Iterable<string> {
      for (let entry = newest.get(userId); entry; entry = entry.next) yield entry.id
    },
    add(entry: Linked) {
      if (entry.userId === null) return
      entry.next = newest.get(entry.userId)
      if (entry.next) entry.next.previous = entry
      newest.set(entry.userId, entry)
    },
    remove(entry: Linked) {
      const { userId, next, previous } = entry
      if (userId === null) return
      if (next) next.previous = previous
      if (previous) previous.next = next
      else if (next) newest.set(userId, next)
      else newest.delete(userId)
      entry.next = entry.previous = undefined
    },
  }
}

import type { SessionStore } from '../../core/store.js'

type Watch = NonNullable<SessionStore['watch']>
type Ended = Parameters<Watch>[0]

/** Does one thing and then another, even if the first fails. */
export async function both(first?: () => unknown, second?: () => unknown): Promise<void> {
  try {
    await first?.()
  } finally {
    await second?.()
  }
}

/** Watches two stores. A session that moved was deleted where it was, so an ending is told if `isOver` agrees. */
export async function watchBoth(
  [watchFirst, watchSecond]: readonly [Watch, Watch],
  isOver: (id: string) => Promise<boolean>,
  ended: Ended,
): Promise<() => Promise<void>> {
  let isStopped = false

  async function tell(id: string | null): Promise<void> {
    // Where it cannot be found out, whoever follows a session has to look.
    const told = id === null || (await isOver(id).catch(() => null))
    if (told !== false && !isStopped) ended(told === null ? null : id)
  }

  const first = await watchFirst((id) => void tell(id))
  try {
    const second = await watchSecond((id) => void tell(id))
    return () => {
      isStopped = true
      return both(first, second)
    }
  } catch (error) {
    // Whoever could not watch both has nothing to stop the one with.
    await first()
    throw error
  }
}

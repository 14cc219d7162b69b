/** Queues by session, so that requests of one process do not race each other for a compare-and-set. */
export interface Turns {
  /** Runs `task` when those before it are done; it is told whether it had to wait. */
  take<T>(id: string, task: (waited: boolean) => Promise<T>): Promise<T>
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  return {
    take(id, task) {
      const previous = last.get(id)
      const turn = previous ? previous.then(() => task(true)) : task(false)
      const settled = turn.then(
        () => undefined,
        () => undefined,
      )
      last.set(id, settled)
      void settled.then(() => last.get(id) === settled && last.delete(id))
      return turn
    },
  }
}

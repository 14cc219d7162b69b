/**
 * Queues by session, so that requests of one process do not race each other for a compare-and-set: runs `task` when those
 * before it are done. It is told whether it had to wait.
 */
export type InTurn = <T>(id: string, task: (waited: boolean) => Promise<T>) => Promise<T>

export function createTurns(): InTurn {
  const last = new Map<string, Promise<unknown>>()
  return (id, task) => {
    const previous = last.get(id)
    const turn = previous ? previous.then(() => task(true)) : task(false)
    const settled = turn.catch(() => undefined)
    last.set(id, settled)
    void settled.then(() => last.get(id) === settled && last.delete(id))
    return turn
  }
}

// Not the global one, which tests replace.
import { setImmediate } from 'node:timers'

interface Reader<Found> {
  readonly id: string
  resolve(found: Found | undefined): void
  reject(error: unknown): void
}

/** At most so many share a call, so that none waits for very many others. */
const most = 50

/**
 * Has the reads of one turn of the event loop share a call of a database: its client takes longer over a call than over what
 * comes back, and so does the server. A read that is alone goes as it is. Where a shared call fails, each goes alone
 * once more, so that what is wrong with one is not the others' fault.
 *
 * @param find looks up one id, or several that are all different, and resolves to what is there by id
 * @param how `areApart`: whether an error says that what was looked for cannot be reached by one call. From then on, each read
 * goes alone
 */
export function readingTogether<Found>(
  find: (ids: readonly string[]) => Promise<ReadonlyMap<string, Found>>,
  how: { areApart?(error: unknown): boolean } = {},
): (id: string) => Promise<Found | undefined> {
  let waiting: Reader<Found>[] = []
  let atMost = most

  function send(): void {
    const readers = waiting
    waiting = []
    for (let start = 0; start < readers.length; start += atMost) share(readers.slice(start, start + atMost))
  }

  function share(readers: readonly Reader<Found>[]): void {
    const ids = [...new Set(readers.map(({ id }) => id))]
    find(ids).then(
      (found) => {
        for (const { id, resolve } of readers) resolve(found.get(id))
      },
      (error: unknown) => {
        if (how.areApart?.(error)) atMost = 1
        for (const reader of readers)
          if (ids.length > 1) share([reader])
          else reader.reject(error)
      },
    )
  }

  return function read(id) {
    return new Promise((resolve, reject) => {
      if (waiting.push({ id, resolve, reject }) === 1) setImmediate(send)
    })
  }
}

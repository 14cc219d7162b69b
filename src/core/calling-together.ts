// Not the global one, which tests replace.
import { setImmediate } from 'node:timers'

interface Caller<Asked, Answer> {
  readonly asked: Asked
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** At most so many share a call, so that none waits for very many others. */
const most = 50

/** What fails later than this, in milliseconds, failed for want of an answer: who asked has given up, or will not find one either. */
const soon = 1000

export interface SharedCall {
  /** Whether an error says that what was asked cannot be reached by one call, and nothing was done. From then on, each goes alone. */
  areApart?(error: unknown): boolean
  /** Whether, after any other error that comes soon, each may be asked for alone once more. Not unless said. */
  mayRepeat?: boolean
}

/**
 * Has what is asked of a database in one turn of the event loop share a call: its client takes longer over a call than over
 * what comes back, and so does the server. What is alone goes as it is. Where a shared call fails soon and may be
 * repeated, each goes alone once more, so that what is wrong with one is not the others' fault.
 *
 * @param call asks for one or several, and resolves to as many answers in their order; an error among them is that one's own
 */
export function callingTogether<Asked, Answer>(
  call: (asked: readonly Asked[]) => Promise<readonly (Answer | Error)[]>,
  { areApart, mayRepeat = false }: SharedCall = {},
): (asked: Asked) => Promise<Answer> {
  let waiting: Caller<Asked, Answer>[] = []
  let atMost = most

  function send(): void {
    const callers = waiting
    waiting = []
    for (let start = 0; start < callers.length; start += atMost) share(callers.slice(start, start + atMost))
  }

  function share(callers: readonly Caller<Asked, Answer>[]): void {
    const began = performance.now()
    call(callers.map(({ asked }) => asked)).then(
      (answers) => {
        for (const [index, { resolve, reject }] of callers.entries()) {
          const answer = answers[index] as Answer | Error
          if (answer instanceof Error) reject(answer)
          else resolve(answer)
        }
      },
      (error: unknown) => {
        const isApart = areApart?.(error) === true
        if (isApart) atMost = 1
        const goesAlone = callers.length > 1 && (isApart || (mayRepeat && performance.now() - began < soon))
        for (const caller of callers)
          if (goesAlone) share([caller])
          else caller.reject(error)
      },
    )
  }

  return function ask(asked) {
    return new Promise((resolve, reject) => {
      if (waiting.push({ asked, resolve, reject }) === 1) setImmediate(send)
    })
  }
}

/**
 * The same for reads, which may be repeated.
 *
 * @param find looks up one id, or several that are all different, and resolves to what is there by id
 */
export function readingTogether<Found>(
  find: (ids: readonly string[]) => Promise<ReadonlyMap<string, Found>>,
  how: Pick<SharedCall, 'areApart'> = {},
): (id: string) => Promise<Found | undefined> {
  return callingTogether(
    async (ids) => {
      const found = await find([...new Set(ids)])
      return ids.map((id) => found.get(id))
    },
    { ...how, mayRepeat: true },
  )
}

/** Every order in which the calls of some actors can reach their stores. */
import type { SessionStore } from 'sojourn'

/** Makes stores whose calls wait for their turn. */
export type Actor = (store: (inner: SessionStore) => SessionStore) => Promise<unknown>

export interface Play {
  /** What runs at the same time. */
  actors: Actor[]
  /** Actors that die when they have made so many calls, by their position. */
  deaths?: { [actor: number]: number }
  /** Who makes the first calls, where only what follows is tried in every order. */
  opening?: number[]
  /** What must hold in the end. It is told which calls were made, in order. */
  check(trace: string[]): unknown
}

/**
 * Plays a scene in every order of its calls, each time with a new scene. A call and its answer are one step, which loses no
 * order that could matter: what an actor does between two calls nobody else can see. Resolves to how many orders there were.
 */
export async function inEveryOrder(scene: () => Play | Promise<Play>, limit = 200_000): Promise<number> {
  let choices: number[] = []
  for (let count = 1; count <= limit; count++) {
    const options = await playOnce(await scene(), choices)
    // The next order: the last choice that has an alternative left takes it.
    const last = options.findLastIndex((available, index) => (choices[index] ?? 0) < available - 1)
    if (last === -1) return count
    choices = Array.from({ length: last + 1 }, (_, index) => choices[index] ?? 0)
    choices[last] = (choices[last] as number) + 1
  }
  throw new Error(`More than ${limit} orders`)
}

/** Plays one order, and returns how many actors could have gone first at each step. */
async function playOnce(
  { actors, deaths = {}, opening = [], check }: Play,
  choices: readonly number[],
): Promise<number[]> {
  const waiting: (null | { label: string; run: () => Promise<void> })[] = actors.map(() => null)
  const made = actors.map(() => 0)
  const trace: string[] = []
  let running = 0
  const failures: unknown[] = []

  const turnTaking = (actor: number) => (inner: SessionStore) => {
    const names = (['read', 'create', 'patch', 'delete', 'list'] as const).filter((name) => inner[name])
    const methods = names.map((name) => {
      const method = (...args: unknown[]) =>
        new Promise((resolve, reject) => {
          running--
          waiting[actor] = {
            label: `${actor} ${name}`,
            async run() {
              waiting[actor] = null
              running++
              try {
                resolve(await (inner[name] as (...given: unknown[]) => unknown)(...args))
              } catch (error) {
                reject(error)
              }
            },
          }
        })
      return [name, method]
    })
    return Object.fromEntries(methods) as SessionStore
  }

  for (const [index, actor] of actors.entries()) {
    running++
    actor(turnTaking(index)).then(
      () => running--,
      (error) => {
        running--
        failures.push(error)
      },
    )
  }
  const options: number[] = []
  for (;;) {
    for (let turns = 0; running > 0; turns++) {
      if (turns > 10_000) throw new Error('An actor waits for something else than a store')
      await Promise.resolve()
    }
    const ready = [...waiting.keys()].filter((actor) => waiting[actor] && made[actor] !== deaths[actor])
    if (ready.length === 0) break
    const opener = opening[trace.length]
    const actor = opener ?? (ready[choices[options.length] ?? 0] as number)
    if (opener === undefined) options.push(ready.length)
    made[actor] = (made[actor] as number) + 1
    trace.push((waiting[actor] as { label: string }).label)
    await waiting[actor]?.run()
  }
  try {
    if (failures.length > 0) throw failures[0]
    await check(trace)
  } catch (error) {
    throw new Error(`After ${trace.slice(-60).join(', ')}`, { cause: error })
  }
  return options
}

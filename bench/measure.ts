/** Measures sides against each other. */
import { type Child, start } from './child.ts'
import type { Load, Outcome } from './load.ts'
import { prove, proveBare, startSessions } from './proof.ts'
import type { Answer, Question } from './serve.ts'
import { sides } from './sides.ts'
import { type WorkName, workNames, works } from './visitor.ts'

/** How much is measured. */
export interface Extent {
  /** Times that every side is started afresh. */
  readonly rounds: number
  /** Turns of each side within a round, for each kind of work: what disturbs the machine meets all sides alike. */
  readonly turns: number
  /** Requests in one turn. */
  readonly requests: number
  /** Requests of each side before the first turn that counts, for the compiler to settle. */
  readonly warmUp: number
  readonly sessions: number
  readonly connections: number
}

/** Microseconds of the server's CPU for a request: of each side, for each kind of work. */
export type Costs = ReadonlyMap<string, ReadonlyMap<WorkName, number>>

interface Running {
  readonly name: string
  readonly port: number
  readonly cookies: readonly string[]
  readonly server: Child<Question, Answer>
}

/** One round: starts each side in a process of its own, proves that it works, and lets them take turns. */
export async function measureRound(names: readonly string[], extent: Extent, url: string): Promise<Costs> {
  const load = start<Load, Outcome>('load.ts')
  const running: Running[] = []
  try {
    for (const name of names) running.push(await launch(name, extent.sessions, url))
    const costs = new Map(names.map((name) => [name, new Map<WorkName, number>()]))
    await warmUp(running, load, extent)
    for (const work of workNames) {
      for (const [name, turns] of await takeTurns(running, work, load, extent)) {
        costs.get(name)?.set(work, lowerQuartile(turns))
      }
    }
    return costs
  } finally {
    await Promise.all([...running.map(({ server }) => server.end('leave')), load.end()])
  }
}

async function launch(name: string, sessions: number, url: string): Promise<Running> {
  const env = { NODE_ENV: 'production', BENCH_URL: url }
  const server = start<Question, Answer>('serve.ts', { args: [name], env })
  try {
    const { port } = (await server.hear()) as { port: number }
    const side = sides[name]
    if (side?.isBare) {
      await proveBare(port)
      return { name, port, server, cookies: ['sid=none'] }
    }
    await prove(port, side)
    return { name, port, server, cookies: await startSessions(port, sessions) }
  } catch (error) {
    await server.end('leave')
    throw new Error(`${name} does not work: ${(error as Error).message}`, { cause: error })
  }
}

/** Lets the compiler settle on all kinds of work, which come mixed, as they do in the life of a server. */
async function warmUp(
  running: readonly Running[],
  load: Child<Load, Outcome>,
  { connections, requests: amount, warmUp }: Extent,
): Promise<void> {
  const mixed = Array.from(
    { length: Math.ceil(warmUp / amount) },
    (_, n) => workNames[n % workNames.length] as WorkName,
  )
  for (const { name, port, cookies } of running) {
    for (const work of mixed) {
      const { failure } = await load.ask({ port, work: works[work], amount, connections, cookies })
      if (failure !== undefined) throw new Error(`${name}, ${work}: ${failure}`)
    }
  }
}

/** What each side's requests cost, turn by turn. The order is reversed each time. */
async function takeTurns(
  running: readonly Running[],
  work: WorkName,
  load: Child<Load, Outcome>,
  { turns, requests, connections }: Extent,
): Promise<Map<string, number[]>> {
  const costs = new Map(running.map(({ name }) => [name, [] as number[]]))
  for (let turn = 0; turn < turns; turn++) {
    for (const { name, port, cookies, server } of turn % 2 === 0 ? running : running.toReversed()) {
      await server.ask('start')
      const { failure } = await load.ask({ port, work: works[work], amount: requests, connections, cookies })
      if (failure !== undefined) throw new Error(`${name}, ${work}: ${failure}`)
      const { microseconds } = (await server.ask('stop')) as { microseconds: number }
      costs.get(name)?.push(microseconds / requests)
    }
  }
  return costs
}

/** The middle one; of an even number, the lower of the two. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[(numbers.length - 1) >> 1] ?? Number.NaN
}

/** What else the machine does only ever adds to a turn. */
function lowerQuartile(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[(numbers.length - 1) >> 2] ?? Number.NaN
}

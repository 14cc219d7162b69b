/**
 * Load for a long time: memory and latency have to stay flat. Visitors come, sign in, change their session and leave.
 *
 *     npm run bench:scale -- soak --minutes 20
 */
import { start } from '../child.ts'
import type { Load, Outcome } from '../load.ts'
import { startSessions } from '../proof.ts'
import type { Answer, Question } from '../serve.ts'
import { works } from '../visitor.ts'

export async function run({ minutes, side }: { minutes: number; side: string }): Promise<void> {
  const env = { NODE_ENV: 'production' }
  const server = start<Question, Answer>('serve.ts', { args: [side], execArgv: ['--expose-gc'], env })
  const load = start<Load, Outcome>('load.ts')
  try {
    const { port } = (await server.hear()) as { port: number }
    const until = Date.now() + minutes * 60_000
    const samples: { megabytes: number; p99: number }[] = []
    while (Date.now() < until) {
      // New visitors all the time; those of before are never seen again.
      const cookies = await startSessions(port, 500)
      const amount = 10_000
      const { failure, p99 } = await load.ask({
        port,
        work: works.change,
        amount,
        connections: 32,
        cookies,
        maySleep: true,
      })
      if (failure !== undefined) throw new Error(failure)
      const { megabytes } = (await server.ask('memory')) as { megabytes: number }
      samples.push({ megabytes, p99 })
      console.log(`${megabytes.toFixed(1).padStart(7)} MB of heap after a collection, p99 ${p99.toFixed(1)} ms`)
    }
    compare(samples)
  } finally {
    await Promise.all([server.end('leave'), load.end()])
  }
}

/** The first quarter is for the compiler and the caches to settle. */
function compare(samples: readonly { megabytes: number; p99: number }[]): void {
  const quarter = Math.floor(samples.length / 4)
  if (quarter === 0) {
    console.log('Too short to compare the end with the beginning')
    return
  }
  const mean = (part: typeof samples, key: 'megabytes' | 'p99') =>
    part.reduce((sum, sample) => sum + sample[key], 0) / part.length
  for (const key of ['megabytes', 'p99'] as const) {
    const [before, after] = [mean(samples.slice(quarter, 2 * quarter), key), mean(samples.slice(-quarter), key)]
    console.log(`${key}: ${before.toFixed(1)} in the second quarter, ${after.toFixed(1)} in the last`)
  }
}

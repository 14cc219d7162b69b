import { monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks'
import { type Child, start } from '../child.ts'

/** How late an event loop was, in milliseconds: but for one in a thousand, and at worst. */
export interface Stalls {
  readonly nearly: number
  readonly longest: number
}

export interface Watch {
  /** Of this process and of one that does nothing, since the last time this was asked. */
  take(): Promise<{ here: Stalls; idle: Stalls }>
  end(): Promise<void>
}

/**
 * Notes how late the event loop is, here and in a process beside it that does nothing: what stops that one too is the
 * machine's doing.
 */
export async function watchStalls(): Promise<Watch> {
  const idle: Child<'take', Stalls> = start('scale/idle.ts')
  const take = noteStalls()
  await idle.ask('take')
  take()
  return {
    async take() {
      const here = take()
      return { here, idle: await idle.ask('take') }
    },
    end: () => idle.end(),
  }
}

/**
 * The stalls beside the same work without a sweep, for as long as the sweep took, though no longer than ten minutes: the
 * longest of a shorter time is no longer, so that it flatters no sweep.
 */
export async function stallsWithout(watch: Watch, sweepSeconds: number, work: () => Promise<unknown>) {
  await watch.take()
  const end = performance.now() + Math.min(600, sweepSeconds) * 1000
  while (performance.now() < end) await work()
  return watch.take()
}

/** Notes how late the event loop of this process is; each call of what it returns begins anew. */
export function noteStalls(): () => Stalls {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  return () => {
    const stalls = stallsOf(delay)
    delay.reset()
    return stalls
  }
}

function stallsOf(delay: Pick<RecordableHistogram, 'max' | 'percentile'>): Stalls {
  const milliseconds = (nanoseconds: number) => Number((nanoseconds / 1e6).toFixed(1))
  return { nearly: milliseconds(delay.percentile(99.9)), longest: milliseconds(delay.max) }
}

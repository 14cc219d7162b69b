import { setTimeout as delay } from 'node:timers/promises'
import type { Session } from '../../../src/core/session.js'

// What the routes of the kit have in common on all frameworks.

declare module '../../../src/core/session.js' {
  interface SessionData {
    redirected: string
    late: string
    bytes: number
  }
}

/** A million times `x`. */
export function* manyParts(): Iterable<string> {
  for (let part = 0; part < 100; part++) yield 'x'.repeat(10_000)
}

/** Changes the session after the first byte. */
export async function* lateParts(session: Session): AsyncIterable<string> {
  yield 'first '
  await delay(10)
  session.late = 'yes'
  yield 'second'
}

export async function* breakingParts(): AsyncIterable<string> {
  yield 'first'
  await delay(10)
  throw new Error('broken on purpose')
}

/** As a fetch runtime wants a body. */
export function streamOf(parts: Iterable<string> | AsyncIterable<string>): ReadableStream<Uint8Array> {
  return ReadableStream.from(parts as AsyncIterable<string>).pipeThrough(new TextEncoderStream())
}

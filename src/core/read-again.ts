import { SojournError } from './errors.js'
import type { SessionRecord } from './store.js'
import type { Visit } from './visit.js'

/**
 * Reads a visit's session once more, and has `judge` decide at once what to make of it; `null` where there is none. What this
 * visit wrote meanwhile, its token among it, may be missing from what was read, or may be there before the visit knows of it:
 * so only what was read while nothing was being written counts.
 */
export async function readAgain<T>(visit: Visit, judge: (record: SessionRecord | null) => T): Promise<T> {
  for (;;) {
    while (visit.committing) await visit.committing
    const { held } = visit
    const record = held && (await visit.engine.store.read(held.id))
    if (!visit.committing && visit.held === held) return judge(record)
  }
}

export function sessionEnded(): SojournError {
  return new SojournError('session_ended', 'The session ended, was given a new token, or is not stored')
}

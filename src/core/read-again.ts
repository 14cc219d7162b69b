import type { SessionRecord } from './store.js'
import type { Visit } from './visit.js'

/**
 * Reads a visit's session once more; `null` where there is none. What this visit wrote meanwhile, its token among it, may be
 * missing from what was read, or may be there before the visit knows of it: so it is read when nothing is being written.
 */
export async function readAgain(visit: Visit): Promise<SessionRecord | null> {
  for (;;) {
    while (visit.committing) await visit.committing
    const { held } = visit
    if (!held) return null
    const record = await visit.engine.store.read(held.id)
    if (!visit.committing && visit.held === held) return record
  }
}

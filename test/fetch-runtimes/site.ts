import { createSessions } from '../../src/core/sessions.js'
import { memoryStore } from '../../src/stores/memory.js'
import { fetchRoutes } from '../adapters/routes/fetch.js'
import { honoRoutes } from '../adapters/routes/hono.js'
import { storeAt } from './remote-store.js'

/** What a site is told by variables of its environment. */
export interface SiteSettings {
  /** Where the store is, or `memory` for that of this process. */
  readonly STORE: string
  /** Options for `createSessions`, as JSON. */
  readonly OPTIONS: string
  readonly ADAPTER: string
}

/** `settings` and `context` are what Workers hand over beside the request. */
type Site = (request: Request, settings?: object, context?: object) => Response | Promise<Response>

/** The routes of the kit, on a runtime of the fetch standard. */
export function siteOf({ STORE, OPTIONS, ADAPTER }: SiteSettings): Site {
  const store = STORE === 'memory' ? memoryStore() : storeAt(STORE)
  const sessions = createSessions({ ...JSON.parse(OPTIONS), store })
  return ADAPTER === 'hono' ? (honoRoutes(sessions).fetch as Site) : fetchRoutes(sessions)
}

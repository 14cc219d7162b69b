import { middlewareDescription } from '../core/mounted-middleware.js'
import type { Visits } from '../core/sessions.js'
import { dropInFindings } from './drop-in.js'
import type { Finding } from './finding.js'

/** The part of an Express app, 4 or 5, that is looked at. */
export interface ExpressApp {
  get(setting: string): unknown
  /** Of Express 5; a text in the types of Express 4. */
  readonly router?: unknown
  /** Of Express 4. */
  readonly _router?: unknown
}

interface Layer {
  readonly handle?: unknown
  readonly route?: { readonly path?: unknown } | undefined
  readonly name?: string
  /** Of Express 5. */
  readonly slash?: boolean
  readonly rawPath?: unknown
  /** Of Express 4. */
  readonly regexp?: { readonly source: string; readonly fast_slash?: boolean }
}

/** What an Express app falls short of: its settings, and the order of what is mounted on it. */
export function expressFindings(app: ExpressApp): Finding[] {
  const stack = stackOf(app)
  const findings: Finding[] = []
  if (app.get('trust proxy') === true) {
    findings.push({
      code: 'trusts-every-proxy',
      level: 'warning',
      what: 'Every client is believed to be a proxy',
      why: 'anybody can claim another address, or that a plain connection is TLS, with a forwarding header',
      fix: "app.set('trust proxy', 1), or the addresses of your proxies",
      standard: 'ASVS 4.1.3',
    })
  }
  const all = allOf(stack)
  const described = stack.map(({ handle }) => middlewareDescription(handle))
  if (!all.some(({ handle }) => middlewareDescription(handle))) {
    findings.push({
      code: 'not-mounted',
      level: 'error',
      what: 'No session middleware is mounted on the app or on a router of it',
      why: 'req.session is missing, but in an app that is mounted within and brings its own',
      fix: 'app.use(session(sessions))',
      standard: 'ASVS 7.2.1',
    })
  }
  const before = stack.findIndex((layer, index) => described[index] && placesOf(layer).includes(everywhere))
  const above = stack.slice(0, Math.max(0, before))
  const early = above.flatMap(routesOf)
  if (early.length > 0) {
    findings.push({
      code: 'mounted-after-routes',
      // A router may be somebody else's, or one for webhooks, which needs no session.
      level: above.some((layer) => layer.route && routesOf(layer).length > 0) ? 'error' : 'warning',
      what: `Routes stand before the session middleware: ${[...new Set(early)].join(', ')}`,
      why: 'their handlers have no req.session, and requireUser cannot protect them',
      fix: 'move app.use(session(sessions)) above them; what needs no session, as a health check, is app.use(path, handler)',
      standard: 'ASVS 7.2.1',
    })
  }
  const mounted = stack.filter(isSession).map((layer) => [...new Set(placesOf(layer))])
  const places = mounted.flat()
  if (mounted.length > 1 && (places.includes(everywhere) || new Set(places).size < places.length)) {
    findings.push({
      code: 'two-sessions',
      level: 'error',
      what: 'Two session middlewares are mounted',
      why: 'they fight over req.session, and a logout ends only one of two sessions',
      fix: "remove one; the page Moving from express-session of Sojourn's documentation shows how to take its visitors over",
      standard: 'ASVS 7.4.1',
    })
  }
  if (before !== -1 && stack.slice(before).some(({ name }) => name === 'serveStatic')) {
    findings.push({
      code: 'static-after-session',
      level: 'warning',
      what: 'Static files are served behind the session middleware',
      why: 'every image costs a read of the store',
      fix: 'move express.static() above app.use(session(sessions))',
      standard: 'ASVS 15.2.2',
    })
  }
  const dropIns = new Set(all.map(({ handle }) => middlewareDescription(handle)?.dropIn))
  for (const dropIn of dropIns) if (dropIn) findings.push(...dropInFindings(dropIn))
  return findings
}

/** What the engine's middleware serves, wherever in the app it is mounted. */
export function visitsOn(app: ExpressApp): Visits[] {
  return allOf(stackOf(app)).flatMap(({ handle }) => middlewareDescription(handle)?.visits ?? [])
}

function stackOf(app: ExpressApp): readonly Layer[] {
  if (app._router) return layersOf(app._router)
  try {
    return layersOf(app.router)
  } catch {
    return [] // Express 4, on which nothing is mounted yet, throws when `router` is read.
  }
}

/** The layers of a router, or of a route. */
function layersOf(router: unknown): readonly Layer[] {
  const stack = (router as { readonly stack?: unknown } | null | undefined)?.stack
  return Array.isArray(stack) ? stack : []
}

function within({ handle, route }: Layer): readonly Layer[] {
  return layersOf(route ?? handle)
}

/** The layers, and those of the routers and routes among them. */
function allOf(layers: readonly Layer[]): Layer[] {
  const all = new Set(layers)
  // What is added on the way is walked too, and once: a router may be mounted on itself.
  for (const layer of all) for (const inner of within(layer)) all.add(inner)
  return [...all]
}

const everywhere = '/'

/** On which paths something is mounted; none where that cannot be told, as before version 2.3 of `router`. */
function placesOf({ slash, rawPath, regexp }: Layer): string[] {
  if (slash || regexp?.fast_slash) return [everywhere]
  return [rawPath ?? regexp?.source ?? []].flat().map(String)
}

/** The paths of the routes of a layer, those of a router among them, but for what has sessions of its own. */
function routesOf(layer: Layer): string[] {
  const inner = within(layer)
  if (inner.some(isSession)) return []
  return layer.route ? [String(layer.route.path)] : inner.flatMap(routesOf)
}

/**
 * Also `express-session` itself, whose middleware is a function of the name `session`. A handler of a route that is called
 * so takes no `next`.
 */
function isSession({ name, handle }: Layer): boolean {
  if (middlewareDescription(handle)) return true
  return name === 'session' && (handle as { readonly length?: unknown } | undefined)?.length !== 2
}

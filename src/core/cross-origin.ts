import { SojournError } from './errors.js'
import { refuseOption } from './option-checks.js'
import { opensSocket, type RequestFacts } from './request-facts.js'

/** Which requests of other origins may change state. */
export interface CrossOriginOptions {
  /** Origins beside the app's own, such as `'https://app.example.com'`. Default: none. */
  trusted?: readonly string[]
}

/** Checks {@link CrossOriginOptions}. Throws `invalid_option`, naming `option`. */
export function trustedOrigins(
  { trusted = [] }: CrossOriginOptions,
  option = 'crossOrigin.trusted',
): ReadonlySet<string> {
  if (!Array.isArray(trusted)) refuseOption(option, 'a list of origins', trusted)
  for (const origin of trusted as readonly string[]) {
    if (URL.canParse(origin) && originOf(new URL(origin)) === origin) continue
    refuseOption(`Each of ${option}`, "an origin such as 'https://app.example.com', without a path", origin)
  }
  return new Set(trusted)
}

/**
 * Refuses a state-changing request that a browser sends for another origin: no token in a form is needed, since every
 * browser says where a request comes from (ASVS 3.5.1 to 3.5.3). GET, HEAD and OPTIONS pass, which must change nothing,
 * but for one that opens a WebSocket, through which anything may come (ASVS 4.4.2). A request of which the method is not
 * known does not pass.
 *
 * @throws `cross_origin`
 */
export function refuseCrossOrigin(request: RequestFacts, trusted: ReadonlySet<string>): void {
  const isSafe = /^(GET|HEAD|OPTIONS)$/.test(request.method ?? '')
  if (!isSafe || opensSocket(request)) refuseOtherOrigins(request, trusted, 'crossOrigin.trusted')
}

/**
 * The same, whatever the method. `Sec-Fetch-Site` is believed before `Origin`, which is compared with `Host`. A request
 * with neither comes from no browser, and passes.
 *
 * @param option by what an origin is trusted
 * @throws `cross_origin`
 */
export function refuseOtherOrigins(request: RequestFacts, trusted: ReadonlySet<string>, option: string): void {
  const origin = request.header('origin')
  if (origin !== undefined && trusted.has(origin)) return
  const site = request.header('sec-fetch-site')
  if (site === 'same-origin' || site === 'none') return
  if (site === undefined && (origin === undefined || isSameHost(origin, request.header('host')))) return
  throw new SojournError(
    'cross_origin',
    `A request from another origin (method: ${request.method}) was refused. If it is yours, add its origin to ${option}`,
  )
}

/** Also of a scheme that is not the web's, such as an app's or an extension's. */
function originOf({ protocol, host }: URL): string {
  return `${protocol}//${host}`
}

/**
 * The scheme is not compared: behind a proxy that ends TLS the app cannot know its own. A port that a proxy adds to the
 * host is left out where the scheme of the origin implies it, as the origin itself leaves it out. A page of a file or of an app,
 * which may have any host or none, is no page of the server.
 */
function isSameHost(origin: string, host = ''): boolean {
  const own = `//${host}`
  return /^http/.test(origin) && URL.canParse(own, origin) && new URL(own, origin).host === new URL(origin).host
}

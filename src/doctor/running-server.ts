import { isLoopback, privateCacheControl } from '../core/cookie.js'
import { cookieFinding } from './cookie.js'
import type { Finding } from './finding.js'

const stranger = 'https://stranger.example'
/** Seconds. */
const year = 31_536_000

/** What a running server falls short of, as a browser would meet it. Sends two GET requests. */
export async function serverFindings(address: string): Promise<Finding[]> {
  const url = new URL(address)
  const [plain, foreign] = await Promise.all([visit(url, {}), visit(url, { origin: stranger })])
  return [
    ...transportFindings(url, plain),
    ...sessionCookieFindings(url, plain),
    ...cacheFindings(plain),
    ...corsFindings(foreign),
  ]
}

async function visit(url: URL, headers: Record<string, string>): Promise<Response> {
  const response = await fetch(url, { headers, redirect: 'manual', signal: AbortSignal.timeout(10_000) })
  // A page that nobody reads would keep the process until the signal.
  await response.body?.cancel().catch(() => {})
  return response
}

function transportFindings({ protocol }: URL, { headers }: Response): Finding[] {
  // Of several headers browsers go by the first; and `max-age=0` tells them to forget.
  const [hsts = ''] = (headers.get('strict-transport-security') ?? '').split(',')
  const maxAge = Number(/(?:^|;)\s*max-age\s*=\s*"?(\d+)/i.exec(hsts)?.[1] ?? 0)
  if (protocol !== 'https:' || maxAge >= year) return []
  if (maxAge > 0) {
    return [
      {
        code: 'hsts-too-short',
        level: 'error',
        what: `Browsers insist on TLS for ${maxAge} seconds only`,
        why: 'who does not come for so long sends a request in clear again, which somebody else can answer',
        fix: `send Strict-Transport-Security: max-age=${year}, a year`,
        standard: 'ASVS 3.4.1',
      },
    ]
  }
  return [
    {
      code: 'no-hsts',
      level: 'error',
      what: 'The server does not ask browsers to insist on TLS',
      why: 'the first request of a visit may go out in clear, where it can be answered by somebody else',
      fix: `send Strict-Transport-Security: max-age=${year} (the helmet package does)`,
      standard: 'ASVS 3.4.1',
    },
  ]
}

function sessionCookieFindings({ protocol, host }: URL, { headers }: Response): Finding[] {
  const findings: Finding[] = []
  for (const cookie of headers.getSetCookie()) {
    const name = cookie.slice(0, cookie.indexOf('='))
    // Not `sidebar` and its kin, which scripts are to read.
    if (!/sess|sid(?![a-z])/i.test(name)) continue
    const called = `The cookie ${name}`
    // Of several of a name the last counts, as it does in browsers.
    const attributes = new Map(cookie.split(';').map(attributeOf))
    const isOverTls = protocol === 'https:'
    if (isOverTls ? !attributes.has('secure') : !isLoopback(host)) {
      const fix = isOverTls ? 'add Secure to it' : 'serve over TLS, and add Secure to it'
      findings.push(cookieFinding('cookie-not-secure', called, fix))
    }
    if (!attributes.has('httponly')) findings.push(cookieFinding('cookie-readable', called, 'add HttpOnly to it'))
    if (!/^(strict|lax|none)$/.test(String(attributes.get('samesite')))) {
      findings.push(cookieFinding('cookie-without-same-site', called, 'add SameSite=Lax to it'))
    }
  }
  return findings
}

/** Name and value, in lower case. */
function attributeOf(text: string): [string, string] {
  const [name = '', value = ''] = text.toLowerCase().split('=')
  return [name.trim(), value.trim()]
}

function cacheFindings({ headers }: Response): Finding[] {
  const control = headers.get('cache-control') ?? ''
  const isForAll = /(^|,)\s*(public\s*(,|$)|s-maxage\s*=[\s"]*0*[1-9])/i.test(control)
  if (headers.getSetCookie().length === 0 || !isForAll || privateCacheControl(control) === control) return []
  return [
    {
      code: 'cookie-cached',
      level: 'error',
      what: 'A response with a cookie may be kept by shared caches',
      why: 'the next visitor behind the cache gets this one’s cookie',
      fix: 'send Cache-Control: private with it',
      standard: 'RFC 9111 7.3',
    },
  ]
}

function corsFindings({ headers }: Response): Finding[] {
  const allowed = headers.get('access-control-allow-origin')
  if (allowed !== stranger || headers.get('access-control-allow-credentials') !== 'true') return []
  return [
    {
      code: 'cors-for-everybody',
      level: 'error',
      what: 'Pages of any origin may read what a signed-in visitor sees',
      why: 'the server allows credentials for whatever origin asks',
      fix: "cors({ origin: ['https://app.example.com'], credentials: true })",
      standard: 'ASVS 3.4.2',
    },
  ]
}

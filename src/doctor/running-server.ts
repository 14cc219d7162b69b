import type { Finding } from './finding.js'

const stranger = 'https://stranger.example'

/** What a running server falls short of, as a browser would meet it. Sends two GET requests. */
export async function serverFindings(url: string): Promise<Finding[]> {
  const [plain, foreign] = await Promise.all([visit(url, {}), visit(url, { origin: stranger })])
  return [...transportFindings(url, plain), ...cookieFindings(plain), ...corsFindings(foreign)]
}

async function visit(url: string, headers: Record<string, string>): Promise<Response> {
  const response = await fetch(url, { headers, redirect: 'manual', signal: AbortSignal.timeout(10_000) })
  // A page that nobody reads would keep the process until the signal.
  await response.body?.cancel().catch(() => {})
  return response
}

function transportFindings(url: string, { headers }: Response): Finding[] {
  // Of several headers browsers go by the first; and `max-age=0` tells them to forget.
  const [hsts = ''] = (headers.get('strict-transport-security') ?? '').split(',')
  if (!url.startsWith('https:') || /(^|;)\s*max-age\s*=\s*"?0*[1-9]/i.test(hsts)) return []
  return [
    {
      code: 'no-hsts',
      level: 'error',
      what: 'The server does not ask browsers to insist on TLS',
      why: 'the first request of a visit may go out in clear, where it can be answered by somebody else',
      fix: 'send Strict-Transport-Security: max-age=31536000 (the helmet package does)',
      standard: 'ASVS 3.4.1',
    },
  ]
}

function cookieFindings({ headers }: Response): Finding[] {
  const findings: Finding[] = []
  const cookies = headers.getSetCookie()
  for (const cookie of cookies) {
    const name = cookie.slice(0, cookie.indexOf('='))
    // Not `sidebar` and its kin, which scripts are to read.
    if (!/sess|sid(?![a-z])/i.test(name) || /;\s*httponly/i.test(cookie)) continue
    findings.push({
      code: 'cookie-readable',
      level: 'error',
      what: `Scripts can read the cookie ${name}`,
      why: 'a script that gets into a page takes the session with it',
      fix: 'add HttpOnly to it',
      standard: 'ASVS 3.3.4',
    })
  }
  if (cookies.length > 0 && /\bpublic\b/i.test(headers.get('cache-control') ?? '')) {
    findings.push({
      code: 'cookie-cached',
      level: 'error',
      what: 'A response with a cookie may be kept by shared caches',
      why: 'the next visitor behind the cache gets this one’s cookie',
      fix: 'send Cache-Control: private with it',
      standard: 'RFC 9111 7.3',
    })
  }
  return findings
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

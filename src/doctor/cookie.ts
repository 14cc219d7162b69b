import type { Finding } from './finding.js'

/** What a session cookie can lack. `what` goes on from its name. */
const faults = {
  'cookie-not-secure': {
    level: 'error',
    what: 'is sent over plain HTTP',
    why: 'anybody on the way can read it, and plant one',
    standard: 'ASVS 3.3.1, NIST 5.1.1',
  },
  'cookie-readable': {
    level: 'error',
    what: 'can be read by scripts',
    why: 'a script that gets into a page takes the session with it',
    standard: 'ASVS 3.3.4',
  },
  'cookie-without-same-site': {
    level: 'warning',
    what: 'does not say which sites may send it',
    why: 'browsers differ in what they then do',
    standard: 'ASVS 3.3.2',
  },
} as const

export function cookieFinding(code: keyof typeof faults, cookie: string, fix: string): Finding {
  const { what, ...fault } = faults[code]
  return { code, what: `${cookie} ${what}`, fix, ...fault }
}

/** The options that mean the same in the engine and in the drop-in. */
export interface CookieReach {
  readonly domain?: unknown
  readonly path?: unknown
  readonly sameSite?: unknown
  readonly partitioned?: unknown
}

/**
 * What a cookie falls short of by where it goes.
 *
 * @param guard what would refuse the requests of other sites; `null` where they are refused
 */
export function reachFindings(
  cookie: string,
  { domain, path, sameSite, partitioned }: CookieReach,
  guard: string | null,
): Finding[] {
  const findings: Finding[] = []
  if (domain) {
    findings.push({
      code: 'cookie-shared-with-subdomains',
      level: 'warning',
      what: `${cookie} goes to every subdomain`,
      why: 'each of them can read it, and one that is taken over takes the sessions with it',
      fix: 'leave cookie.domain out, unless they share sessions by design',
      standard: 'ASVS 3.3.3',
    })
  } else if (path && path !== '/') {
    findings.push({
      code: 'cookie-path',
      level: 'warning',
      what: `${cookie} has a path`,
      why: 'a path separates nothing (RFC 6265bis, section 8.5), and costs the __Host- prefix',
      fix: 'leave cookie.path out',
      standard: 'ASVS 3.3.3',
    })
  }
  // The drop-in's `'auto'` is none over TLS.
  const isCrossSite = /^(none|auto)$/i.test(String(sameSite))
  if (isCrossSite && guard) {
    findings.push({
      code: 'cross-site-without-guard',
      level: 'error',
      what: `${cookie} comes with requests of other sites, and Sojourn refuses none`,
      why: 'any page can make a signed-in visitor’s browser act (cross-site request forgery)',
      fix: guard,
      standard: 'ASVS 3.5.1, CWE-352',
    })
  }
  if (partitioned && !isCrossSite) {
    findings.push({
      code: 'partitioned-needlessly',
      level: 'warning',
      what: `${cookie} is partitioned, and never comes from other sites`,
      why: 'there is one partition for each site that embeds yours, and from there browsers send SameSite=None only',
      fix: "leave cookie.partitioned out, or add sameSite: 'none' and a guard against requests of other sites",
      standard: 'ASVS 3.3.2',
    })
  }
  return findings
}

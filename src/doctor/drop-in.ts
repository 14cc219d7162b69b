import type { DropInDescription } from '../core/mounted-middleware.js'
import { rememberedFindings } from './configuration.js'
import { cookieFinding, reachFindings } from './cookie.js'
import type { Finding } from './finding.js'
import { weaknessOfSecret } from './secret.js'

/** What the options of the drop-in fall short of. */
export function dropInFindings({
  secrets,
  cookie,
  resave,
  saveUninitialized,
  isMemoryStore,
}: DropInDescription): Finding[] {
  const findings: Finding[] = []
  const weak = secrets.map(weaknessOfSecret).find(Boolean)
  if (weak) {
    findings.push({
      code: 'weak-secret',
      level: 'error',
      what: `The secret of the drop-in ${weak}`,
      why: 'whoever knows it can sign session ids',
      fix: 'put a random one first, secret: [process.env.SESSION_SECRET, oldSecret], and drop the old one when its cookies have expired',
      standard: 'ASVS 11.5.1, 13.3.1',
    })
  }
  if (isMemoryStore) {
    findings.push({
      code: 'no-store',
      level: 'error',
      what: 'The drop-in keeps sessions in the memory of this process',
      why: 'they are lost when it stops, and another process does not see a logout',
      fix: "store: toConnectStore(sqliteStore('sessions.db'))",
      standard: 'ASVS 7.4.1',
    })
  }
  if (resave || saveUninitialized) {
    const names = [resave && 'resave', saveUninitialized && 'saveUninitialized'].filter(Boolean)
    findings.push({
      code: 'writes-needlessly',
      level: 'warning',
      what: `${names.join(' and ')} of the drop-in ${names.length > 1 ? 'are' : 'is'} on`,
      why: saveUninitialized
        ? 'every passing stranger gets a record and a cookie'
        : 'a late write undoes a parallel one',
      fix: 'resave: false, saveUninitialized: false',
      standard: 'ASVS 7.6.2, 15.4.2',
    })
  }
  if (cookie) findings.push(...cookieFindings(cookie))
  return findings
}

function cookieFindings(cookie: NonNullable<DropInDescription['cookie']>): Finding[] {
  const called = 'The cookie of the drop-in'
  const findings = reachFindings(
    called,
    cookie,
    "cookie: { sameSite: 'lax' }, or refuse changes whose Origin header names another site",
  )
  if (!cookie.secure) findings.push(cookieFinding('cookie-not-secure', called, "cookie: { secure: 'auto' }"))
  // What is given as undefined is not sent either.
  const { httpOnly } = { httpOnly: true, ...cookie }
  if (!httpOnly) findings.push(cookieFinding('cookie-readable', called, 'leave cookie.httpOnly out'))
  if (!cookie.sameSite) findings.push(cookieFinding('cookie-without-same-site', called, "cookie: { sameSite: 'lax' }"))
  const end = cookie.maxAge ?? cookie.expires
  const lifetime = Number(end) - (end instanceof Date ? Date.now() : 0)
  findings.push(
    ...rememberedFindings('A remembered session of the drop-in', lifetime, 'cookie: { maxAge: 30 * 86_400_000 }'),
  )
  return findings
}

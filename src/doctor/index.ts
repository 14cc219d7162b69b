/**
 * Looks at the sessions of an app, as they are configured and as they run, and says what falls short of the standards.
 *
 * @module
 */

import { SojournError } from '../core/errors.js'
import { refuseOption } from '../core/option-checks.js'
import { type AnySessions, type Visits, visitsFrom } from '../core/sessions.js'
import { configurationFindings } from './configuration.js'
import { type ExpressApp, expressFindings, visitsOn } from './express-app.js'
import type { Finding } from './finding.js'
import { serverFindings } from './running-server.js'

export type { ExpressApp } from './express-app.js'
export type { Finding, Level } from './finding.js'

/**
 * Lists what falls short, the worst first; nothing for a good configuration. Each finding names the row of the standard,
 * why it matters, and the line to change. Run it in CI, and fail on findings.
 *
 * @param sessions what `createSessions` made; `null` to look at an app alone
 * @param app an Express app, whose settings and middleware are looked at, with the sessions that are mounted; or the
 * address of the running server, which is visited twice
 * @throws `invalid_option` for another app than these, and where there is nothing to look at; what `fetch` throws when the
 * server cannot be reached
 */
export async function doctor(sessions: AnySessions | null, app?: ExpressApp | string): Promise<Finding[]> {
  if (!sessions && app === undefined) {
    throw new SojournError('invalid_option', 'There is nothing to look at: give what createSessions() made, or an app')
  }
  if (sessions && typeof sessions !== 'object') {
    refuseOption(
      'The first argument of doctor()',
      'what createSessions() made, or null to look at an app alone',
      sessions,
    )
  }
  const isAddress = typeof app === 'string' && /^https?:\/\//i.test(app) && URL.canParse(app)
  // The apps of other frameworks have a `get` too, but are no functions.
  const isExpress = typeof app === 'function' && typeof (app as Partial<ExpressApp>).get === 'function'
  if (app !== undefined && !isAddress && !isExpress) {
    throw new SojournError(
      'invalid_option',
      "The app must be an Express app, or the address of a running server, such as 'https://app.example.com/'",
    )
  }
  // What was handed over and what is mounted are the same, as a rule.
  const configurations = new Set<Visits>(sessions ? [visitsFrom(sessions)] : [])
  if (app && typeof app !== 'string') for (const visits of visitsOn(app)) configurations.add(visits)
  const findings = [...configurations].flatMap(configurationFindings)
  if (typeof app === 'string') findings.push(...(await serverFindings(app)))
  else if (app !== undefined) findings.push(...expressFindings(app))
  return findings.sort((a, b) => Number(b.level === 'error') - Number(a.level === 'error'))
}

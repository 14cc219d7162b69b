/** How bad it is: `error` falls short of a requirement; `warning` of a recommendation. */
export type Level = 'error' | 'warning'

/** One thing that falls short. */
export interface Finding {
  /** Stable, to leave a finding out by: `'cookie-not-secure'`. */
  readonly code: string
  /** `'error'` where a requirement is missed, `'warning'` where a recommendation is. */
  readonly level: Level
  /** What is so. */
  readonly what: string
  /** Why it matters. */
  readonly why: string
  /** The line to change. */
  readonly fix: string
  /** The row of the standard, such as `'ASVS 3.3.1'`. */
  readonly standard: string
}

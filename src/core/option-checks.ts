import { SojournError } from './errors.js'
import { show } from './show.js'

/** Throws `invalid_option` for an option that is not what is `expected`. */
export function refuseOption(option: string, expected: string, got: unknown): never {
  throw new SojournError('invalid_option', `${option} must be ${expected}; got ${show(got)}`)
}

/** The value, or the first of those allowed where it is not given. Throws `invalid_option` for another. */
export function oneOf<const T>(value: T | undefined, allowed: readonly [T, ...T[]], option: string): T {
  if (value === undefined) return allowed[0]
  if (allowed.includes(value)) return value
  const quoted = allowed.map((one) => (typeof one === 'string' ? `'${one}'` : String(one)))
  refuseOption(option, listOf(quoted, 'or'), value)
}

/** Such as `1, 2 and 3`. */
function listOf(items: readonly string[], word: string): string {
  return items.join(', ').replace(/, (?=[^ ]+$)/, ` ${word} `)
}

/** Throws `invalid_option` for options that are not functions of the request, each under a known name. */
export function refuseOtherThanFunctions(what: string, options: object, known: readonly string[]): void {
  refuseUnknownOptions(what, options, known)
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && typeof value !== 'function') refuseOption(name, 'a function of the request', value)
  }
}

/** Throws `invalid_option` where options are a request: a function was mounted that is to be called first. */
export function refuseRequest(options: unknown): void {
  const given = Object(options)
  if (!('method' in given || 'req' in given)) return
  throw new SojournError(
    'invalid_option',
    'A request was given in place of the options: call what you mount, as in app.use(session(sessions))',
  )
}

/**
 * Throws `invalid_option` where options of something have a name that is not known: one that is misspelt would be left out
 * without a word.
 */
export function refuseUnknownOptions(what: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null) refuseOption(`The options of ${what}`, 'an object', options)
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const quoted = known.map((name) => `"${name}"`)
  const there = `${known.length > 1 ? 'are' : 'is'} ${listOf(quoted, 'and')}`
  throw new SojournError('invalid_option', `${what}: "${unknown}" is not an option; there ${there}`)
}

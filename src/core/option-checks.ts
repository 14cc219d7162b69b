import { SojournError } from './errors.js'
import { show } from './show.js'

/** Timers hold 31 bits, and ring at once for more. */
export const longestTimer = 2 ** 31 - 1

/** Throws `invalid_option`. */
export function refuse(message: string): never {
  throw new SojournError('invalid_option', message)
}

/** Throws `invalid_option` for an option that is not what is `expected`. */
export function refuseOption(option: string, expected: string, got: unknown): never {
  refuse(`${option} must be ${expected}; got ${show(got)}`)
}

/** The value, or the first of those allowed where it is not given. Throws `invalid_option` for another. */
export function oneOf<const T>(value: T | undefined, allowed: readonly [T, ...T[]], option: string): T {
  if (value === undefined) return allowed[0]
  if (allowed.includes(value)) return value
  refuseOption(option, listOf(allowed, 'or'), value)
}

/** The number, if it can count something. Throws `invalid_option` for anything else. */
export function wholeNumber(value: number, option: string): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  refuseOption(option, 'a whole number from 1', value)
}

/** Throws `invalid_option` for what is to be called, and cannot be. */
export function refuseOtherThanFunction(what: string, given: unknown): void {
  if (typeof given !== 'function') refuseOption(what, 'a function', given)
}

/** Such as `"a", "b" and "c"`. */
function listOf(items: readonly unknown[], word: string): string {
  return items
    .map(show)
    .join(', ')
    .replace(/, (?=[^ ]+$)/, ` ${word} `)
}

/** Throws `invalid_option` for options that are not functions of the request, each under a known name. */
export function refuseOtherThanFunctions(what: string, options: object, known: readonly string[]): void {
  refuseUnknownOptions(what, options, known)
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && typeof value !== 'function') refuseOption(name, 'a function of the request', value)
  }
}

/**
 * Throws `invalid_option` where options are a request: a function was mounted that is to be called first; and where they are a
 * promise.
 */
export function refuseRequest(options: unknown): void {
  const given = Object(options)
  if ('then' in given) refuse('A promise was given in place of the options: await it')
  if (!('method' in given || 'req' in given)) return
  refuse('A request was given in place of the options: call what you mount, as in app.use(session(sessions))')
}

/**
 * Throws `invalid_option` where options of something have a name that is not known: one that is misspelt would be left out
 * without a word.
 *
 * @param elsewhere what to do instead, by names that the options of other libraries have
 */
export function refuseUnknownOptions(
  what: string,
  options: object | undefined,
  known: readonly string[],
  elsewhere: { readonly [name: string]: string } = {},
): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuseOption(`The options of ${what}`, `an object of ${known.join(', ')}`, options)
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const fix = Object.hasOwn(elsewhere, unknown)
    ? elsewhere[unknown]
    : `there ${known.length > 1 ? 'are' : 'is'} ${listOf(known, 'and')}`
  refuse(`${what}: "${unknown}" is not an option; ${fix}`)
}

import { SojournError } from './errors.js'
import { show } from './show.js'

/** Throws `invalid_option` for an option that is not what is `expected`. */
export function refuseOption(option: string, expected: string, got: unknown): never {
  throw new SojournError('invalid_option', `${option} must be ${expected}; got ${show(got)}`)
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
  const quoted = known.map((name) => `"${name}"`).join(', ')
  const there = known.length > 1 ? `are ${quoted.replace(/, (?=[^ ]+$)/, ' and ')}` : `is ${quoted}`
  throw new SojournError('invalid_option', `${what}: "${unknown}" is not an option; there ${there}`)
}

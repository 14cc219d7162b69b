import { refuse } from './option-checks.js'

/**
 * One secret, or several: the first is used for what is made, all for what is read. To rotate, add a new one at the end, and
 * put it first once every process has it.
 */
export type Secrets = string | readonly string[]

/** How secrets of tutorials, READMEs and templates begin or end, in lower case without spaces and punctuation. */
const wellKnown = /^(secret|password|shhhh|example)|(secret|password|shhhh|example)$/
/** Likewise, of what is found in longer ones; too long to be there by chance. */
const telling =
  /keyboardcat|secret(key|with)|(my|top|super|your|isa|session)secret|complexpassword|(change|replace)(me|it|this)|averylog|abcdefgh/

const makeOne = `Make one with: node -e "console.log(crypto.randomBytes(32).toString('base64url'))"`

/**
 * Checks secrets. Messages never repeat them.
 *
 * @throws `invalid_option` for none, and for one that is short, well known or hardly random
 */
export function checkedSecrets(secrets: unknown, option: string): readonly string[] {
  const all = typeof secrets === 'string' ? [secrets] : secrets
  if (!Array.isArray(all) || all.length === 0 || !all.every((secret) => typeof secret === 'string')) {
    refuse(`${option} must be a text, or a list of texts. ${makeOne}`)
  }
  for (const [index, secret] of (all as string[]).entries()) {
    const weakness = weaknessOf(secret)
    if (!weakness) continue
    const which = all.length > 1 ? `${option}[${index}]` : option
    refuse(`${which} ${weakness}. ${makeOne}`)
  }
  return all as string[]
}

/** What is wrong with a secret; `null` for a good one. */
export function weaknessOf(secret: string): string | null {
  const plain = secret.toLowerCase().replace(/[^a-z]/g, '')
  if ((plain.length < 40 && wellKnown.test(plain)) || telling.test(plain) || secret.includes('23456789')) {
    return 'is one that everybody knows'
  }
  if (secret.length < 32) return 'needs at least 32 characters'
  if (new Set(secret).size < 12) return 'repeats too few characters'
  return null
}

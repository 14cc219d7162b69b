import type { SessionPatch, SessionRecord } from '../../core/store.js'

/** The server drops a record this long after it expired, so that a clock that is a little off ends no session. */
const reclaimDelay = 5 * 60_000

/** A record as the server has it: a hash of facts and values. */
export interface HeldRecord {
  readonly record: SessionRecord
  /** When the entry of the index was made that the record names; `undefined` where there is no user. */
  readonly since: string | undefined
}

/** A value's field begins with a colon, so that no name is taken for a fact. */
const fieldOf = (name: string) => `:${name}`

/** Reads the fields and texts of a hash. */
export function heldOf(fieldsAndTexts: readonly string[]): HeldRecord {
  const facts: { [name: string]: string | undefined } = {}
  const values: [name: string, text: string][] = []
  for (let index = 0; index < fieldsAndTexts.length; index += 2) {
    const field = fieldsAndTexts[index] as string
    const text = fieldsAndTexts[index + 1] as string
    if (field.startsWith(':')) values.push([field.slice(1), text])
    else facts[field] = text
  }
  const { userId = null, createdAt, expiresAt, since } = facts
  const record: SessionRecord = {
    // Not by assignment: a value may be called `__proto__`.
    values: Object.fromEntries(values),
    userId,
    createdAt: Number(createdAt),
    expiresAt: Number(expiresAt),
  }
  return { record, since }
}

/** What the script that creates a record is given. */
export function createArguments({ values, userId, createdAt, expiresAt }: SessionRecord, since: string): string[] {
  const facts = ['createdAt', `${createdAt}`, 'expiresAt', `${expiresAt}`]
  if (userId !== null) facts.push('userId', userId, 'since', since)
  const texts = Object.entries(values).flatMap(([name, text]) => [fieldOf(name), text])
  return [`${expiresAt + reclaimDelay}`, since, ...facts, ...texts]
}

/** What the script that patches a record is given. */
export function patchArguments(patch: SessionPatch, since: string): string[] {
  const { now, set = {}, unset = [], userId, expiresAt, when = {} } = patch
  const compared: string[] = []
  for (const [name, text] of Object.entries(when)) compared.push(fieldOf(name), text === null ? '' : `=${text}`)
  const changed: string[] = []
  for (const [name, text] of Object.entries(set)) changed.push(fieldOf(name), text)
  const removed = unset.map(fieldOf)
  if (userId === null) removed.push('userId', 'since')
  else if (userId !== undefined) changed.push('userId', userId, 'since', since)
  if (expiresAt !== undefined) changed.push('expiresAt', `${expiresAt}`)
  const reclaimAt = expiresAt === undefined ? '' : `${expiresAt + reclaimDelay}`
  const counts = [`${compared.length / 2}`, `${changed.length / 2}`]
  return [`${now}`, reclaimAt, since, ...counts, ...compared, ...changed, ...removed]
}

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
  const record: SessionRecord = { values: {}, userId: null, createdAt: Number.NaN, expiresAt: Number.NaN }
  const values: [name: string, text: string][] = []
  let since: string | undefined
  for (let index = 0; index < fieldsAndTexts.length; index += 2) {
    const field = fieldsAndTexts[index] as string
    const text = fieldsAndTexts[index + 1] as string
    if (field.startsWith(':')) values.push([field.slice(1), text])
    else if (field === 'userId') record.userId = text
    else if (field === 'createdAt') record.createdAt = Number(text)
    else if (field === 'expiresAt') record.expiresAt = Number(text)
    else if (field === 'since') since = text
  }
  // Not by assignment: a value may be called `__proto__`.
  record.values = Object.fromEntries(values)
  return { record, since }
}

/** What the script that creates a record is given. */
export function createArguments({ values, userId, createdAt, expiresAt }: SessionRecord, since: string): string[] {
  const facts = ['createdAt', `${createdAt}`, 'expiresAt', `${expiresAt}`]
  if (userId !== null) facts.push('userId', userId, 'since', since)
  const texts = Object.entries(values).flatMap(([name, text]) => [fieldOf(name), text])
  return [`${expiresAt + reclaimDelay}`, since, ...facts, ...texts]
}

/**
 * A patch as the script reads it, in one text, since clients take longer for each argument: now; when the server may drop
 * the record, or ''; the time of its entry in the index, 'none' for no user any more, or '' for the same user as before;
 * the fields that are compared, each with '=' and its text or '' for absent; those that are set, each with its text; those
 * that are removed.
 */
export function patchText(patch: SessionPatch, since = ''): string {
  const { now, set = {}, unset = [], userId, expiresAt, when = {} } = patch
  const compared: string[] = []
  for (const name of Object.keys(when)) {
    const text = when[name] as string | null
    compared.push(fieldOf(name), text === null ? '' : `=${text}`)
  }
  const changed: string[] = []
  for (const name of Object.keys(set)) changed.push(fieldOf(name), set[name] as string)
  if (typeof userId === 'string') changed.push('userId', userId, 'since', since)
  if (expiresAt !== undefined) changed.push('expiresAt', `${expiresAt}`)
  const removed = unset.map(fieldOf)
  if (userId === null) removed.push('userId', 'since')
  const reclaimAt = expiresAt === undefined ? '' : `${expiresAt + reclaimDelay}`
  return JSON.stringify([`${now}`, reclaimAt, userId === null ? 'none' : since, compared, changed, removed])
}

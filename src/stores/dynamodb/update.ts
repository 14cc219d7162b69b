import { SojournError } from '../../core/errors.js'
import { fieldOf } from '../../core/field-names.js'
import type { SessionPatch } from '../../core/store.js'
import type { Attribute } from './client.js'
import { number, reclaimAt, sessionKey, text } from './items.js'

/** How many values a patch may change, and compare: DynamoDB takes 4 KB and 300 operators an expression. */
const most = { changes: 200, conditions: 100 }

/** What an update says of the index by user. */
export interface Listing {
  owner: string
  /** Until when the index names the session, in milliseconds. */
  until: number
}

/** The update that a patch stands for, with all that has to hold. */
export function updateOf(table: string, id: string, patch: SessionPatch, mark: string, listing?: Listing) {
  const { now, set = {}, unset = [], userId, expiresAt, when = {} } = patch
  if (Object.keys(set).length + unset.length > most.changes || Object.keys(when).length > most.conditions) {
    throw new SojournError(
      'record_too_large',
      `dynamodbStore: DynamoDB changes at most ${most.changes} values at a time, and compares at most ${most.conditions}`,
    )
  }
  const names = new Map<string, string>()
  const values = new Map<Attribute, string>()
  const name = (full: string) => placeholder(names, '#', full)
  const value = (attribute: Attribute) => placeholder(values, ':', attribute)
  const path = (valueName: string) => `${name('values')}.${name(fieldOf(valueName))}`

  const assignments = Object.entries(set).map(([key, json]) => `${path(key)} = ${value(text(json))}`)
  const removals = Array.from(new Set(unset), path)
  if (userId === null) removals.push(name('userId'), name('listedUntil'))
  else if (userId !== undefined) assignments.push(`${name('userId')} = ${value(text(userId))}`)
  if (expiresAt !== undefined) {
    assignments.push(`${name('expiresAt')} = ${value(number(expiresAt))}`)
    assignments.push(`${name('reclaimAt')} = ${value(reclaimAt(expiresAt))}`)
  }
  const conditions = [`${name('expiresAt')} > ${value(number(now))}`]
  for (const [key, json] of Object.entries(when)) {
    conditions.push(json === null ? `attribute_not_exists(${path(key)})` : `${path(key)} = ${value(text(json))}`)
  }
  if (listing) {
    assignments.push(`${name('listedUntil')} = ${value(number(listing.until))}`)
    conditions.push(`${name('expiresAt')} < ${value(number(listing.until))}`)
    if (userId === undefined) conditions.push(`${name('userId')} = ${value(text(listing.owner))}`)
  } else if (expiresAt !== undefined && userId === undefined) {
    // Where the index names the session, it goes on to do so for as long as the session lives.
    const until = name('listedUntil')
    conditions.push(`(attribute_not_exists(${until}) OR ${until} > ${value(number(expiresAt))})`)
  }
  assignments.push(`${name('mark')} = ${value(text(mark))}`)

  return {
    TableName: table,
    Key: sessionKey(id),
    UpdateExpression: `SET ${assignments.join(', ')}${removals.length > 0 ? ` REMOVE ${removals.join(', ')}` : ''}`,
    ConditionExpression: conditions.join(' AND '),
    ExpressionAttributeNames: byPlaceholder(names),
    ExpressionAttributeValues: byPlaceholder(values),
  }
}

/** The short name that stands for something in an expression. */
function placeholder<Full>(known: Map<Full, string>, sign: '#' | ':', full: Full): string {
  const short = known.get(full) ?? `${sign}${known.size}`
  known.set(full, short)
  return short
}

function byPlaceholder<Full>(known: Map<Full, string>): Record<string, Full> {
  return Object.fromEntries(Array.from(known, ([full, short]) => [short, full]))
}

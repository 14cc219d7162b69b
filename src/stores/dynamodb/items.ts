import { byField, byFieldName } from '../../core/field-names.js'
import type { SessionRecord } from '../../core/store.js'
import type { Item } from './client.js'

/** A session as it was found, with what the store itself keeps beside it. */
export interface Found extends SessionRecord {
  /** Until when the index names it, in milliseconds; for a signed-in user's. */
  listedUntil: number
  /** Of the write that was last, so that one whose answer was lost is known again. */
  mark: string
}

export const number = (value: number) => ({ N: String(value) })
export const text = (value: string) => ({ S: value })

/** The first characters of ids, in ascending order. Each has a partition, so that all sessions can be read in order. */
const firstCharacters = Array.from('-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz')

const partitionOf = (firstCharacter: string) => text(`s#${firstCharacter}`)

/** The partitions that hold what follows an id, in ascending order. */
export function sessionPartitions(after: string) {
  return firstCharacters.filter((character) => character >= after.charAt(0)).map(partitionOf)
}

export function sessionKey(id: string): Item {
  return { pk: partitionOf(id.charAt(0)), sk: text(id) }
}

/** The partition that names the sessions of a user. */
export const userPartition = (userId: string) => text(`u#${userId}`)

/** Five minutes after a moment, in seconds, for the table's TTL. */
export function reclaimAt(milliseconds: number) {
  return number(Math.ceil(milliseconds / 1000) + 300)
}

export function itemOf(id: string, record: SessionRecord, mark: string, listedUntil?: number): Item {
  const values = Object.entries(record.values).map(([name, value]) => [name, text(value)])
  return {
    ...sessionKey(id),
    ...(record.userId !== null && { userId: text(record.userId) }),
    ...(listedUntil !== undefined && { listedUntil: number(listedUntil) }),
    createdAt: number(record.createdAt),
    expiresAt: number(record.expiresAt),
    reclaimAt: reclaimAt(record.expiresAt),
    values: { M: byField(Object.fromEntries(values)) },
    mark: text(mark),
  }
}

/** An item as the table gives it. In one that somebody else wrote, anything but the key may be missing. */
interface StoredItem {
  sk: { S: string }
  userId?: { S?: string }
  listedUntil?: { N?: string }
  createdAt?: { N?: string }
  expiresAt?: { N?: string }
  values?: { M?: Record<string, { S: string }> }
  mark?: { S?: string }
}

export function foundIn(item: object): Found {
  const { userId, listedUntil, createdAt, expiresAt, values, mark } = item as StoredItem
  return {
    values: byFieldName(Object.fromEntries(Object.entries(values?.M ?? {}).map(([field, value]) => [field, value.S]))),
    userId: userId?.S ?? null,
    createdAt: Number(createdAt?.N),
    expiresAt: Number(expiresAt?.N),
    listedUntil: Number(listedUntil?.N ?? 0),
    mark: mark?.S ?? '',
  }
}

export function recordOf({ values, userId, createdAt, expiresAt }: Found): SessionRecord {
  return { values, userId, createdAt, expiresAt }
}

export function idOf(item: object): string {
  return (item as StoredItem).sk.S
}

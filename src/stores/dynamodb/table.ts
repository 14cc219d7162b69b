import { setTimeout as delay } from 'node:timers/promises'
import { SojournError } from '../../core/errors.js'
import { type DynamodbClient, isMissing, otherKey, type TableDescription } from './client.js'

/** How often to look at a table that is being made or dropped, and for how long, in milliseconds. */
const pause = 500
const patience = 60_000
/** The attribute by which DynamoDB removes what expired. */
const reclaimed = 'reclaimAt'
/** By name, with its part in the key of the table. Both are text. */
const keys = { pk: 'HASH', sk: 'RANGE' }

/**
 * Creates the table where it is not there, waits until it answers, and lets it remove what expired. Changes nothing of a
 * table with another key.
 */
export async function createTable(client: DynamodbClient, table: string): Promise<void> {
  const deadline = performance.now() + patience
  for (;;) {
    let found = await describe(client, table)
    if (!found) {
      await create(client, table)
      found = await describe(client, table)
    }
    const status = found?.TableStatus
    // One that is being dropped is gone after a while.
    if (found && status !== 'CREATING' && status !== 'DELETING') {
      if (hasOurKey(found)) break
      throw new SojournError('store_misconfigured', `dynamodbStore: ${otherKey(table)}`)
    }
    if (performance.now() > deadline) {
      const state = status ?? 'not there'
      throw new SojournError('store_unavailable', `dynamodbStore: the table ${table} is still ${state} after a minute`)
    }
    await delay(pause)
  }
  if (await isReclaimed(client, table)) return
  try {
    const TimeToLiveSpecification = { AttributeName: reclaimed, Enabled: true }
    await client.updateTimeToLive({ TableName: table, TimeToLiveSpecification })
  } catch (cause) {
    unless(cause as Error, 'ValidationException')
    if (await isReclaimed(client, table)) return
    const what = `DynamoDB cannot turn on the TTL of the table ${table} now, as in the hour after it was changed`
    throw new SojournError('store_misconfigured', `dynamodbStore: ${what}: call \`migrate()\` again later`, { cause })
  }
}

/** Whether what expired is removed. */
async function isReclaimed(client: DynamodbClient, table: string): Promise<boolean> {
  const { TimeToLiveDescription } = await client.describeTimeToLive({ TableName: table })
  const { TimeToLiveStatus = '', AttributeName } = TimeToLiveDescription ?? {}
  if (!TimeToLiveStatus.startsWith('ENABL')) return false
  if (AttributeName === reclaimed) return true
  const what = `the TTL of the table ${table} goes by "${AttributeName}", not by "${reclaimed}"`
  throw new SojournError('store_misconfigured', `dynamodbStore: ${what}: turn it off, or choose another table`)
}

async function create(client: DynamodbClient, table: string): Promise<void> {
  await client
    .createTable({
      TableName: table,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: Object.keys(keys).map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
      KeySchema: Object.entries(keys).map(([AttributeName, KeyType]) => ({ AttributeName, KeyType })),
    })
    // Another process may do so at this moment.
    .catch((error) => unless(error, 'ResourceInUseException'))
}

/** Rethrows an error, unless it is one that another process doing the same brings about. */
function unless(error: { name?: unknown }, name: string): void {
  if (error.name !== name) throw error
}

function hasOurKey({ KeySchema = [], AttributeDefinitions = [] }: TableDescription): boolean {
  return Object.entries(keys).every(
    ([name, part]) =>
      KeySchema.some(({ AttributeName, KeyType }) => AttributeName === name && KeyType === part) &&
      AttributeDefinitions.some(({ AttributeName, AttributeType }) => AttributeName === name && AttributeType === 'S'),
  )
}

async function describe(client: DynamodbClient, table: string): Promise<TableDescription | undefined> {
  try {
    return (await client.describeTable({ TableName: table })).Table
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

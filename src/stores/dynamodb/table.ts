import { setTimeout as delay } from 'node:timers/promises'
import { SojournError } from '../../core/errors.js'
import { type DynamodbClient, isMissing } from './client.js'

/** How often to look at a table that is being made or dropped, and for how long, in milliseconds. */
const pause = 500
const patience = 60_000
/** The attribute by which DynamoDB removes what expired. */
const reclaimed = 'reclaimAt'

/** Creates the table where it is not there, waits until it answers, and lets it remove what expired. */
export async function createTable(client: DynamodbClient, table: string): Promise<void> {
  const deadline = performance.now() + patience
  for (;;) {
    let status = await statusOf(client, table)
    if (status === undefined) {
      await create(client, table)
      status = await statusOf(client, table)
    }
    // One that is being dropped is gone after a while.
    if (status && status !== 'CREATING' && status !== 'DELETING') break
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
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    })
    // Another process may do so at this moment.
    .catch((error) => unless(error, 'ResourceInUseException'))
}

/** Rethrows an error, unless it is one that another process doing the same brings about. */
function unless(error: { name?: unknown }, name: string): void {
  if (error.name !== name) throw error
}

async function statusOf(client: DynamodbClient, table: string): Promise<string | undefined> {
  try {
    return (await client.describeTable({ TableName: table })).Table?.TableStatus
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

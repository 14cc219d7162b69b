import { setTimeout as delay } from 'node:timers/promises'
import { SojournError } from '../../core/errors.js'
import { type DynamodbClient, isMissing } from './client.js'

/** How often to look at a table that is being made or dropped, and for how long, in milliseconds. */
const pause = 500
const patience = 60_000

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
  const { TimeToLiveDescription } = await client.describeTimeToLive({ TableName: table })
  if (/^ENABL/.test(TimeToLiveDescription?.TimeToLiveStatus ?? '')) return
  const TimeToLiveSpecification = { AttributeName: 'reclaimAt', Enabled: true }
  await client
    .updateTimeToLive({ TableName: table, TimeToLiveSpecification })
    .catch((error) => unless(error, 'ValidationException'))
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

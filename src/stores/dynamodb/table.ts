import { setTimeout as delay } from 'node:timers/promises'
import { type DynamodbClient, isMissing } from './client.js'

/** Creates the table where it is not there, waits until it answers, and lets it remove what expired. */
export async function createTable(client: DynamodbClient, table: string): Promise<void> {
  if ((await statusOf(client, table)) === undefined) {
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
  while ((await statusOf(client, table)) !== 'ACTIVE') await delay(500)
  const { TimeToLiveDescription } = await client.describeTimeToLive({ TableName: table })
  if (/^ENABL/.test(TimeToLiveDescription?.TimeToLiveStatus ?? '')) return
  const TimeToLiveSpecification = { AttributeName: 'reclaimAt', Enabled: true }
  await client
    .updateTimeToLive({ TableName: table, TimeToLiveSpecification })
    .catch((error) => unless(error, 'ValidationException'))
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

import type { Server as HttpServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { DynamoDB } from '@aws-sdk/client-dynamodb'

/** It has no types. */
const dynalite: (options: { createTableMs: number; deleteTableMs: number }) => HttpServer = createRequire(
  import.meta.url,
)('dynalite')

/**
 * A client of the DynamoDB that `DYNAMODB_URL` names (DynamoDB Local, as compose.yaml has it), or else of `dynalite`, a
 * stand-in in this process, which takes `deleteTableMs` to drop a table. The stand-in has no TTL: what asks for it or sets it is answered here, and nothing expires.
 */
export async function startDynamodb({ deleteTableMs = 0 } = {}): Promise<{
  url: string
  client: DynamoDB
  isStandIn: boolean
  stop(): Promise<void>
}> {
  const server = process.env.DYNAMODB_URL ? undefined : dynalite({ createTableMs: 0, deleteTableMs })
  await new Promise<void>((resolve) => (server ? server.listen(0, '127.0.0.1', resolve) : resolve()))
  const address = server?.address() as AddressInfo | undefined
  const endpoint = process.env.DYNAMODB_URL || `http://127.0.0.1:${address?.port}`
  const credentials = { accessKeyId: 'tests', secretAccessKey: 'tests' }
  const client = new DynamoDB({ endpoint, region: 'eu-west-1', credentials })
  return {
    url: endpoint,
    client: server ? withTimeToLive(client) : client,
    isStandIn: server !== undefined,
    async stop() {
      client.destroy()
      server?.closeAllConnections()
      await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()))
    },
  }
}

function withTimeToLive(client: DynamoDB): DynamoDB {
  const tables = new Map<string, { AttributeName?: string; TimeToLiveStatus: 'ENABLED' }>()
  return Object.assign(client, {
    describeTimeToLive: async ({ TableName }: { TableName: string }) => ({
      TimeToLiveDescription: tables.get(TableName) ?? { TimeToLiveStatus: 'DISABLED' },
    }),
    updateTimeToLive: async (input: { TableName: string; TimeToLiveSpecification: { AttributeName: string } }) => {
      const { AttributeName } = input.TimeToLiveSpecification
      tables.set(input.TableName, { AttributeName, TimeToLiveStatus: 'ENABLED' })
      return {}
    },
  }) as DynamoDB
}

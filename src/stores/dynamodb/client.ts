import { isSojournError, SojournError, type SojournErrorCode } from '../../core/errors.js'
import { refuseUnknownOptions } from '../../core/option-checks.js'

export type Attribute = { S: string } | { N: string } | { M: Record<string, { S: string }> }
export type Item = Record<string, Attribute>

export interface TableDescription {
  TableStatus?: string | undefined
  KeySchema?: { AttributeName?: string | undefined; KeyType?: string | undefined }[] | undefined
  AttributeDefinitions?: { AttributeName?: string | undefined; AttributeType?: string | undefined }[] | undefined
}

/** What Sojourn calls of `DynamoDB` of `@aws-sdk/client-dynamodb`. */
export interface DynamodbClient {
  getItem(input: object): Promise<{ Item?: object | undefined }>
  putItem(input: object): Promise<unknown>
  updateItem(input: object): Promise<unknown>
  deleteItem(input: object): Promise<{ Attributes?: object | undefined }>
  query(input: object): Promise<{ Items?: object[] | undefined; LastEvaluatedKey?: object | undefined }>
  createTable(input: object): Promise<unknown>
  describeTable(input: object): Promise<{ Table?: TableDescription | undefined }>
  describeTimeToLive(input: object): Promise<{
    TimeToLiveDescription?: { TimeToLiveStatus?: string | undefined; AttributeName?: string | undefined } | undefined
  }>
  updateTimeToLive(input: object): Promise<unknown>
}

/** What `dynamodbStore` takes. `client` is needed. */
export interface DynamodbStoreOptions {
  /** A client that the app made: `new DynamoDB({ region })` of `@aws-sdk/client-dynamodb` 3. */
  client: DynamodbClient
  /** The table, for sessions alone. `'sojourn_sessions'` unless said. */
  table?: string
}

/** The options, checked, with a client whose errors say what to do. */
export function checked(options: DynamodbStoreOptions): { client: DynamodbClient; table: string } {
  refuseUnknownOptions('dynamodbStore', options, ['client', 'table'])
  const { client, table = 'sojourn_sessions' } = options ?? {}
  const methods = ['getItem', 'putItem', 'updateItem', 'deleteItem', 'query'] as const
  if (!client || methods.some((method) => typeof client[method] !== 'function')) {
    refuse('"client" must be a DynamoDB of @aws-sdk/client-dynamodb 3, not a DynamoDBClient: new DynamoDB({ region })')
  }
  if (typeof table !== 'string' || !/^[\w.-]{3,255}$/.test(table)) {
    refuse('"table" must be 3 to 255 letters, digits, "_", "-" or "."')
  }
  return { client: explaining(client, table), table }
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `dynamodbStore: ${what}`)
}

/** Whether a write was refused by its condition. */
export function isRefused(error: unknown): boolean {
  return nameOf(error) === 'ConditionalCheckFailedException'
}

/** Whether an error, as explained below, is that there is no such table. */
export function isMissing(error: unknown): boolean {
  return isSojournError(error) && nameOf(error.cause) === 'ResourceNotFoundException'
}

/** Whether the SDK sent a request again, as it does where no answer comes. Outputs and errors both say so. */
export function wasResent(answer: unknown): boolean {
  const { $metadata } = answer as { $metadata?: { attempts?: number } }
  return ($metadata?.attempts ?? 1) > 1
}

function nameOf(error: unknown): unknown {
  return (error as { name?: unknown } | null)?.name
}

function explaining(client: DynamodbClient, table: string): DynamodbClient {
  const explained =
    <Output>(call: (input: object) => Promise<Output>) =>
    async (input: object): Promise<Output> => {
      try {
        return await call.call(client, input)
      } catch (error) {
        throw explanationOf(error, table)
      }
    }
  return {
    getItem: explained(client.getItem),
    putItem: explained(client.putItem),
    updateItem: explained(client.updateItem),
    deleteItem: explained(client.deleteItem),
    query: explained(client.query),
    createTable: explained(client.createTable),
    describeTable: explained(client.describeTable),
    describeTimeToLive: explained(client.describeTimeToLive),
    updateTimeToLive: explained(client.updateTimeToLive),
  }
}

const explanations: { name: string; words?: RegExp; code: SojournErrorCode; text: (table: string) => string }[] = [
  {
    name: 'ValidationException',
    words: /size/i,
    code: 'record_too_large',
    text: () => 'a session is beyond the limit of DynamoDB, 400 KB an item: keep less in it',
  },
  {
    name: 'ResourceNotFoundException',
    code: 'store_misconfigured',
    text: (table) => `there is no table ${table}. Create it with \`await store.migrate()\``,
  },
  {
    name: 'ValidationException',
    words: /key/i,
    code: 'store_misconfigured',
    text: otherKey,
  },
  {
    name: 'AccessDeniedException',
    code: 'store_misconfigured',
    text: (table) =>
      `this role may not do that to ${table}: the page Stores of Sojourn's documentation lists what is needed`,
  },
]

/** What is wrong with the table of another program. */
export function otherKey(table: string): string {
  return `the table ${table} has another key than "pk" and "sk": choose another one`
}

function explanationOf(cause: unknown, table: string): unknown {
  const message = cause instanceof Error ? cause.message : ''
  const found = explanations.find(({ name, words }) => name === nameOf(cause) && (!words || words.test(message)))
  return found ? new SojournError(found.code, `dynamodbStore: ${found.text(table)}`, { cause }) : cause
}

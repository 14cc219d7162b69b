import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSessions } from '../../src/core/sessions.js'
import type { SessionStore } from '../../src/core/store.js'
import { type DynamodbClient, dynamodbStore } from '../../src/stores/dynamodb.js'
import { type FirestoreCollection, firestoreStore } from '../../src/stores/firestore.js'
import { startDynamodb } from '../harness/dynamodb.js'
import { firestoreClients } from '../harness/firestore.js'

// docs/stores.md says what a million of each of these requests cost. A backend that is paid by the call is called no more.

interface Data {
  cart: string
}
type Session = Awaited<ReturnType<ReturnType<typeof createSessions<Data>>['load']>>

const day = 24 * 60 * 60 * 1000
let now = Date.now()

/** What each request of one visitor asks of the backend. */
async function requestsOn(store: SessionStore, calls: string[]): Promise<Record<string, string>> {
  const sessions = createSessions<Data>({ store, clock: () => now, lifetime: { idle: '1d' } })
  const asked: Record<string, string> = {}
  let cookie = ''
  const request = async (name: string, handle: (session: Session) => unknown) => {
    calls.length = 0
    const session = await sessions.load({ cookie })
    await handle(session)
    const [setCookie] = await sessions.commit(session)
    cookie = setCookie?.split(';', 1)[0] ?? cookie
    asked[name] = calls.join(' ')
  }
  await request('nothing stored', (session) => session.cart)
  await request('first value', (session) => Object.assign(session, { cart: 'a' }))
  await request('read', (session) => session.cart)
  await request('same value', (session) => Object.assign(session, { cart: 'a' }))
  await request('change', (session) => Object.assign(session, { cart: 'b' }))
  await request('sign-in', (session) => session.signIn('ann'))
  await request('change, signed in', (session) => Object.assign(session, { cart: 'c' }))
  now += day / 5
  await request('read after a tenth of the idle timeout', (session) => session.cart)
  await request('read again', (session) => session.cart)
  await request('sign-out', (session) => session.signOut())
  await sessions.close()
  return asked
}

describe('DynamoDB', () => {
  let dynamodb: Awaited<ReturnType<typeof startDynamodb>>
  beforeAll(async () => {
    dynamodb = await startDynamodb()
  })
  afterAll(() => dynamodb.stop())

  test('each request costs what it has to', async () => {
    const calls: string[] = []
    const table = `paid_${process.pid}_${Date.now()}`
    await dynamodbStore({ client: dynamodb.client, table }).migrate()
    const methods: DynamodbClient = dynamodb.client
    const counted = (name: 'getItem' | 'putItem' | 'updateItem' | 'deleteItem' | 'query') => (input: object) => {
      calls.push(name)
      return methods[name](input)
    }
    const client: DynamodbClient = Object.assign(Object.create(dynamodb.client), {
      getItem: counted('getItem'),
      putItem: counted('putItem'),
      updateItem: counted('updateItem'),
      deleteItem: counted('deleteItem'),
      query: counted('query'),
    })
    expect(await requestsOn(dynamodbStore({ client, table }), calls)).toEqual({
      'nothing stored': '',
      'first value': 'putItem',
      read: 'getItem',
      'same value': 'getItem',
      change: 'getItem updateItem',
      'sign-in': 'getItem getItem updateItem updateItem',
      'change, signed in': 'getItem updateItem',
      'read after a tenth of the idle timeout': 'getItem updateItem',
      'read again': 'getItem',
      'sign-out': 'getItem deleteItem deleteItem',
    })
  })
})

test('Firestore: each request costs what it has to', async () => {
  const calls: string[] = []
  const collection: FirestoreCollection = firestoreClients()[8].collection(`paid-${process.pid}-${Date.now()}`)
  const counted = <Given extends unknown[], Answer>(name: string, call: (...given: Given) => Answer) => {
    return (...given: Given): Answer => {
      calls.push(name)
      return call(...given)
    }
  }
  const counting: FirestoreCollection = Object.assign(Object.create(collection), {
    doc(id: string) {
      const reference = collection.doc(id)
      return {
        get: counted('read', () => reference.get()),
        create: counted('write', (data: object) => reference.create(data)),
        update: counted('write', (...given: Parameters<typeof reference.update>) => reference.update(...given)),
        delete: counted('delete', (...given: Parameters<typeof reference.delete>) => reference.delete(...given)),
      }
    },
  })
  expect(await requestsOn(firestoreStore({ collection: counting }), calls)).toEqual({
    'nothing stored': '',
    'first value': 'write',
    read: 'read',
    'same value': 'read',
    change: 'read read write',
    'sign-in': 'read read write',
    'change, signed in': 'read read write',
    'read after a tenth of the idle timeout': 'read read write',
    'read again': 'read',
    'sign-out': 'read delete',
  })
})

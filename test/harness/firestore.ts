import { FirestoreMock } from '@firebase-bridge/firestore-admin'
import { Firestore as Firestore8 } from '@google-cloud/firestore'

// Its types are those of the name under which it is usually installed.
const { Firestore: Firestore9 } = (await import('firestore9' as string)) as typeof import('@google-cloud/firestore')
const projectId = 'sojourn-tests'

/**
 * Clients of Firestore by their version, of one empty database in this process: genuine clients, whose calls end in a
 * stand-in for the server. With FIRESTORE_EMULATOR_HOST they reach the emulator that it names.
 *
 * The stand-in does one thing at a time and settles every write at once. It shows neither how the service makes writers
 * of one document wait, nor its limits on writes a second, nor its TTL policies and index exemptions.
 */
export function firestoreClients(settings: { useBigInt?: boolean } = {}) {
  if (process.env.FIRESTORE_EMULATOR_HOST) {
    return { 8: new Firestore8({ projectId, ...settings }), 9: new Firestore9({ projectId, ...settings }) }
  }
  const database = new FirestoreMock().createDatabase(projectId, '(default)')
  /** The stand-in is behind the pool of connections; it brings a client of version 7. */
  const redirected = <Client extends object>(client: Client) =>
    Object.assign(client, { _clientPool: Reflect.get(database.firestore(), '_clientPool') })
  return {
    7: database.firestore() as unknown as Firestore8,
    8: redirected(new Firestore8({ projectId, ...settings })),
    9: redirected(new Firestore9({ projectId, ...settings })),
  }
}

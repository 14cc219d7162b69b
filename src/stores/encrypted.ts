/**
 * Encryption at rest, over any store.
 *
 * @module
 */

import { SojournError } from '../core/errors.js'
import { after } from '../core/guarded-store.js'
import { isMigrating, markAsMigrating } from '../core/migrating-store.js'
import { refuseUnknownOptions } from '../core/option-checks.js'
import { isOwnName } from '../core/own-names.js'
import { createSeal, type Seal } from '../core/seal.js'
import type { Secrets } from '../core/secrets.js'
import {
  type Awaitable,
  type PatchOutcome,
  type SessionPatch,
  type SessionRecord,
  type SessionStore,
  textOf,
} from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'

/** What `encrypted` takes beside the store. `secrets` is needed. */
export interface EncryptedOptions {
  /**
   * At least 32 random characters. Several, to rotate: the first seals, all open. Add the new one at the end, move it to
   * the front when every process has it, and drop the old one when the sessions from before are gone. One may live on for
   * as long as its user signs in again, and keeps the values that do not change: so end what is left of them.
   */
  secrets: Secrets
  /** Read values that were stored before encryption was introduced. Drop it when those sessions are gone. Default `false`. */
  acceptPlaintext?: boolean
}

/** Stands for a value that was not sealed for its place. It is no JSON, so the engine tells by name which value it is. */
const unreadable = '(not sealed for this session and name)'
const maxAttempts = 50

/**
 * Seals each value for its session and name, so that whoever reads the store learns none, and whoever swaps two rows or
 * two names is found out. What the engine keeps for itself (names that begin with `__`) and user ids stay in clear, so
 * sessions are still listed by user. A value costs about 60 bytes and a third more.
 *
 * @throws `invalid_option` for a secret that is short or well known, and for an option that is unknown or wrong
 */
export function encrypted(store: SessionStore, options: EncryptedOptions): SessionStore {
  const { secrets, acceptPlaintext } = checked(store, options)
  const seal = createSeal(secrets, 'value')
  const codec = valueCodec(seal, acceptPlaintext)
  const decorated: SessionStore = {
    read: (id) => after(store.read(id), (record) => record && codec.openRecord(id, record)),

    create(id, record) {
      refuseIllFormed(record)
      return store.create(id, { ...record, values: codec.sealValues(id, record.values) })
    },

    patch(id, patch) {
      refuseIllFormed(patch)
      const set = patch.set && { set: codec.sealValues(id, patch.set) }
      const when = Object.entries(patch.when ?? {})
      const isClear = when.every(([name, text]) => text === null || isOwnName(name))
      return isClear ? store.patch(id, { ...patch, ...set }) : compareInClear(id, { ...patch, ...set }, 1)
    },

    delete: (id) => store.delete(id),
  }
  if (store.list) {
    decorated.list = (page) =>
      after(store.list?.(page) ?? [], (records) => records.map(([id, record]) => [id, codec.openRecord(id, record)]))
  }
  if (store.sweep) decorated.sweep = store.sweep.bind(store)
  if (store.watch) decorated.watch = store.watch.bind(store)
  if (store.close) decorated.close = store.close.bind(store)
  return isMigrating(store) ? markAsMigrating(decorated) : decorated

  /** Sealed twice, a text differs: so `when` is compared here, and the patch bound to the sealed texts that were read. */
  function compareInClear(id: string, patch: SessionPatch, attempt: number): Awaitable<PatchOutcome> {
    return after(store.read(id), (record) => {
      if (!record || record.expiresAt <= patch.now) return 'absent'
      const when: Record<string, string | null> = {}
      for (const [name, text] of Object.entries(patch.when ?? {})) {
        const sealed = textOf(record.values, name)
        if ((sealed === null ? null : codec.openValue(id, name, sealed)) !== text) return 'conflict'
        when[name] = sealed
      }
      return after(store.patch(id, { ...patch, when }), (outcome) => {
        if (outcome !== 'conflict') return outcome
        if (attempt < maxAttempts) return compareInClear(id, patch, attempt + 1)
        throw new SojournError('contention', `Session ${id} was changed by others too often`)
      })
    })
  }
}

function checked(store: SessionStore, options: EncryptedOptions): Required<EncryptedOptions> {
  if (typeof store?.patch !== 'function') refuse('its first argument must be a store, such as sqliteStore()')
  refuseUnknownOptions('encrypted', options, ['secrets', 'acceptPlaintext'])
  const { secrets, acceptPlaintext = false } = options ?? ({} as EncryptedOptions)
  if (typeof acceptPlaintext !== 'boolean') refuse('"acceptPlaintext" must be true or false')
  return { secrets, acceptPlaintext }
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `encrypted: ${what}`)
}

function valueCodec(seal: Seal, acceptPlaintext: boolean) {
  const context = (id: string, name: string) => `${id}\n${name}`
  const openValue = (id: string, name: string, text: string): string => {
    if (isOwnName(name)) return text
    // What others wrote may be no text.
    return seal.unseal(String(text), context(id, name)) ?? (acceptPlaintext ? text : unreadable)
  }
  const eachValue = (values: Record<string, string>, change: (name: string, text: string) => string) =>
    Object.fromEntries(Object.entries(values).map(([name, text]) => [name, change(name, text)]))
  return {
    openValue,
    sealValues: (id: string, values: Record<string, string>) =>
      eachValue(values, (name, text) => (isOwnName(name) ? text : seal.seal(text, context(id, name)))),
    // By name: a row of an ORM has them behind accessors of its prototype.
    openRecord: (id: string, { values, userId, createdAt, expiresAt }: SessionRecord): SessionRecord => ({
      values: eachValue(values, (name, text) => openValue(id, name, text)),
      userId,
      createdAt,
      expiresAt,
    }),
  }
}

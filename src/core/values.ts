import { SojournError } from './errors.js'
import { show } from './show.js'
import { changedValues, textOf } from './store.js'

/** What changed since a record was read. */
export interface ValueChanges {
  readonly set: Readonly<Record<string, string>>
  readonly unset: readonly string[]
}

/** That nothing did: the same object each time. */
export const noChanges: ValueChanges = { set: {}, unset: [] }

/** What is known of one value. */
export interface Known {
  readonly value: unknown
  readonly by: 'assigning' | 'deleting' | 'handing out'
}

/**
 * The values of one session: JSON text at rest, plain values in hand. A value is decoded when it is read, an object
 * once, and encoded again only if it was assigned, or handed out as an object that may have been changed in place.
 */
export class Values {
  #texts: Readonly<Record<string, string>>
  /** What was assigned, deleted, or handed out as an object, by name: what may be another than its text says. */
  #known: Map<string, Known> | null = null

  constructor(texts: Readonly<Record<string, string>>) {
    this.#texts = texts
  }

  has(name: string): boolean {
    const known = this.#known?.get(name)
    return known ? known.by !== 'deleting' : Object.hasOwn(this.#texts, name)
  }

  get(name: string): unknown {
    const known = this.#known?.get(name)
    if (known) return known.value
    const text = this.storedText(name)
    if (text === null) return undefined
    const value = decode(name, text)
    if (isObject(value)) this.#note(name, { value, by: 'handing out' })
    return value
  }

  set(name: string, value: unknown): void {
    this.#note(name, { value, by: 'assigning' })
  }

  delete(name: string): void {
    this.#note(name, { value: undefined, by: 'deleting' })
  }

  #note(name: string, known: Known): void {
    this.#known ??= new Map()
    this.#known.set(name, known)
  }

  names(): string[] {
    const names = Object.keys(this.#texts).filter((name) => !name.startsWith('__') && this.has(name))
    for (const [name, { by }] of this.#known ?? []) {
      if (by !== 'deleting' && !Object.hasOwn(this.#texts, name)) names.push(name)
    }
    return names
  }

  /**
   * What differs from the record; `noChanges` where nothing does. Throws `invalid_value` for a value that JSON would refuse
   * or silently change.
   */
  changes(): ValueChanges {
    let changes: { set: Record<string, string>; unset: string[] } | undefined
    for (const [name, { value }] of this.#known ?? []) {
      const before = this.storedText(name)
      const text = encode(name, value) ?? null
      if (text === before) continue
      changes ??= { set: {}, unset: [] }
      if (text === null) changes.unset.push(name)
      else changes.set[name] = text
    }
    return changes ?? noChanges
  }

  /**
   * Takes note of what was written. Other names keep what was read of them, so that a value which another request
   * changed meanwhile is not mistaken for a change of ours. What was changed during the write is still a change.
   */
  written({ set, unset }: ValueChanges): void {
    this.#texts = changedValues(this.#texts, set, unset)
    for (const [name, { value }] of this.#known ?? []) {
      if (!isObject(value) && JSON.stringify(value) === this.storedText(name)) this.#known?.delete(name)
    }
  }

  /** Takes over what was read again. What was changed and not written is lost. */
  startAgain(texts: Readonly<Record<string, string>>): void {
    this.#texts = texts
    this.#known = null
  }

  /** What is known of a value now, for `replace` to tell whether it was assigned since. */
  known(name: string): Known | undefined {
    return this.#known?.get(name)
  }

  /** Takes over one value as the store has it now. What was assigned since `before` is still a change. */
  replace(name: string, text: string | null, before: Known | undefined): void {
    const { [name]: _, ...others } = this.#texts
    this.#texts = text === null ? others : { ...others, [name]: text }
    const known = this.known(name)
    if (known === before || known?.by === 'handing out') this.#known?.delete(name)
  }

  /** The text of one value as it was last known to be stored. */
  storedText(name: string): string | null {
    return textOf(this.#texts, name)
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** Reads JSON text. Throws `corrupt_value`, naming the value but not showing it. */
export function decode(name: string, text: string): unknown {
  try {
    // What others wrote may be a number, of which JSON.parse would make a text.
    if (typeof text === 'string') return JSON.parse(text)
  } catch {
    // It is told below.
  }
  throw new SojournError(
    'corrupt_value',
    `The stored session value ${show(name)} is not JSON text. Assign or delete it to repair the session`,
  )
}

/** JSON text of a value; `undefined` for `undefined`. Throws `invalid_value` for what JSON would refuse or change. */
export function encode(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  try {
    const text = JSON.stringify(value)
    // Also where the text is what it was: of what JSON loses, such as a function, nothing is in it.
    refuseWhatJsonWouldChange(value, name)
    return text
  } catch (cause) {
    if (cause instanceof SojournError) throw cause
    refuse(name, whatFails(cause), plainData, { cause })
  }
}

function whatFails(cause: unknown): string {
  if (cause instanceof RangeError) return 'too large or too deep'
  return cause instanceof TypeError ? 'one that holds itself, or a bigint' : 'one that fails to be read'
}

const plainData = 'store plain data instead'

function refuseWhatJsonWouldChange(value: unknown, path: string): void {
  refuseUnstorable(path, value)
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (value[index] === undefined) refuse(`${path}[${index}]`, 'undefined', 'JSON would turn it into null')
      refuseWhatJsonWouldChange(value[index], `${path}[${index}]`)
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (inner !== undefined) refuseWhatJsonWouldChange(inner, `${path}.${key}`)
    }
  }
}

/** Throws `invalid_value` for a value that JSON would refuse or change, as far as a look at its surface tells. */
export function refuseUnstorable(path: string, value: unknown): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Array.isArray(value)) return
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(path, String(value), 'store null or a text instead')
    return
  }
  if (typeof value !== 'object') refuse(path, `a ${typeof value}`, plainData)
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    const fix = value instanceof Date ? 'store its toISOString() or getTime()' : 'store what its toJSON() returns'
    refuse(path, kindOf(value), `it would be read back as something else: ${fix}`)
  }
  const fix = value instanceof Promise ? 'await it first' : 'store a plain object or an array'
  if (isOpaque(value)) refuse(path, kindOf(value), `JSON would lose its content: ${fix}`)
}

/** Objects whose content is not in their own properties. */
function isOpaque(value: object): boolean {
  const tag = Object.prototype.toString.call(value)
  return (tag !== '[object Object]' && tag !== '[object Arguments]') || ArrayBuffer.isView(value)
}

function kindOf(value: object): string {
  const name = value.constructor?.name || 'value'
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`
}

function refuse(path: string, what: string, why: string, options?: ErrorOptions): never {
  const message = `The session value ${show(path)} is ${what}, which cannot be stored: ${why}`
  throw new SojournError('invalid_value', message, options)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const control = /[\u0000-\u001f\u007f-\u009f]/

/** Whether text can be a key in every backend: well-formed, not empty, without control characters, and short enough. */
export function isPortable(text: unknown, bytes: number): text is string {
  return (
    typeof text === 'string' &&
    text.length > 0 &&
    !control.test(text) &&
    text.isWellFormed() &&
    // Made only here: Jest's environment of a browser, in which apps are loaded too, has none.
    (text.length * 3 <= bytes || new TextEncoder().encode(text).length <= bytes)
  )
}

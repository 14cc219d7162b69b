/**
 * Names of values as keys of JSON text that need no escape, for a store that keeps its values as one JSON object.
 *
 * V8 13 and 14 (Node 24 and 26) mistake an escaped key for another one of the same length: after
 * `JSON.parse('{"\\\\":1}')` has run a few times, `JSON.parse('{"\\"":1}')` gives `{"\\":1}`. A key without escapes is
 * always read right.
 *
 * @module
 */
import type { SessionPatch } from './store.js'

/** The name with `"`, `\` and `%` percent-encoded. */
export function keyOf(name: string): string {
  return name.replace(/["\\%]/g, (character) => encodeURIComponent(character))
}

function nameOf(key: string): string {
  return key.replace(/%(22|5C|25)/g, (code) => decodeURIComponent(code))
}

/** The same values under keys; the same object where the names already are. */
export function byKey<Text>(values: Record<string, Text>): Record<string, Text> {
  return renamed(values, /["\\%]/, keyOf)
}

/**
 * Reads a JSON object of values by key. Others may have written anything: what is no object has no values, so that no token
 * fits it, and a listing that comes upon it goes on.
 */
export function valuesOf(text: string): Record<string, string> {
  const values = objectIn<string>(text)
  // To look through the whole text takes less than to look through the keys.
  return text.includes('%') ? byName(values) : values
}

/** What JSON text holds, where that is an object; else an empty one. */
export function objectIn<Value>(text: string): Record<string, Value> {
  try {
    const found: unknown = JSON.parse(text)
    if (typeof found === 'object' && found !== null) return found as Record<string, Value>
  } catch {
    // No JSON at all.
  }
  return {}
}

/** The same values under names again. */
export function byName<Text>(values: Record<string, Text>): Record<string, Text> {
  return renamed(values, /%/, nameOf)
}

/**
 * A change of values as a JSON merge patch (RFC 7396) by key, for a backend that merges it into its JSON object in one
 * step: what is unset is null. `{}` where nothing changes.
 */
export function mergePatch({ set = {}, unset = [] }: Pick<SessionPatch, 'set' | 'unset'>): string {
  if (unset.length === 0) return JSON.stringify(byKey(set))
  return JSON.stringify({ ...byKey(set), ...Object.fromEntries(unset.map((name) => [keyOf(name), null])) })
}

function renamed<Text>(
  values: Record<string, Text>,
  odd: RegExp,
  rename: (name: string) => string,
): Record<string, Text> {
  if (!Object.keys(values).some((name) => odd.test(name))) return values
  return Object.fromEntries(Object.entries(values).map(([name, text]) => [rename(name), text]))
}

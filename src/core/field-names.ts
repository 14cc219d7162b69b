/**
 * Names of values as names of fields, for a document database: paths give a meaning to `.` and `$`, names like
 * `__proto__` are kept back or lost on the way, and what parses JSON may mistake one escaped key for another (see
 * json-keys.ts). Letters, digits, `_` and `-` mean the same to everybody.
 *
 * @module
 */

/** The name with everything else percent-encoded, and the first character of `__…__` and of what marks the classes of BSON. */
export function fieldOf(name: string): string {
  const field = encodeURIComponent(name).replace(/[.!~*'()]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  })
  return /^(__.*__|_bsontype)$/.test(field) ? `%5F${field.slice(1)}` : field
}

/** What stands under each name, by field. */
export function byField<Value>(values: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [fieldOf(name), value]))
}

function nameOf(field: string): string {
  try {
    return decodeURIComponent(field)
  } catch {
    // Somebody else's.
    return field
  }
}

/** What stands in each field, by name again. */
export function byFieldName<Value>(fields: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [nameOf(field), value]))
}

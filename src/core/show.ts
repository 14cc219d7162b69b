/** A value for an error message: short, and safe for whatever was given. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    // Of what a terminal acts on, JSON leaves some as it is.
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value).replace(/[\u007f-\u009f]/g, '?')
  }
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

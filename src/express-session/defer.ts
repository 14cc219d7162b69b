/** Node's `setImmediate`, also while a test replaces the global one. */
export const defer = setImmediate

/** By the name of each, its columns. */
export const indexes = { by_user: '(user_id, id)', by_expiry: '(expires_at)' }

/**
 * One statement, so that processes which start at the same time do not disturb each other.
 *
 * Columns of bytes compare byte for byte, spaces at the end included. `rev` grows with every patch: a row that stays as it
 * was would not count as changed. The check refuses what is no object, such as the NULL that a function gives where it
 * finds no space, and that a server which is not strict would store.
 */
export function schemaOf(table: string): string {
  const lines = Object.entries(indexes).map(([name, columns]) => `INDEX ${name} ${columns}`)
  return `CREATE TABLE IF NOT EXISTS ${table} (
  id VARBINARY(128) NOT NULL PRIMARY KEY,
  user_id VARBINARY(512) NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  rev BIGINT UNSIGNED NOT NULL DEFAULT 0,
  data JSON NOT NULL CHECK (JSON_TYPE(data) = 'OBJECT'),
  ${lines.join(',\n  ')}
) ENGINE = InnoDB
`
}

/**
 * Whether an index keeps an id from being created twice: a unique one of the whole column alone. `SHOW INDEX` has a row for
 * each column of each index.
 */
export function isIdUnique(indexed: readonly (readonly unknown[])[]): boolean {
  const nameOf = (row: readonly unknown[]) => String(row[2])
  return indexed.some((row) => {
    const [, nonUnique, , , column, , , prefixLength] = row
    const isWhole = String(column).toLowerCase() === 'id' && prefixLength === null
    const isAlone = indexed.filter((other) => nameOf(other) === nameOf(row)).length === 1
    return Number(nonUnique) === 0 && isWhole && isAlone
  })
}

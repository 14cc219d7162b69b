/**
 * Statements that may run again. Sent as one message they are one transaction; the lock keeps processes that start at the
 * same time from making the table twice.
 *
 * The collation "C" compares bytes. Free space in each page lets most writes stay on it and touch no index (HOT); those
 * that move the expiry touch all, which is one in a tenth of the idle timeout.
 */
export function schemaOf(table: string): string {
  const { byUser, byExpiry } = indexesOf(table)
  return `SELECT pg_advisory_xact_lock(hashtext('sojourn ${table}'));

CREATE TABLE IF NOT EXISTS ${table} (
  id text COLLATE "C" PRIMARY KEY,
  user_id text COLLATE "C",
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  data jsonb NOT NULL
) WITH (fillfactor = 90);

CREATE INDEX IF NOT EXISTS ${byUser} ON ${table} (user_id, id) WHERE user_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS ${byExpiry} ON ${table} (expires_at);
`
}

/**
 * Gives a row for each thing that is missing. Asked before the schema is run: to make an index that is there is to wait
 * for all who write to the table, to keep others from it meanwhile, and for its owner alone.
 */
export function missingFrom(table: string): string {
  // An index stands in the schema of its table. One that is not named is that where things are made, and none of those after it.
  const schema = table.slice(0, table.lastIndexOf('.') + 1)
  const { byUser, byExpiry } = indexesOf(table)
  const names = [table, schema + byUser, schema + byExpiry].map((name) => `('${name}')`)
  const found = schema ? 'to_regclass(name)' : "to_regclass(quote_ident(current_schema()) || '.' || name)"
  return `SELECT name FROM (VALUES ${names.join(', ')}) AS wanted (name) WHERE ${found} IS NULL`
}

/** In quotes, as the table is. */
function indexesOf(table: string): { byUser: string; byExpiry: string } {
  const name = table.split('.').at(-1)?.replaceAll('"', '')
  return { byUser: `"${name}_by_user"`, byExpiry: `"${name}_by_expiry"` }
}

/**
 * Statements that may run again. Sent as one message they are one transaction; the lock keeps processes that start at the
 * same time from making the table twice.
 *
 * The collation "C" compares bytes. Free space in each page lets most writes stay on it and touch no index (HOT); those
 * that move the expiry touch all, which is one in a tenth of the idle timeout.
 */
export function schemaOf(table: string): string {
  const { byUser, byExpiry } = indexesOf(table)
  return `SELECT pg_advisory_xact_lock(hashtext('sojourn ${table.split('.').at(-1)}'));

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
 * Gives a row for each thing that is missing: the name of the table, with the schema in which it stands or is to be made.
 * Asked before the schema is run: to make an index that is there is to wait for all who write to the table, to keep others
 * from it meanwhile, and for its owner alone.
 */
export function missingFrom(table: string): string {
  const name = table.split('.').at(-1)
  const { byUser, byExpiry } = indexesOf(table)
  const names = [name, byUser, byExpiry].map((it) => `('${it}')`)
  // Where no schema is named, statements use the first table of the path: to make another before it would hide all sessions.
  const schema =
    name === table
      ? `coalesce((SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('${table}')),
  quote_ident(current_schema()), '"$user"')`
      : `'${table.slice(0, table.indexOf('.'))}'`
  return `SELECT schema || '.${name}' FROM (SELECT ${schema} AS schema) AS place, (VALUES ${names.join(', ')}) AS wanted (name)
WHERE to_regclass(schema || '.' || wanted.name) IS NULL`
}

/** In quotes, as the table is. */
function indexesOf(table: string): { byUser: string; byExpiry: string } {
  const name = table.split('.').at(-1)?.replaceAll('"', '')
  return { byUser: `"${name}_by_user"`, byExpiry: `"${name}_by_expiry"` }
}

/**
 * Statements that may run again. Sent as one message they are one transaction; the lock keeps processes that start at the
 * same time from making the table twice.
 *
 * The collation "C" compares bytes. Free space in each page lets most writes stay on it and touch no index (HOT); those
 * that move the expiry touch all, which is one in a tenth of the idle timeout.
 */
export function schemaOf(table: string): string {
  const name = table.split('.').at(-1)?.replaceAll('"', '')
  return `SELECT pg_advisory_xact_lock(hashtext('sojourn ${table}'));

CREATE TABLE IF NOT EXISTS ${table} (
  id text COLLATE "C" PRIMARY KEY,
  user_id text COLLATE "C",
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  data jsonb NOT NULL
) WITH (fillfactor = 90);

CREATE INDEX IF NOT EXISTS "${name}_by_user" ON ${table} (user_id, id) WHERE user_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS "${name}_by_expiry" ON ${table} (expires_at);
`
}

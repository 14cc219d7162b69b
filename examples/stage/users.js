import { compare } from 'bcryptjs'

/** Who may sign in, with their passwords as bcrypt hashes. In your app: a table. */
const passwordHashes = new Map([['user1', '$2b$10$XSn3mCgwLF365gaKTEJUlOqYDyj.PVWuYbjowdKOm8C2KY/ykTeQK']])

/** A hash of nothing anybody knows, so that a name that does not exist takes as long to refuse as a wrong password. */
const nobody = '$2b$10$5.rEgSGoWzqTvk57G4f34uo9jBvmvF0oqU8OFVTcfvdukhhGNSL4W'

/** Whether this is the password of this user. Takes what a form sent, whatever that is. */
export async function isPasswordOf(username, password) {
  if (typeof username !== 'string' || typeof password !== 'string') return false
  const matches = await compare(password, passwordHashes.get(username) ?? nobody)
  return matches && passwordHashes.has(username)
}

// Writes to a file until it is killed, and says each write on standard output once the store has answered it.
import { writeSync } from 'node:fs'
import { openStore } from './open.mjs'

const [driver, path, prefix] = process.argv.slice(2)
const store = await openStore(driver, path)
const now = Date.now()

for (let number = 0; ; number += 4) {
  await Promise.all([0, 1, 2, 3].map((step) => write(number + step)))
}

async function write(number) {
  const id = `${prefix}-${number % 7}`
  const text = String(number)
  const record = { values: { one: text, two: text }, userId: null, createdAt: now, expiresAt: now + 1e9 + number }
  if (await store.create(id, record)) say('has', id, number)
  else if (number % 5 === 0) {
    await store.delete(id)
    say('lost', id, number)
  } else {
    const { values, expiresAt } = record
    if ((await store.patch(id, { now, set: values, expiresAt })) !== 'applied') throw new Error(`${id} is gone`)
    say('has', id, number)
  }
}

/** Written at once: what was said stays said when the process is killed in the next moment. */
function say(...words) {
  let rest = Buffer.from(`${words.join(' ')}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      // Whoever reads has yet to make room.
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

/**
 * The number under which a session stands in its table: 53 bits, made from the id by two runs of FNV-1a
 * (http://www.isthe.com/chongo/tech/comp/fnv/) with different primes. More than that `node:sqlite` of Node 26 cannot tell of
 * a row. Ids are random and not a client's to choose, so among ten million sessions one new one in nine hundred million meets
 * a number that is taken; it is refused then, as any id is that is taken.
 */
export function numberOf(id: string): number {
  let high = 0x811c9dc5
  let low = 0xc2b2ae35
  for (let index = 0; index < id.length; index++) {
    const code = id.charCodeAt(index)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ code, 0x85ebca6b)
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0)
}

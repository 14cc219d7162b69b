const bytes = new DataView(new ArrayBuffer(8))

/**
 * The number under which a session stands in its table: 64 bits, made from the id by two runs of FNV-1a
 * (http://www.isthe.com/chongo/tech/comp/fnv/) with different primes. Ids are random and not a client's to choose, so of ten
 * million sessions two have the same number in one of some 400,000 files; the later is refused then, as any id that is taken.
 */
export function numberOf(id: string): bigint {
  let high = 0x811c9dc5
  let low = 0xc2b2ae35
  for (let index = 0; index < id.length; index++) {
    const code = id.charCodeAt(index)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ code, 0x85ebca6b)
  }
  bytes.setInt32(0, high)
  bytes.setInt32(4, low)
  return bytes.getBigInt64(0)
}

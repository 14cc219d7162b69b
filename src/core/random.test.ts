import { expect, test } from 'vitest'
import { randomText } from './random.js'

test('texts are as long as asked for, and never the same twice', () => {
  const seen = new Set<string>()
  for (let count = 0; count < 5000; count++) {
    const bytes = 9 + (count % 22)
    const text = randomText(bytes)
    expect(Buffer.from(text, 'base64url')).toHaveLength(bytes)
    expect(text).toMatch(/^[\w-]+$/)
    seen.add(text)
  }
  expect(seen.size).toBe(5000)
})

test('each bit is as often one as zero, wherever in what was drawn it stands', () => {
  const ones = new Array<number>(72).fill(0)
  for (let count = 0; count < 5000; count++) {
    const bytes = Buffer.from(randomText(9), 'base64url')
    for (let bit = 0; bit < 72; bit++)
      ones[bit] = (ones[bit] as number) + (((bytes[bit >> 3] as number) >> (bit & 7)) & 1)
  }
  // Eight standard deviations.
  for (const count of ones) expect(Math.abs(count - 2500)).toBeLessThan(283)
})

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomText } from './random.js'
import type { SessionRecord } from './store.js'
import {
  digestText,
  isSessionId,
  mintSecret,
  mintToken,
  parseToken,
  recognize,
  renewalOf,
  successorOf,
  tokenText,
} from './token.js'

const record = (values: Record<string, string>): SessionRecord => ({ values, userId: null, createdAt: 0, expiresAt: 1 })
const distinctCharacters = (texts: string[]) => new Set(texts.join('')).size

test('a token is 64 characters: 144 random bits of name and 240 of secret (ASVS 7.2.3)', () => {
  const tokens = Array.from({ length: 2000 }, mintToken)
  for (const token of tokens) expect(tokenText(token)).toMatch(/^[\w-]{64}$/)
  expect(tokens[0]?.id).toHaveLength(24)
  expect(tokens[0]?.secret).toHaveLength(40)
  expect(new Set(tokens.map(({ id }) => id)).size).toBe(2000)
  expect(new Set(tokens.map(({ secret }) => secret)).size).toBe(2000)
  // Every character of the alphabet in every place: no bit is fixed.
  for (let place = 0; place < 64; place++) {
    expect(distinctCharacters(tokens.map((token) => tokenText(token)[place] ?? ''))).toBe(64)
  }
})

test('a new secret and a nonce are as random', () => {
  expect(mintSecret()).toMatch(/^[\w-]{40}$/)
  expect(mintSecret()).not.toBe(mintSecret())
})

describe('reading what a client sent', () => {
  test('a token comes back as it was made', () => {
    const token = mintToken()
    expect(parseToken(tokenText(token))).toEqual(token)
    expect(isSessionId(token.id)).toBe(true)
  })

  test('anything else is nothing', () => {
    const other = fc.string({ unit: 'binary', maxLength: 80 }).filter((text) => !/^[\w-]{64}$/.test(text))
    fc.assert(fc.property(other, (text) => parseToken(text) === null))
    const good = tokenText(mintToken())
    for (const text of [`${good}\n`, ` ${good}`, `${good.slice(1)}`, `${good}=`, good.replace(/.$/, 'é')]) {
      expect(parseToken(text)).toBe(null)
    }
    for (const id of [undefined, null, 5, {}, '', 'a'.repeat(23), `${'a'.repeat(24)}\n`])
      expect(isSessionId(id)).toBe(false)
  })
})

describe('judging a secret', () => {
  const secret = mintSecret()
  const nonce = randomText(16)
  const next = successorOf(secret, nonce)
  const renewal = (seenAt: number | null) => JSON.stringify({ previous: digestText(secret), nonce, at: 0, seenAt })

  test('its own record, and no other', () => {
    expect(recognize(digestText(secret), record({ __token: digestText(secret) }), 0, 0)).toBe('current')
    expect(recognize(digestText(next), record({ __token: digestText(secret) }), 0, 0)).toBe('unknown')
    expect(recognize(digestText(secret), record({}), 0, 0)).toBe('unknown')
    expect(recognize(digestText(secret), record({ __token: '' }), 0, 0)).toBe('unknown')
    expect(recognize(digestText(secret), record({ __token: 5 as never }), 0, 0)).toBe('unknown')
  })

  test('after a renewal the old one is good until the new one was seen, plus the overlap', () => {
    const unseen = record({ __token: digestText(next), __renewal: renewal(null) })
    const seen = record({ __token: digestText(next), __renewal: renewal(1000) })
    expect(recognize(digestText(secret), unseen, 999_999, 60)).toBe('previous')
    expect(recognize(digestText(secret), seen, 1059, 60)).toBe('previous')
    expect(recognize(digestText(secret), seen, 1060, 60)).toBe('stale')
    expect(recognize(digestText(next), seen, 9999, 60)).toBe('current')
    expect(recognize(digestText(mintSecret()), seen, 0, 60)).toBe('unknown')
  })

  test('secrets are compared in constant time (ASVS 11.2.4)', () => {
    const source = readFileSync(new URL('./token.ts', import.meta.url), 'utf8')
    expect(source).toMatch(/timingSafeEqual\(left, right\)/)
    expect(source).not.toMatch(/digest === |=== digest|secret === |=== secret/)
  })

  test('the successor is the same for all who ask, and nobody else can tell it', () => {
    expect(successorOf(secret, nonce)).toBe(next)
    expect(next).toMatch(/^[\w-]{40}$/)
    expect(successorOf(mintSecret(), nonce)).not.toBe(next)
    expect(successorOf(secret, randomText(16))).not.toBe(next)
  })

  test('a damaged renewal is none', () => {
    for (const text of ['{', '5', 'null', '{}', '{"previous":5}', '[]', '{"previous":"a","nonce":"b"}']) {
      expect(renewalOf(record({ __renewal: text }))).toBe(null)
    }
  })
})

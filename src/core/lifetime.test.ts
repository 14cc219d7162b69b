import { describe, expect, test } from 'vitest'
import { expiryOf, type LifetimeOptions, lifetimeOf, milliseconds, touchIsDue } from './lifetime.js'
import type { SessionRecord } from './store.js'

const hour = 3_600_000
const day = 24 * hour

test.each<[unknown, number]>([
  [1, 1],
  [1500.5, 1501],
  ['250ms', 250],
  ['90s', 90_000],
  ['1.5h', 5_400_000],
  ['30m', 1_800_000],
  ['30d', 30 * day],
  ['2w', 14 * day],
])('%j is %i ms', (duration, expected) => {
  expect(milliseconds(duration, 'it')).toBe(expected)
})

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '', '5', '5 minutes', '-5m', '0s', null, {}, true, 10n])(
  '%s is no duration',
  (duration) => {
    expect(() => milliseconds(duration, 'lifetime.idle')).toThrow(/^lifetime\.idle must be a positive/)
  },
)

test('one for ever is refused at the start, since no clock of a store reaches so far', () => {
  expect(milliseconds('365000d', 'it')).toBe(365_000 * day)
  for (const forever of [Number.MAX_SAFE_INTEGER, '365001d']) {
    expect(() => milliseconds(forever, 'lifetime.absolute')).toThrow(/^lifetime\.absolute must be.* at most 1000 years/)
  }
})

describe('limits', () => {
  test('by default 24 hours idle, 30 days absolute, no renewal', () => {
    expect(lifetimeOf({})).toEqual({
      idle: day,
      absolute: 30 * day,
      remember: { idle: 30 * day, absolute: 30 * day },
      renewEvery: null,
      overlap: 60_000,
    })
  })

  test.each([
    ['aal1', day, 30 * day],
    ['aal2', hour, day],
    ['aal3', hour / 4, day / 2],
  ] as const)('%s keeps the limits of NIST SP 800-63B-4', (level, idle, absolute) => {
    expect(lifetimeOf(level)).toEqual({
      idle,
      absolute,
      remember: { idle, absolute },
      renewEvery: null,
      overlap: 60_000,
    })
  })

  test('a short absolute limit shortens the idle limit that was not given', () => {
    expect(lifetimeOf({ absolute: '1h' })).toMatchObject({ idle: hour, absolute: hour })
  })

  test.each<[LifetimeOptions | string, RegExp]>([
    [{ idle: '2d', absolute: '1d' }, /^lifetime\.idle must be at most lifetime\.absolute, 24 hours; got "2d"$/],
    [{ remember: { idle: '60d' } }, /^lifetime\.remember\.idle must be at most .*, 720 hours; got "60d"$/],
    [{ absolute: null as never }, /lifetime\.absolute must be a positive number/],
    [{ idle: null as never }, /lifetime\.idle must be a positive number/],
    [{ renewal: 'often' as '1h' }, /lifetime\.renewal\.every must be/],
    [{ renewal: { every: '1h', overlap: 0 } }, /lifetime\.renewal\.overlap must be/],
    ['aal4', /lifetime must be 'aal1', 'aal2', 'aal3' or an object; got "aal4"/],
  ])('%j is refused', (options, message) => {
    expect(() => lifetimeOf(options as LifetimeOptions)).toThrow(message)
  })
})

function recordThat(expiresAt: number, values: Record<string, string> = {}): SessionRecord {
  return { values, userId: null, createdAt: 0, expiresAt }
}

test('the sooner limit counts', () => {
  const limits = { idle: hour, absolute: day }
  expect(expiryOf(limits, 0, 0)).toBe(hour)
  expect(expiryOf(limits, 0, day - 1)).toBe(day)
})

test('the expiry is moved once for each tenth of the idle timeout', () => {
  const limits = { idle: hour, absolute: day }
  const written = recordThat(hour)
  expect(touchIsDue(limits, 0, hour / 10 - 1, written)).toBe(false)
  expect(touchIsDue(limits, 0, hour / 10, written)).toBe(true)
})

test.each([
  ['the absolute limit has come near', hour, day - hour / 2],
  ['both limits are the same', day, day / 2],
])('and that it was used is noted as often where %s', (_when, idle, seen) => {
  const limits = { idle, absolute: day }
  const written = recordThat(day, { __seen: `${seen}` })
  expect(touchIsDue(limits, 0, seen + idle / 10 - 1, written)).toBe(false)
  expect(touchIsDue(limits, 0, seen + idle / 10, written)).toBe(true)
})

test('and once more for the absolute limit, however little is left to it', () => {
  const limits = { idle: hour, absolute: day }
  const nearly = day - hour / 20
  expect(touchIsDue(limits, 0, day - hour - 1, recordThat(nearly))).toBe(false)
  expect(touchIsDue(limits, 0, nearly - 1, recordThat(nearly))).toBe(true)
  expect(touchIsDue(limits, 0, nearly - 1, recordThat(day, { __seen: `${nearly - 2}` }))).toBe(false)
})

test('limits that were shortened apply to sessions that had longer ones', () => {
  expect(touchIsDue({ idle: hour, absolute: day }, 0, 0, recordThat(day))).toBe(true)
})

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { callingTogether, readingTogether } from './calling-together.js'

/** A table that notes what it is asked for at once; to be asked for `bad` fails. */
function table() {
  const asked: (readonly string[])[] = []
  const read = readingTogether(async (ids) => {
    asked.push(ids)
    if (ids.includes('bad')) throw new Error(`cannot read ${ids.join(', ')}`)
    return new Map(ids.filter((id) => id !== 'absent').map((id) => [id, `row of ${id}`]))
  })
  return { asked, read }
}

describe('reads of one turn', () => {
  test('share a call, in which each id stands once, and each gets its own row', async () => {
    const { asked, read } = table()
    const rows = await Promise.all(['a', 'b', 'absent', 'a'].map(read))
    expect(rows).toEqual(['row of a', 'row of b', undefined, 'row of a'])
    expect(asked).toEqual([['a', 'b', 'absent']])
  })

  test('are not held up by those of a turn before, and go alone where they are', async () => {
    const { asked, read } = table()
    expect(await read('a')).toBe('row of a')
    expect(await read('b')).toBe('row of b')
    expect(asked).toEqual([['a'], ['b']])
  })

  test('are split where they are very many', async () => {
    const { asked, read } = table()
    const ids = Array.from({ length: 120 }, (_, index) => `id-${index}`)
    expect(await Promise.all(ids.map(read))).toEqual(ids.map((id) => `row of ${id}`))
    expect(asked.map((call) => call.length)).toEqual([50, 50, 20])
  })

  test('go alone from then on, where a call cannot reach all of them', async () => {
    const asked: (readonly string[])[] = []
    const read = readingTogether(
      async (ids) => {
        asked.push(ids)
        if (ids.length > 1) throw new Error('CROSSSLOT')
        return new Map(ids.map((id) => [id, id]))
      },
      { areApart: (error) => (error as Error).message === 'CROSSSLOT' },
    )
    expect(await Promise.all(['a', 'b'].map(read))).toEqual(['a', 'b'])
    expect(await Promise.all(['a', 'b'].map(read))).toEqual(['a', 'b'])
    expect(asked).toEqual([['a', 'b'], ['a'], ['b'], ['a'], ['b']])
  })

  test('do not fail for what is wrong with one of them', async () => {
    const { asked, read } = table()
    const [a, bad, b] = await Promise.allSettled(['a', 'bad', 'b'].map(read))
    expect([a, b]).toEqual([
      { status: 'fulfilled', value: 'row of a' },
      { status: 'fulfilled', value: 'row of b' },
    ])
    expect(bad).toMatchObject({ status: 'rejected', reason: { message: 'cannot read bad' } })
    expect(asked).toEqual([['a', 'bad', 'b'], ['a'], ['bad'], ['b']])
  })

  test('are not made again one by one where no answer came', async () => {
    const asked: (readonly string[])[] = []
    const read = readingTogether(async (ids) => {
      asked.push(ids)
      await sleep(1100)
      throw new Error('no answer in time')
    })
    const outcomes = await Promise.allSettled(['a', 'b'].map(read))
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(asked).toEqual([['a', 'b']])
  })
})

describe('changes of one turn', () => {
  /** Counters that note what they are asked at once, and fail as they are told. */
  function counters(fails: (names: readonly string[]) => string | false) {
    const asked: (readonly string[])[] = []
    const count = callingTogether(
      async (names: readonly string[]) => {
        asked.push(names)
        const failure = fails(names)
        if (failure) throw new Error(failure)
        return names.map((name, index) => `${name} ${index}`)
      },
      { areApart: (error) => (error as Error).message === 'not done' },
    )
    return { asked, count }
  }

  test('share a call in their order, in which each stands as often as it was made', async () => {
    const { asked, count } = counters(() => false)
    expect(await Promise.all(['a', 'b', 'a'].map(count))).toEqual(['a 0', 'b 1', 'a 2'])
    expect(asked).toEqual([['a', 'b', 'a']])
  })

  test('fail each for itself where an error is among the answers', async () => {
    const count = callingTogether(async (names: readonly string[]) =>
      names.map((name) => (name === 'bad' ? new Error('cannot count it') : name)),
    )
    const [a, bad] = await Promise.allSettled(['a', 'bad'].map(count))
    expect(a).toEqual({ status: 'fulfilled', value: 'a' })
    expect(bad).toMatchObject({ status: 'rejected', reason: { message: 'cannot count it' } })
  })

  test('are not made again after an error that leaves open whether they were made', async () => {
    const { asked, count } = counters(() => 'connection lost')
    const outcomes = await Promise.allSettled(['a', 'b'].map(count))
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(asked).toEqual([['a', 'b']])
  })

  test('are made alone after one that says that none was made, and from then on', async () => {
    const { asked, count } = counters((names) => names.includes('bad') && 'not done')
    const outcomes = await Promise.allSettled(['a', 'bad'].map(count))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await Promise.all(['a', 'b'].map(count))
    expect(asked).toEqual([['a', 'bad'], ['a'], ['bad'], ['a'], ['b']])
  })
})

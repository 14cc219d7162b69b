/** The steps of docs/moving-from-cookie-session.md, with visitors who stay signed in throughout. */
import type { Express } from 'express'
import type { SessionStore } from 'sojourn'
import { memoryStore } from 'sojourn/stores/memory'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { describe, expect, test } from 'vitest'
import { Visitor } from './visitor.js'

// Not imported by name: each is type-checked by itself, as the app of one moment.
const names = ['before', 'step-1', 'step-2']
const modules = await Promise.all(names.map((name) => import(`./programs/cookie-session/${name}.ts`)))

type Versions = [before: Express, step1: Express, step2: Express]
const versionsOn = (store: SessionStore) => modules.map(({ app }) => app({ store })) as Versions

describe.each([
  ['memory', () => memoryStore()],
  ['SQLite', () => sqliteStore(':memory:')],
])('to sessions in %s', (_name, makeStore) => {
  test('nobody is logged out from the first step to the last', async () => {
    const [before, step1, step2] = versionsOn(makeStore())
    const [faithful, anonymous, leaver] = [new Visitor(), new Visitor(), new Visitor()]
    for (const visitor of [faithful, leaver]) await visitor.login(before, 'ada')
    for (const version of [before, step1, step2]) {
      for (let look = 0; look < 3; look++) await faithful.look(version)
      await faithful.buy(version, 'book')
      await anonymous.buy(version, 'pen')
      await leaver.look(version)
      await leaver.logout(version)
      await leaver.look(version)
      await leaver.login(version, 'ada')
      const newcomer = new Visitor()
      await newcomer.login(version, 'grace')
      await newcomer.look(version)
    }
    expect(faithful.expected).toMatchObject({ user: 'ada', cart: Array(3).fill({ book: 'book', copies: 1 }) })
    expect(anonymous.expected).toMatchObject({ user: null, cart: Array(3).fill({ book: 'pen', copies: 1 }) })
  })

  test('whoever was signed in before the first step is so in both versions while one replaces the other', async () => {
    const [before, step1] = versionsOn(makeStore())
    const visitor = new Visitor()
    await visitor.login(before, 'ada')
    for (const version of [step1, before, step1, before, step1]) {
      expect(await visitor.get(version, '/')).toMatchObject({ user: 'ada' })
    }
    await visitor.logout(step1)
    for (const version of [step1, before]) expect(await visitor.get(version, '/')).toMatchObject({ user: null })
  })

  test('the second step can be taken back', async () => {
    const [before, step1, step2] = versionsOn(makeStore())
    const [visitor, late] = [new Visitor(), new Visitor()]
    for (const one of [visitor, late]) await one.login(before, 'ada')
    for (const version of [step1, step2, step1, step2]) {
      await visitor.look(version)
      await visitor.buy(version, 'book')
    }
    // Somebody who comes after the second step is only known again when it is taken back.
    expect(await late.get(step2, '/')).toMatchObject({ user: null })
  })

  test('after the first step is taken back, everybody is who they were before it', async () => {
    const [before, step1] = versionsOn(makeStore())
    const [visitor, leaver, newcomer] = [new Visitor(), new Visitor(), new Visitor()]
    for (const one of [visitor, leaver]) await one.login(before, 'ada')
    await visitor.buy(before, 'an old book')
    const cartOfOld = [...visitor.expected.cart]
    await visitor.buy(step1, 'a new book')
    await leaver.look(step1)
    await leaver.logout(step1)
    await newcomer.login(step1, 'grace')
    // What step 1 was told is not known to the version before.
    expect(await visitor.get(before, '/')).toMatchObject({ user: 'ada', cart: cartOfOld })
    await leaver.isStranger(before)
    await newcomer.isStranger(before)
    await newcomer.login(before, 'grace')
  })
})

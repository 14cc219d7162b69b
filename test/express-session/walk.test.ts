/** The four steps of docs/moving-from-express-session.md, with visitors who stay signed in throughout. */
import type { Express } from 'express'
import original from 'express-session'
import { memoryStore } from 'sojourn/stores/memory'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { describe, expect, test } from 'vitest'
import { Visitor } from './visitor.js'

type MakeApp = (stores: { oldStore: unknown; newStore: unknown }, cookieName?: string) => Express

// Not imported by name: each is type-checked by itself, as the app of one moment.
const names = ['before', 'step-1', 'step-2', 'step-3', 'step-4', 'back-from-step-3']
const modules = await Promise.all(names.map((name) => import(`./programs/${name}.ts`)))
const makers = modules.map(({ app }) => app as MakeApp)
type Makers = [MakeApp, MakeApp, MakeApp, MakeApp, MakeApp, MakeApp]
const [origin, step1, step2, step3, step4, back] = makers as Makers

describe.each([
  ['memory', () => memoryStore()],
  ['SQLite', () => sqliteStore(':memory:')],
])('to sessions in %s', (_name, makeStore) => {
  test('nobody is logged out from the first step to the last', async () => {
    const oldStore = new original.MemoryStore()
    const stores = { oldStore, newStore: makeStore() }
    const versions = [origin, step1, step2, step3, step4].map((make) => make(stores))
    const [faithful, sleeper, leaver] = [new Visitor(), new Visitor(), new Visitor()]
    for (const visitor of [faithful, sleeper, leaver]) await visitor.login(versions[0] as Express, 'ada')
    await sleeper.buy(versions[0] as Express, 'the first book')
    for (const [step, version] of versions.entries()) {
      const previous = versions[step - 1]
      // While a version replaces another, both serve everybody. The last of them ends what the one before it kept.
      if (previous && step < 4) {
        for (const app of [version, previous, version, previous]) await faithful.look(app)
        await faithful.buy(previous, `book ${step}`)
        const newcomer = new Visitor()
        await newcomer.login(version, 'grace')
        await newcomer.look(previous)
        await newcomer.logout(previous)
        await newcomer.look(version)
        await leaver.logout(previous)
        await leaver.look(version)
        await leaver.login(version, 'ada')
      }
      await faithful.buy(version, `another ${step}`)
      for (let look = 0; look < 3; look++) await faithful.look(version)
      await leaver.look(version)
    }
    // Somebody who comes back after all that.
    const last = versions.at(-1) as Express
    await sleeper.look(last)
    expect(sleeper.expected).toMatchObject({ user: 'ada', cart: [{ book: 'the first book', copies: 1 }] })
    expect(faithful.expected.cart).toHaveLength(8)
    for (const visitor of [faithful, sleeper, leaver]) await visitor.logout(last)
    await faithful.look(last)
    const { sessions } = oldStore as unknown as { sessions: { [id: string]: string } }
    for (const left of Object.values(sessions)) expect(left).not.toContain('user')
  })

  test('each of the first three steps can be taken back', async () => {
    const stores = { oldStore: new original.MemoryStore(), newStore: makeStore() }
    const apps = new Map(makers.map((make) => [make, make(stores)]))
    const [visitor, rare] = [new Visitor(), new Visitor()]
    let [previous, previousApp] = [origin, apps.get(origin) as Express]
    for (const one of [visitor, rare]) await one.login(previousApp, 'ada')
    for (const make of [step1, origin, step1, step2, step1, step2, step3, step2, back, step1, origin]) {
      const app = apps.get(make) as Express
      // Step 1 does not know the new store, and comes when all have moved back.
      const isGradual = !(previous === back && make === step1)
      for (const one of isGradual ? [app, previousApp, app, previousApp] : []) await visitor.buy(one, 'of two versions')
      await visitor.look(app)
      await visitor.buy(app, 'book')
      const newcomer = new Visitor()
      await newcomer.login(app, 'grace')
      if (isGradual) await newcomer.look(previousApp)
      if (make === step3 || make === back) await rare.look(app)
      previous = make
      previousApp = app
    }
    await rare.look(previousApp)
  })

  test('after the fourth step is taken back, who met it signs in again, and who did not is still signed in', async () => {
    const stores = { oldStore: new original.MemoryStore(), newStore: makeStore() }
    const [met, absent] = [new Visitor(), new Visitor()]
    const [three, four] = [step3(stores), step4(stores)]
    for (const visitor of [met, absent]) await visitor.login(three, 'ada')
    await met.look(four)
    await met.buy(four, 'book')
    await absent.look(three)
    await met.isStranger(three)
    await met.login(three, 'grace')
    // Tried again under another name, it takes over whom it finds, not who was left behind.
    const again = step4(stores, 'another')
    for (const visitor of [met, absent]) {
      await visitor.look(again)
      await visitor.buy(again, 'book')
    }
    expect([met.expected.user, absent.expected.user]).toEqual(['grace', 'ada'])
  })
})

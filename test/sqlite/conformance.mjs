// The checks of a store under `node:test`, for the Node that runs this and the drivers that it is given.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { storeChecks } from 'sojourn/conformance/store'
import { openStore } from './open.mjs'

const folder = mkdtempSync(join(tmpdir(), 'sojourn-sqlite-'))
after(() => rmSync(folder, { recursive: true }))

for (const driver of process.env.DRIVERS.split(' ')) {
  describe(driver, () => {
    const makeStore = ({ name }) => openStore(driver, join(folder, name))
    const methods = driver === 'node:sqlite' ? ['list', 'sweep', 'close'] : ['list', 'sweep']
    for (const { name, run } of storeChecks({ makeStore, methods })) test(name, run)
  })
}

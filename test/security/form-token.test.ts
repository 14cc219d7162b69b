import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ErrorRequestHandler, Express } from 'express'
import { expect, onTestFinished, test } from 'vitest'
import { listen } from '../adapters/routes/listen.js'
import { codeOf } from '../docs/code-blocks.js'
import { browser } from './browser.js'

const root = join(import.meta.dirname, '../..')

/** The app of "A token in each form" in docs/security.md. */
async function appOfPage(): Promise<Express> {
  const { blocks } = codeOf(await readFile(join(root, 'docs/security.md'), 'utf8'))
  const sample = blocks.find(({ code }) => code.includes('csrfSync'))?.code
  // Inside the package, so that its own name leads to it.
  const folder = await mkdtemp(join(root, '.build-form-token-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'sample.ts')
  await writeFile(file, `${sample}\nexport { app }`)
  return (await import(file)).app
}

test('a token in each form: a form without it, or with another visitor’s, changes nothing', async () => {
  const app = await appOfPage()
  app.post('/change', (req, res) => void res.send(`changed for ${req.session.userId}`))
  app.use(((error, _req, res, _next) => void res.status(error.status).end()) as ErrorRequestHandler)
  const { port, close } = await listen(app)

  const alice = browser(port)
  const mallory = browser(port)
  const post = (path: string, token: string) =>
    alice.send('POST', path, { 'content-type': 'application/x-www-form-urlencoded' }, `_csrf=${token}`)
  const tokenFor = async (visitor: typeof alice) =>
    / name="_csrf" value="(\w{64,})"/.exec((await visitor.send('GET', '/form')).body)?.[1] ?? 'none'
  const guests = await tokenFor(alice)
  expect((await post('/login', guests)).status).toBe(302)
  expect(await post('/change', await tokenFor(alice))).toMatchObject({ status: 200, body: 'changed for alice' })
  // Of a guest's session that somebody planted they know the token.
  expect((await post('/change', guests)).status).toBe(403)
  expect((await post('/change', await tokenFor(mallory))).status).toBe(403)
  expect((await post('/change', '')).status).toBe(403)
  await close()
})

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import express from 'express'
import helmet from 'helmet'
import { serve } from '../stage/serve.js'

/** Serves what Angular built: files, with no session and no secret. Any server of static files does. */
export function servePage({ folder, apiOrigin, port, close }) {
  const app = express()
  app.disable('x-powered-by')
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          styleSrc: ["'self'"],
          imgSrc: ["'self'"],
          connectSrc: [apiOrigin],
          formAction: ["'none'"],
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      // Promised for localhost, it would lock the browser out of every other app that is developed there.
      strictTransportSecurity: false,
    }),
  )
  const page = readFileSync(join(folder, 'index.html'), 'utf8').replace('http://localhost:3000', apiOrigin)
  app.get('/', (_req, res) => res.set('Cache-Control', 'no-cache').send(page))
  app.use(express.static(folder, { index: false }))
  app.use(express.static(fileURLToPath(new URL('../stage/public', import.meta.url))))
  serve(app, { port, title: 'Angular app', notes: [`API: ${apiOrigin}`], close })
}

import { fileURLToPath } from 'node:url'
import express from 'express'
import helmet from 'helmet'
import { notice } from './frame.js'

export { html, page, time, utc, viewCount } from './frame.js'

/** Middleware that serves the style sheet and the icon, and sets the headers that keep other sites out. */
export function stage() {
  const router = express.Router()
  router.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          styleSrc: ["'self'"],
          imgSrc: ["'self'"],
          formAction: ["'self'"],
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      referrerPolicy: { policy: 'same-origin' },
      // Promised for localhost, it would lock the browser out of every other app that is developed there.
      strictTransportSecurity: false,
    }),
  )
  router.use(express.static(fileURLToPath(new URL('public', import.meta.url)), { maxAge: '1h' }))
  return router
}

/** The pages for an address that leads nowhere and for an error. Mount it last. */
export function lastResort() {
  return [
    function notFound(_req, res) {
      res.status(404).send(notice('Page not found', 'Nothing lives at this address.'))
    },
    function failed(error, req, res, next) {
      const status = error.status ?? 500
      if (status >= 500) console.error(error)
      if (res.headersSent) next(error)
      else if (req.method === 'GET' && error.code === 'session_ended') {
        // Not at once: where the answer to a sign-in was lost, the browser's cookie is of no use for ten seconds.
        res.status(status).set('Refresh', '1')
        res.send(notice('One moment', 'You have signed in or out meanwhile. The page loads again by itself.'))
      } else if (status >= 500) res.status(status).send(notice('Something went wrong', 'Please try again in a moment.'))
      else res.status(status).send(notice('That did not work', 'Go back, reload the page and try again.'))
    },
  ]
}

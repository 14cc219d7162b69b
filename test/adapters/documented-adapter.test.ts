/** The adapter that docs/writing-an-adapter.md shows keeps what its own kit asks for. */
import { readFileSync } from 'node:fs'
import { getRequestListener } from '@hono/node-server'
import { transform } from 'esbuild'
import { describe, test } from 'vitest'
import { adapterChecks } from '../../src/conformance/adapter.js'
import { isSojournError } from '../../src/core/errors.js'
import type { Session } from '../../src/core/session.js'
import type { Sessions } from '../../src/core/sessions.js'
import { answer } from './routes/fetch.js'
import { listen } from './routes/listen.js'

interface FrameworkRequest {
  readonly request: Request
  readonly method: string
  readonly headers: { readonly [name: string]: string }
  readonly isSecure: boolean
}
type Handler = (request: FrameworkRequest, session: Session) => Promise<Response>

const page = readFileSync(new URL('../../docs/writing-an-adapter.md', import.meta.url), 'utf8')
const [, shown = ''] = /```ts\n([\s\S]*?)```/.exec(page) ?? []
const { code } = await transform(shown, { loader: 'ts' })
const {
  withSession,
}: { withSession(sessions: Sessions, handler: Handler): (request: FrameworkRequest) => Promise<Response> } =
  await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`)

function serve(sessions: Sessions) {
  const serve = withSession(sessions, async ({ request }, session) => {
    const response = await answer(request, session)
    // Headers that can be written.
    return response.status === 204 || response.status === 304 ? response : new Response(response.body, response)
  })
  return async (request: Request) => {
    try {
      const headers = Object.fromEntries(request.headers)
      return await serve({ request, method: request.method, headers, isSecure: request.url.startsWith('https:') })
    } catch (error) {
      return isSojournError(error) ? error.getResponse() : new Response(null, { status: 500 })
    }
  }
}

describe('the adapter of the page', () => {
  const checks = adapterChecks({
    start: (sessions) => listen(getRequestListener(serve(sessions))),
    deviations: [
      { check: 'what is set while the answer is on its way is saved', reason: 'it commits before the head leaves' },
    ],
  })
  for (const { name, run } of checks) test(name, run)
})

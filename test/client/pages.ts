/** Pages and an API on origins of their own, to try in a browser what runs in one. */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'

export const root = join(import.meta.dirname, '../..')

/** A listening server. */
export interface Served {
  /** Such as `http://localhost:1234`. */
  readonly origin: string
  readonly port: number
  stop(): Promise<void>
}

/** Serves on a free port of this machine. */
export async function serveOn(listener: RequestListener): Promise<Served> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://localhost:${port}`,
    port,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A module as one script for a page, with the client as it is being edited. */
export async function scriptOf(module: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: module, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    alias: { 'sojourn/client': join(root, 'src/client/index.ts') },
  })
  return outputFiles[0]?.text ?? ''
}

/** Answers every address with an empty page that runs a script. */
export function pageWith(script: string): RequestListener {
  return (request, response) => {
    const isScript = request.url === '/script.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8')
    response.end(
      isScript
        ? script
        : '<!doctype html><html lang="en"><title>Page</title><link rel="icon" href="data:,"><script type="module" src="/script.js"></script>',
    )
  }
}

import { namedServer, type Server, startServer } from './server.ts'
import { expectReply } from './text-protocol.ts'
import { toolPath } from './tool.ts'

/** Memcached on a port of its own, or the one that `MEMCACHED_URL` (`memcached://host:port`) names. */
export async function startMemcached(options: { own?: boolean; args?: string[] } = {}): Promise<Server> {
  if (process.env.MEMCACHED_URL && !options.own) return namedServer(process.env.MEMCACHED_URL)
  const program = await toolPath('memcached')
  // It refuses to run as root.
  const identity = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  return startServer({
    name: 'memcached',
    command: (_folder, port) => {
      const place = ['-l', '127.0.0.1', '-p', String(port), '-U', '0']
      return [program, ...identity, ...place, ...(options.args ?? [])]
    },
    ready: (port) => expectReply(port, 'version', /^VERSION/),
    url: (port) => `memcached://127.0.0.1:${port}`,
  })
}

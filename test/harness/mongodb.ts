import { createServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { mongodbInMemory } from './mongodb-double/commands.js'
import { listen } from './mongodb-double/wire.js'
import { namedServer, type Server } from './server.js'

/** A server, or what stands in for one. */
export interface MongodbServer extends Server {
  /** Whether it is the double of mongodb-double/, not MongoDB. */
  readonly isDouble: boolean
}

/**
 * The server that `MONGODB_URL` names, or else a double of it in this process (mongodb-double/README.md says what that
 * shows). The double loses nothing when it is killed.
 */
export async function startMongodb(options: { own?: boolean } = {}): Promise<MongodbServer> {
  if (process.env.MONGODB_URL && !options.own) return { ...namedServer(process.env.MONGODB_URL), isDouble: false }
  const host = '127.0.0.1'
  let run = mongodbInMemory('')
  const sockets = new Set<Socket>()

  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    listen(socket, async ({ command, reply }) => {
      // Commands of several connections overtake each other, as they may over a network.
      while (Math.random() < 0.5) await setImmediate()
      reply(run(command))
    })
  })
  const start = (port: number) => new Promise<void>((resolve) => server.listen(port, host, resolve))
  const end = async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  await start(0)
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  run = mongodbInMemory(`${host}:${port}`)
  return {
    isDouble: true,
    url: `mongodb://${host}:${port}/sojourn?replicaSet=double`,
    host,
    port,
    pid: undefined,
    stop: end,
    kill: end,
    async restart() {
      await end()
      await start(port)
    },
  }
}

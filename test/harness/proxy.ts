import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy before a server, as a stand-in for a network that misbehaves. All is well until a method says otherwise. */
export interface TcpProxy {
  /** The server's URL with the proxy's port. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Connections that are open at present. */
  readonly connections: number
  /** From now on, bytes in either direction arrive this many milliseconds late. */
  delay(milliseconds: number): void
  /** From now on, bytes are held in both directions and connections stay open: a server that hangs. */
  stall(): void
  /** From now on, what the client sends arrives and what the server answers is lost. */
  dropReplies(): void
  /** What is open now carries nothing any more, for good; new connections are well: a firewall that forgot them. */
  strand(): void
  /** Breaks all connections, and each new one at once: a server that is down. */
  cut(): void
  /** All is well again. Bytes held by `stall` go on their way. */
  restore(): void
  stop(): Promise<void>
}

/** Starts a proxy before a server, on a free loopback port. */
export async function startProxy(target: { url: string; host: string; port: number }): Promise<TcpProxy> {
  let mode: 'open' | 'stalled' | 'deaf' | 'cut' = 'open'
  let lateness = 0
  const sockets = new Set<Socket>()
  const stranded = new WeakSet<Socket>()
  let held: (() => void)[] = []

  function forward(from: Socket, to: Socket, isReply: boolean): void {
    // What was sent first arrives first, also when the delay shrinks between the two.
    let previous = Promise.resolve()
    from.on('data', (bytes) => {
      if ((isReply && mode === 'deaf') || stranded.has(from)) return
      const pass = () => {
        if (to.writable) to.write(bytes)
      }
      const due = Date.now() + lateness
      previous = previous.then(async () => {
        if (due > Date.now()) await new Promise((resolve) => setTimeout(resolve, due - Date.now()))
        if (mode === 'stalled') await new Promise<void>((resolve) => held.push(resolve))
        pass()
      })
    })
    from.on('end', () => {
      if (stranded.has(from)) return
      previous = previous.then(() => void to.end())
    })
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      if (!from.readableEnded) to.destroy()
    })
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (mode === 'cut') {
      client.destroy()
      return
    }
    const upstream = connect({ port: target.port, host: target.host, allowHalfOpen: true })
    sockets.add(client).add(upstream)
    forward(client, upstream, false)
    forward(upstream, client, true)
  })

  function release(): void {
    const waiting = held
    held = []
    for (const resume of waiting) resume()
  }

  function cut(): void {
    mode = 'cut'
    for (const socket of sockets) socket.destroy()
    release()
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const url = new URL(target.url)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return {
    url: url.href,
    host: '127.0.0.1',
    port,
    get connections() {
      return sockets.size / 2
    },
    delay(milliseconds) {
      lateness = milliseconds
    },
    stall() {
      mode = 'stalled'
    },
    dropReplies() {
      mode = 'deaf'
    },
    strand() {
      for (const socket of sockets) stranded.add(socket)
    },
    cut,
    restore() {
      mode = 'open'
      lateness = 0
      release()
    },
    async stop() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

import { connect } from 'node:net'

/** Sends one line to a server that speaks text, as Redis and Memcached do, and resolves once its reply matches. */
export function expectReply(port: number, command: string, expected: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`))
    let reply = ''
    socket.setTimeout(1000, () => socket.destroy(new Error(`No expected reply to ${command}: ${reply}`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`The connection closed after: ${reply}`)))
    socket.on('data', (text) => {
      reply += text
      if (!expected.test(reply)) return
      resolve()
      socket.destroy()
    })
  })
}

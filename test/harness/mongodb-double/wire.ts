/** The framing of MongoDB's wire protocol: OP_MSG, and OP_QUERY, with which a driver says its first hello. */
import type { Socket } from 'node:net'
import { type Document, deserialize, serialize } from 'bson'

/** One command as a driver sent it. What it sent in a sequence of its own (documents to insert …) is in its place. */
export interface Request {
  command: Document
  /** Writes the reply in the form in which the command came. */
  reply(document: Document): void
}

const opcode = { reply: 1, query: 2004, message: 2013 }
let lastId = 0

/** Calls `receive` with each command that comes over a connection. */
export function listen(socket: Socket, receive: (request: Request) => void): void {
  let pending = Buffer.alloc(0)
  socket.on('data', (bytes) => {
    pending = Buffer.concat([pending, bytes])
    while (pending.length >= 4 && pending.length >= pending.readInt32LE(0)) {
      const length = pending.readInt32LE(0)
      const packet = pending.subarray(0, length)
      pending = pending.subarray(length)
      receive(requestIn(packet, socket))
    }
  })
}

function requestIn(packet: Buffer, socket: Socket): Request {
  const id = packet.readInt32LE(4)
  const code = packet.readInt32LE(12)
  if (code === opcode.message) {
    return { command: commandIn(packet), reply: (document) => socket.write(message(id, document)) }
  }
  if (code !== opcode.query) throw new Error(`The double of MongoDB does not know the opcode ${code}`)
  // Flags, the name of a collection, two numbers, the command.
  const start = packet.indexOf(0, 20) + 1 + 8
  return { command: deserialize(packet.subarray(start)), reply: (document) => socket.write(queryReply(id, document)) }
}

function commandIn(packet: Buffer): Document {
  let command: Document = {}
  const sequences: Document = {}
  for (let offset = 20; offset < packet.length; ) {
    const kind = packet.readUInt8(offset)
    const length = packet.readInt32LE(offset + 1)
    const section = packet.subarray(offset + 1, offset + 1 + length)
    if (kind === 0) command = deserialize(section)
    else {
      const end = section.indexOf(0, 4)
      const documents: Document[] = []
      for (let at = end + 1; at < section.length; at += section.readInt32LE(at)) {
        documents.push(deserialize(section.subarray(at, at + section.readInt32LE(at))))
      }
      sequences[section.toString('utf8', 4, end)] = documents
    }
    offset += 1 + length
  }
  return { ...command, ...sequences }
}

function message(to: number, document: Document): Buffer {
  return packetOf(opcode.message, to, Buffer.alloc(5), serialize(document))
}

function queryReply(to: number, document: Document): Buffer {
  const head = Buffer.alloc(20)
  head.writeInt32LE(1, 16)
  return packetOf(opcode.reply, to, head, serialize(document))
}

function packetOf(code: number, to: number, ...parts: Uint8Array[]): Buffer {
  const header = Buffer.alloc(16)
  header.writeInt32LE(
    parts.reduce((length, part) => length + part.length, 16),
    0,
  )
  header.writeInt32LE(++lastId, 4)
  header.writeInt32LE(to, 8)
  header.writeInt32LE(code, 12)
  return Buffer.concat([header, ...parts])
}

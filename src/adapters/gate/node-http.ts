import type * as http from 'node:http'

/**
 * The classes of `node:http`. To import them from there looks at each of its exports, and on Node 24 one of these loads all
 * that Node has of fetch and WebSocket: 24 ms of CPU at the start of a program that needs neither.
 */
export const { IncomingMessage, OutgoingMessage, ServerResponse } = process.getBuiltinModule('node:http')

export type IncomingMessage = http.IncomingMessage
export type ServerResponse = http.ServerResponse

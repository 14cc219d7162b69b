import type { Http2ServerResponse } from 'node:http2'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { isUint8Array } from 'node:util/types'
import { IncomingMessage, OutgoingMessage, ServerResponse } from './node-http.js'

/** A response of `node:http`, or of `node:http2` in its compatible form. */
export type NodeResponse = ServerResponse | Http2ServerResponse

/** The first line of a response. */
export interface StatusLine {
  readonly statusCode: number
  /** Undefined where none was set, and on HTTP/2, which has none. */
  readonly statusMessage: string | undefined
}

/** Status and headers as they stood when the middleware was entered, so that a failed commit can restore them. */
export interface ResponseOnEntry extends StatusLine {
  /** Names in lower case, and their values. */
  readonly headers: readonly (readonly [name: string, value: HeaderValue])[]
}

type HeaderValue = number | string | readonly string[]

/** What Node says of the head. By `headersSent`, @fastify/express tells only whether `res.send` was called. */
export function isHeadSent(response: NodeResponse): boolean {
  const teller = response instanceof ServerResponse ? ServerResponse.prototype : response
  return Reflect.get(teller, 'headersSent', response)
}

/** Notes what the response looks like now. Cheap; for a middleware to call at once. */
export function onEntry(response: NodeResponse): ResponseOnEntry {
  const { statusCode, statusMessage } = statusLineOf(response)
  const headers: [name: string, value: HeaderValue][] = []
  for (const name of response.getHeaderNames?.() ?? []) {
    const value = response.getHeader(name) as HeaderValue
    // Appending to a header later would change its array in place.
    headers.push([name, typeof value === 'object' ? [...value] : value])
  }
  return { statusCode, statusMessage, headers }
}

/** Makes the response what it was on entry. */
export function restore(response: NodeResponse, entry: ResponseOnEntry): void {
  const { sendDate } = response
  const written = new Map(headerNames(response).map((name) => [name.toLowerCase(), name]))
  for (const name of written.keys()) response.removeHeader(name)
  for (const [name, value] of entry.headers) response.setHeader(written.get(name) ?? name, value)
  response.sendDate = sendDate // Removing `Date` turns it off.
  setStatusLine(response, entry)
}

/** Whether somebody has set headers since it was restored. */
export function hasHeadersBeside(response: NodeResponse, { headers }: ResponseOnEntry): boolean {
  return headerNames(response).length !== headers.length
}

/** The names, as they were written where Node tells. */
function headerNames(response: NodeResponse): string[] {
  return (response as { getRawHeaderNames?(): string[] }).getRawHeaderNames?.() ?? response.getHeaderNames?.() ?? []
}

export function statusLineOf(response: NodeResponse): StatusLine {
  // On HTTP/2 there is none, and reading it makes Node print a warning.
  const statusMessage = response instanceof ServerResponse ? response.statusMessage : undefined
  return { statusCode: response.statusCode, statusMessage }
}

export function setStatusLine(response: NodeResponse, { statusCode, statusMessage }: StatusLine): void {
  response.statusCode = statusCode
  if (Object.hasOwn(response, 'statusMessage')) (response as ServerResponse).statusMessage = statusMessage ?? ''
}

/**
 * Sets what `writeHead` was given on the response itself, where cookies can join its headers. Returns what is left for
 * `writeHead`: the status line. Throws what Node would throw.
 */
export function applyHead(response: NodeResponse, args: readonly unknown[]): readonly unknown[] {
  const [status, second, third] = args
  const message = typeof second === 'string' ? second : undefined
  const headers = message === undefined ? (third ?? second) : third
  refuseStatusLine(response, {
    statusCode: status as number,
    statusMessage: message ?? statusLineOf(response).statusMessage,
  })
  if (status !== undefined) response.statusCode = Number(status)
  if (message) (response as ServerResponse).statusMessage = message
  if (headers) setHeaders(response, headers)
  return message === undefined ? [status] : [status, message]
}

/** Sets headers in one of the forms that `writeHead` takes: an object, a flat array or an array of pairs. */
function setHeaders(response: NodeResponse, headers: object): void {
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (name) response.setHeader(name, value)
    return
  }
  const pairs = Array.isArray(headers[0]) ? headers : pairsOf(headers)
  for (const [name] of pairs) response.removeHeader(name)
  for (const [name, value] of pairs) if (name) response.appendHeader(name, value)
}

function pairsOf(flat: string[]): [name: string, value: string][] {
  if (flat.length % 2 !== 0) strayResponse().writeHead(200, flat)
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] as string]] : []))
}

/** Throws what Node throws for a status line that cannot be sent. On HTTP/2 it threw when the status was set. */
export function refuseStatusLine(response: NodeResponse, { statusCode, statusMessage }: StatusLine): void {
  if (!(response instanceof ServerResponse)) return
  if (statusMessage || !(statusCode >= 100 && statusCode <= 999)) strayResponse().writeHead(statusCode, statusMessage)
}

/** Throws what Node throws for a chunk that cannot be written. */
export function refuseChunk(response: NodeResponse, name: string, args: readonly unknown[]): void {
  const [chunk] = args
  if (isChunk(chunk) || !carriesChunk(name, args)) return
  const stray = response instanceof OutgoingMessage ? new OutgoingMessage() : new Writable({ write() {} })
  stray.write(chunk)
}

export function isChunk(value: unknown): value is string | Uint8Array {
  return typeof value === 'string' || isUint8Array(value)
}

/** Whether a call is to send a part of the body. */
export function carriesChunk(name: string, [chunk]: readonly unknown[]): boolean {
  return name === 'write' || (name === 'end' && Boolean(chunk) && typeof chunk !== 'function')
}

/** A response that goes nowhere, to have Node say what is wrong with a call. */
export function strayResponse(): ServerResponse {
  return new ServerResponse(new IncomingMessage(new Socket()))
}

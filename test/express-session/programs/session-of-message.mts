// What an app writes whose helpers take any request, not only one of Express.
import type { IncomingMessage } from 'node:http'
import type { Session, SessionData } from 'sojourn/express-session'

declare module 'http' {
  interface IncomingMessage {
    session: Session & Partial<SessionData>
  }
}

export const idOf = (request: IncomingMessage) => request.session.id

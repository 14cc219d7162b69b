import { IncomingMessage, ServerResponse } from './node-http.js'

/** `express.request`, where Express's guide adds properties. None for a request that no Express made its own. */
export function requestPrototype(request: object): object | null {
  return isExpress(request) ? prototypeBelow(IncomingMessage.prototype, request) : null
}

/** Likewise `express.response`, from which Express has its responses inherit. None where nothing can be added to it. */
export function responsePrototype(request: object, response: object): object | null {
  const prototype = isExpress(request) ? prototypeBelow(ServerResponse.prototype, response) : null
  return prototype && Object.isExtensible(prototype) ? prototype : null
}

function isExpress(request: object): boolean {
  return 'app' in request
}

/** What an object inherits from that inherits from `base` itself. */
function prototypeBelow(base: object, object: object): object | null {
  let prototype = Object.getPrototypeOf(object)
  while (prototype && Object.getPrototypeOf(prototype) !== base) prototype = Object.getPrototypeOf(prototype)
  return prototype
}

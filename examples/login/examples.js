/** The other examples of this folder, in the order in which to try them. */
export const examples = [
  {
    name: 'Counter',
    shows: 'How often this browser was here, in ten lines.',
    command: 'npm run start:counter',
    url: 'http://localhost:4001',
  },
  {
    name: 'Checker',
    shows: 'Pages that send strangers to sign in, and bring them back to where they were going.',
    command: 'npm run start:checker',
    url: 'http://localhost:4002',
  },
  {
    name: 'Flash',
    shows: 'A message that outlives one redirect and shows once.',
    command: 'npm run start:flash',
    url: 'http://localhost:4003',
  },
  {
    name: 'Remember me',
    shows: 'Signed in until the browser closes, or for thirty days.',
    command: 'npm run start:remember-me',
    url: 'http://localhost:4004',
  },
  {
    name: 'HTTPS',
    shows: 'Behind a proxy that ends TLS, with a cookie no other host can plant.',
    command: 'npm run start:https',
    url: 'https://localhost:4443',
  },
  {
    name: 'Steps',
    shows: 'The backend of a single-page app in six steps, from no session to production.',
    command: 'npm run start:steps 1-no-session',
    url: 'http://localhost:3000/api/views',
  },
  {
    name: 'Angular',
    shows: 'A single-page app that signs in to an API on another origin.',
    command: 'npm run start:angular',
    url: 'http://localhost:4736',
  },
  {
    name: 'Fastify',
    shows: 'The same small site on Fastify: a plugin, and request.session in its scope.',
    command: 'npm run start:fastify',
    url: 'http://localhost:4011',
  },
  {
    name: 'Koa',
    shows: 'On Koa: ctx.session.',
    command: 'npm run start:koa',
    url: 'http://localhost:4012',
  },
  {
    name: 'Hono',
    shows: 'On Hono: c.var.session, on every runtime that it has.',
    command: 'npm run start:hono',
    url: 'http://localhost:4013',
  },
  {
    name: 'fetch',
    shows: 'On nothing but Request and Response.',
    command: 'npm run start:fetch',
    url: 'http://localhost:4014',
  },
  {
    name: 'Node alone',
    shows: 'On node:http, with no framework.',
    command: 'npm run start:node',
    url: 'http://localhost:4015',
  },
  {
    name: 'WebSocket',
    shows: 'A room whose sockets know their visitor, and close at the logout.',
    command: 'npm run start:websocket',
    url: 'http://localhost:4016',
  },
]

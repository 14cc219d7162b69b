import { SojournError } from '../../core/errors.js'

/** A store's URL in its parts. It may hold a password, so that no message may quote it. */
export interface Address {
  readonly scheme: string
  /** What stands between the scheme and the parameters, without the slashes of an authority. */
  readonly place: string
  /** Takes parameters out: those that are meant for the store rather than for its client. */
  take<Name extends string>(...names: Name[]): { [name in Name]?: string }
  /**
   * The URL for a client, with the parameters that were not taken, under the client's own name for the scheme. The
   * defaults are added where it does not say otherwise, in capitals or not.
   */
  urlFor(scheme: string, defaults?: Record<string, number>): string
  /** Refuses parameters that nobody took. */
  end(): void
}

/** Takes a URL apart. `URL` itself refuses several hosts, and makes much of paths. */
export function addressOf(url: string): Address {
  const parts = /^(?<scheme>[a-z][a-z\d+]*):(?:\/\/)?(?<place>[^?]*)(?:\?(?<query>.*))?$/is.exec(url)?.groups ?? {}
  const parameters = new URLSearchParams(parts.query ?? '')
  const place = parts.place ?? ''
  return {
    scheme: (parts.scheme ?? '').toLowerCase(),
    place,
    take<Name extends string>(...names: Name[]) {
      const taken: { [name in Name]?: string } = {}
      for (const name of names) {
        const value = parameters.get(name)
        if (value !== null) taken[name] = value
        parameters.delete(name)
      }
      return taken
    },
    urlFor(scheme, defaults = {}) {
      const query = new URLSearchParams(parameters)
      const said = new Set(Array.from(parameters.keys(), (name) => name.toLowerCase()))
      for (const [name, value] of Object.entries(defaults)) {
        if (!said.has(name.toLowerCase())) query.append(name, String(value))
      }
      return `${scheme}://${place}${query.size > 0 ? `?${query}` : ''}`
    },
    end() {
      const [unknown] = parameters.keys()
      if (unknown !== undefined) {
        throw new SojournError(
          'invalid_option',
          `openStore: the parameter ${JSON.stringify(unknown)} is not known here`,
        )
      }
    },
  }
}

/** Several hosts of one URL: `[user[:password]@]host[:port],host[:port]…[/name]`. */
export function hostsOf({ place }: Pick<Address, 'place'>, usualPort: number) {
  const parts = /^(?:(?<user>[^@]*)@)?(?<hosts>[^/]*)(?:\/(?<name>.*))?$/s.exec(place)?.groups ?? {}
  const [username = '', password = ''] = (parts.user ?? '').split(/:(.*)/s).map(decoded)
  const hosts = (parts.hosts ?? '').split(',').map((host) => {
    // An IPv6 address stands in brackets.
    const { name, port } = /^\[?(?<name>.*?)\]?(?::(?<port>\d+))?$/s.exec(host)?.groups ?? {}
    return { host: name || '127.0.0.1', port: Number(port ?? usualPort) }
  })
  return {
    hosts,
    name: decoded(parts.name ?? ''),
    credentials: { ...(username && { username }), ...(password && { password }) },
  }
}

export function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new SojournError('invalid_option', 'openStore: the URL has a "%" that encodes nothing: write it as %25')
  }
}

// Where a server sends its clients.

/** The places that the server at `from` names: `host:port` or URLs, apart by blanks [MQTT5-4.11]. */
export function placesIn(reference: string, from: URL): URL[] {
  return reference.split(/\s+/).flatMap((place) => urlOf(place, from) ?? []);
}

/** The same scheme, login and path at another place. */
function urlOf(place: string, from: URL): URL | undefined {
  if (place === '') return undefined;
  try {
    if (place.includes('://')) return new URL(place);
    const url = new URL(from);
    // An IPv6 address in brackets, a name, or an address; the port is the protocol's own when there is none.
    const found = /^(\[[\da-f:.]+\]|[^:]+)(?::(\d{1,5}))?$/i.exec(place);
    if (found === null) return undefined;
    url.hostname = found[1]!;
    url.port = found[2] ?? '';
    return url;
  } catch {
    return undefined; // what is no address is not followed
  }
}

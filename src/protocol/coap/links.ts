// Links to resources in CoRE Link Format (RFC 6690): written, and filtered by a query.

/** A link and its attributes, in order; an attribute without a value is a flag (`obs`). */
export interface Link {
  readonly target: string;
  readonly attributes: readonly (readonly [name: string, value?: string])[];
}

/** `</t>;rt="core.ps";obs` */
export function formatLinks(links: readonly Link[]): string {
  return links
    .map(({ target, attributes }) => {
      const said = attributes.map(([name, value]) => {
        if (value === undefined) return `;${name}`;
        return /^\d+$/.test(value) ? `;${name}=${value}` : `;${name}="${value.replace(/["\\]/g, '\\$&')}"`;
      });
      return `<${target}>${said.join('')}`;
    })
    .join(',');
}

/** Attributes whose value is a list of words, any of which may match [RFC6690-4.1]. */
const LISTS: ReadonlySet<string> = new Set(['rt', 'if', 'rel', 'ct']);

/** Those that fulfil every term of the query: `name=value`, or `name=prefix*`; `href` is the target itself [RFC6690-4.1]. */
export function filterLinks(links: readonly Link[], query: ReadonlyMap<string, string>): Link[] {
  return links.filter((link) => [...query].every(([name, wanted]) => fulfils(link, name, wanted)));
}

function fulfils(link: Link, name: string, wanted: string): boolean {
  return valuesOf(link, name).some((value) =>
    wanted.endsWith('*') ? value.startsWith(wanted.slice(0, -1)) : value === wanted,
  );
}

function valuesOf(link: Link, name: string): string[] {
  if (name === 'href') return [link.target];
  return link.attributes
    .filter(([n]) => n === name)
    .flatMap(([, value]) => (value === undefined ? [''] : LISTS.has(name) ? value.split(' ') : [value]));
}

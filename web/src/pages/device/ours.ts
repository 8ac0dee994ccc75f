// The recipe of our own command, for every protocol that has a URL.

import { sh } from './quote.ts';
import type { Place, Tool } from './recipe.ts';

export function ours(p: Place, url: string): Tool {
  const login = p.user === '' ? '' : ` -u ${sh(p.user)} -P ${sh(p.password)}`;
  return {
    name: 'waymeet',
    install: 'npm install -g waymeet',
    publish: `waymeet pub -L ${sh(url)}${login} -m hello`,
    subscribe: `waymeet sub -L ${sh(url)}${login}`,
  };
}

// Which page is shown: `#/clients/mqtt/device-1` is the page `clients` with two words after it.

import { signal } from '@preact/signals';

export const route = signal<readonly string[]>(read());

function read(): string[] {
  return location.hash.slice(2).split('/').map(decoded);
}

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word; // a hash that was typed by hand
  }
}

addEventListener('hashchange', () => {
  route.value = read();
});

export function linkTo(...words: readonly string[]): string {
  return `#/${words.map(encodeURIComponent).join('/')}`;
}

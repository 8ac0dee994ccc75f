// The keyboard: `g` and a letter go to a page, `/` searches, `?` shows all of it.

import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { paused, setPaused } from '../client/lines.ts';

export interface PageKey {
  readonly key: string;
  readonly page: string;
  readonly title: string;
}

const SEQUENCE_MS = 1_200;

export const helpOpen = signal(false);

/** Follows the keys of the whole page; what is typed into a field stays there. */
export function watchKeys(pages: readonly PageKey[]): void {
  let gone = 0;
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
    const after = event.timeStamp - gone < SEQUENCE_MS;
    gone = 0;
    const page = after ? pages.find((p) => p.key === event.key) : undefined;
    if (page !== undefined) location.hash = `#/${page.page}`;
    else if (event.key === 'g') gone = event.timeStamp;
    else if (event.key === '?') helpOpen.value = !helpOpen.value;
    else if (event.key === '/') document.querySelector<HTMLInputElement>('main input[type=search]')?.focus();
    else if (event.key === 'p') setPaused(!paused.value);
    else return;
    event.preventDefault();
  });
}

function inField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input:not([type=checkbox]), textarea, select');
}

export function Help({ pages }: { readonly pages: readonly PageKey[] }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (helpOpen.value) box.current?.showModal();
    else box.current?.close();
  }, [helpOpen.value]);
  return (
    <dialog
      ref={box}
      aria-label="Keyboard"
      onClose={() => {
        helpOpen.value = false;
      }}
    >
      <div class="row">
        <h2 class="spread">Keyboard</h2>
        <button type="button" onClick={() => box.current?.close()}>
          Close
        </button>
      </div>
      <ul class="keys">
        {pages.map((p) => (
          <li key={p.key}>
            <span>
              <kbd>g</kbd> <kbd>{p.key}</kbd>
            </span>
            {p.title}
          </li>
        ))}
        {OTHERS.map(([key, title]) => (
          <li key={key}>
            <kbd>{key}</kbd>
            {title}
          </li>
        ))}
      </ul>
    </dialog>
  );
}

const OTHERS: readonly (readonly [key: string, title: string])[] = [
  ['/', 'Search this page'],
  ['p', 'Pause the messages, go on'],
  ['↑ ↓', 'Move in a list'],
  ['Esc', 'Close what is open'],
  ['Ctrl Enter', 'Publish'],
  ['?', 'This list'],
];

// Back and forth through a list that comes page by page.

import type { Signal } from '@preact/signals';
import { count } from './numbers.ts';

interface PagerProps {
  /** Of the first that is shown. */
  readonly offset: Signal<number>;
  /** How many a page has, how many this one has, and how many there are. */
  readonly page: number;
  readonly shown: number;
  readonly total: number;
}

/** Nothing, where one page has all. */
export function Pager({ offset, page, shown, total }: PagerProps) {
  if (total <= page) return null;
  return (
    <p class="row pager">
      <span class="spread quiet small tabular">
        {offset.value + 1} to {offset.value + shown} of {count(total)}
      </span>
      <button
        type="button"
        disabled={offset.value === 0}
        onClick={() => {
          offset.value -= page;
        }}
      >
        Before
      </button>
      <button
        type="button"
        disabled={offset.value + page >= total}
        onClick={() => {
          offset.value += page;
        }}
      >
        Next
      </button>
    </p>
  );
}

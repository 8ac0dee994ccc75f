// A list of any length of which only the rows in sight exist. Arrow keys move through it where rows can be chosen.

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface VirtualProps<T> {
  readonly items: readonly T[];
  readonly rowHeight: number;
  readonly row: (item: T, index: number) => ComponentChildren;
  readonly keyOf: (item: T) => string | number;
  /** Stay at the end while it is in sight. */
  readonly stick?: boolean;
  readonly label: string;
  readonly chosen?: T | undefined;
  readonly choose: (item: T | undefined) => void;
  readonly empty: ComponentChildren;
  /** Other keys, of trees. */
  readonly onKey?: (event: KeyboardEvent) => void;
}

const SPARE_ROWS = 8;

export function VirtualList<T>(props: VirtualProps<T>) {
  const { items, rowHeight, row, keyOf, stick, label, chosen, choose, empty, onKey } = props;
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [view, setView] = useState({ top: 0, height: 600 });

  useLayoutEffect(() => {
    const element = box.current!;
    const observer = new ResizeObserver(() => setView((v) => ({ ...v, height: element.clientHeight })));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = box.current!;
    if (stick && atEnd.current) element.scrollTop = element.scrollHeight;
  }, [items, stick]);

  const onScroll = () => {
    const element = box.current!;
    atEnd.current = element.scrollTop + element.clientHeight >= element.scrollHeight - rowHeight;
    setView({ top: element.scrollTop, height: element.clientHeight });
  };

  const step = (by: number) => {
    const at = chosen === undefined ? (by > 0 ? -1 : items.length) : items.indexOf(chosen);
    const next = Math.min(items.length - 1, Math.max(0, at + by));
    const item = items[next];
    if (item === undefined) return;
    choose(item);
    const element = box.current!;
    const top = next * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + element.clientHeight)
      element.scrollTop = top + rowHeight - element.clientHeight;
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const by = STEPS[event.key];
    if (by !== undefined) {
      event.preventDefault();
      step(by);
    } else onKey?.(event);
  };

  const first = Math.max(0, Math.floor(view.top / rowHeight) - SPARE_ROWS);
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + SPARE_ROWS);
  return (
    <div
      class="virtual"
      ref={box}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
      role="listbox"
      aria-label={label}
      tabIndex={0}
    >
      {items.length === 0 && empty}
      <div class="spacer" style={{ height: `${items.length * rowHeight}px` }}>
        <div class="window" style={{ transform: `translateY(${first * rowHeight}px)` }}>
          {items.slice(first, last).map((item, i) => (
            // biome-ignore lint/a11y/useFocusableInteractive: the list has the focus, arrow keys choose
            // biome-ignore lint/a11y/useKeyWithClickEvents: the list hears the keys
            <div
              key={keyOf(item)}
              role="option"
              aria-selected={item === chosen}
              aria-setsize={items.length}
              aria-posinset={first + i + 1}
              style={{ height: `${rowHeight}px` }}
              onClick={() => choose(item === chosen ? undefined : item)}
            >
              {row(item, first + i)}
            </div>
          ))}
        </div>
      </div>
    </div>
  );
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: 15,
  PageUp: -15,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

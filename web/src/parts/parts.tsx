// Small parts that the pages share: heads, notices, choices, search fields, things to copy.

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icons.tsx';

interface HeadProps {
  readonly title: string;
  readonly about?: ComponentChildren;
  /** What can be done with the page. */
  readonly children?: ComponentChildren;
}

export function Head({ title, about, children }: HeadProps) {
  return (
    <div class="head">
      <div>
        <h1>{title}</h1>
        {about !== undefined && <p>{about}</p>}
      </div>
      {children}
    </div>
  );
}

interface NoticeProps {
  readonly kind: 'bad' | 'warn' | 'good' | 'plain';
  readonly children: ComponentChildren;
}

const NOTICE_ICONS: Readonly<Record<NoticeProps['kind'], IconName>> = {
  bad: 'warning',
  warn: 'warning',
  good: 'tick',
  plain: 'fact',
};

export function Notice({ kind, children }: NoticeProps) {
  return (
    <div class={`notice ${kind}`} role={kind === 'bad' ? 'alert' : 'note'}>
      <Icon name={NOTICE_ICONS[kind]} />
      <div class="spread">{children}</div>
    </div>
  );
}

/** What went wrong, or nothing. */
export function Fault({ says }: { readonly says: string }) {
  return says === '' ? null : <Notice kind="bad">{says}</Notice>;
}

interface EmptyProps {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: ComponentChildren;
}

export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div class="empty">
      <Icon name={icon} size={30} />
      <strong>{title}</strong>
      <div>{children}</div>
    </div>
  );
}

interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly options: Readonly<Record<T, string>>;
  readonly value: T;
  choose(value: T): void;
}

/** One of few: arrow keys move, as in any group of radio buttons. */
export function Choice<T extends string>({ label, options, value, choose }: ChoiceProps<T>) {
  const names = Object.keys(options) as T[];
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const at = (names.indexOf(value) + step + names.length) % names.length;
    choose(names[at]!);
    const group = event.currentTarget as HTMLElement;
    (group.children[at] as HTMLElement).focus();
  };
  return (
    <div class="choice" role="radiogroup" aria-label={label} onKeyDown={onKeyDown}>
      {names.map((name) => (
        // biome-ignore lint/a11y/useSemanticElements: a button can be styled, a radio input cannot
        <button
          key={name}
          type="button"
          role="radio"
          aria-checked={value === name}
          tabIndex={value === name ? 0 : -1}
          onClick={() => choose(name)}
        >
          {options[name]}
        </button>
      ))}
    </div>
  );
}

interface SearchProps {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string;
  change(value: string): void;
}

/** `/` puts the cursor into the first one of a page. */
export function Search({ label, placeholder, value, change }: SearchProps) {
  return (
    <div class="search">
      <Icon name="search" />
      <input
        type="search"
        aria-label={label}
        placeholder={placeholder}
        value={value}
        onInput={(e) => change(e.currentTarget.value)}
      />
    </div>
  );
}

interface SelectProps<T extends string> {
  readonly label: string;
  readonly options: Readonly<Record<T, string>>;
  readonly value: T;
  choose(value: T): void;
}

/** One of several, without a label in sight. */
export function Select<T extends string>({ label, options, value, choose }: SelectProps<T>) {
  return (
    <select
      class="narrow"
      aria-label={label}
      value={value}
      onChange={(e) => choose(e.currentTarget.value as T)}
    >
      {(Object.entries(options) as [T, string][]).map(([name, title]) => (
        <option key={name} value={name}>
          {title}
        </option>
      ))}
    </select>
  );
}

const COPIED_MS = 1_500;

/** Copies `text`; says so for a moment. */
export function Copy({ text, label }: { readonly text: string; readonly label: string }) {
  const copied = useSignal(false);
  const copy = async () => {
    await copyText(text);
    copied.value = true;
    setTimeout(() => {
      copied.value = false;
    }, COPIED_MS);
  };
  return (
    <button
      type="button"
      class="icon"
      aria-label={copied.value ? 'Copied' : label}
      title={label}
      onClick={copy}
    >
      <Icon name={copied.value ? 'tick' : 'copy'} />
    </button>
  );
}

/** Where the page came by plain HTTP from another machine the clipboard is not given: then by a field that is selected. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}

/** Lines to paste elsewhere. */
export function Paste({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <div class="paste">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys */}
      <pre tabIndex={0}>{text}</pre>
      <Copy text={text} label={label} />
    </div>
  );
}

/** Asks twice before it does what cannot be undone. */
export function Certain({ label, sure, act }: { label: string; sure: string; act(): void }) {
  const asked = useSignal(false);
  return (
    <button
      type="button"
      class="danger"
      onBlur={() => {
        asked.value = false;
      }}
      onClick={() => {
        if (asked.value) act();
        asked.value = !asked.value;
      }}
    >
      {asked.value ? sure : label}
    </button>
  );
}

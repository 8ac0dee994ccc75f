// The frame of the dashboard: links to the pages, the state of the hub, the theme, and on a phone a drawer for them.

import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { hub, leave, live, role } from '../api.ts';
import { Icon, type IconName, Mark } from '../parts/icons.tsx';
import { LoginPage } from './login.tsx';
import { linkTo, route } from './route.ts';
import { Help, helpOpen } from './shortcuts.tsx';
import { nextTheme, theme } from './theme.ts';

export interface PageEntry {
  readonly name: string;
  readonly title: string;
  readonly icon: IconName;
  /** Goes to it after `g`. */
  readonly key: string;
  readonly group: string;
  readonly page: ComponentType;
  /** It needs nothing of the admin API. */
  readonly open?: true;
}

const drawer = signal(false);
const THEME_ICONS = { auto: 'auto', light: 'sun', dark: 'moon' } as const;

export function Frame({ pages }: { readonly pages: readonly PageEntry[] }) {
  const entry = pages.find((p) => p.name === route.value[0]) ?? pages[0]!;
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = `${entry.title} · Waymeet`;
    drawer.value = false;
    main.current?.scrollTo(0, 0);
  }, [entry]);
  // A login that ended while the page was open is asked for where it is needed.
  const Page = live.value === 'login' && !entry.open ? LoginPage : entry.page;
  return (
    <>
      <a
        class="skip"
        href={location.hash}
        onClick={(e) => {
          e.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the page
      </a>
      <PhoneBar />
      <Side pages={pages} entry={entry} />
      <button
        type="button"
        class={drawer.value ? 'curtain open' : 'curtain'}
        aria-label="Close the menu"
        onClick={() => {
          drawer.value = false;
        }}
      />
      <main ref={main} tabIndex={-1}>
        <Page />
      </main>
      <Help pages={pages.map(({ key, name, title }) => ({ key, page: name, title }))} />
    </>
  );
}

function PhoneBar() {
  return (
    <div class="bar-phone">
      <button
        type="button"
        class="icon"
        aria-label="Menu"
        aria-expanded={drawer.value}
        onClick={() => {
          drawer.value = !drawer.value;
        }}
      >
        <Icon name="menu" size={20} />
      </button>
      <a class="brand" href={linkTo('test')}>
        <Mark />
        Waymeet
      </a>
      <HubState />
    </div>
  );
}

function Side({ pages, entry }: { readonly pages: readonly PageEntry[]; readonly entry: PageEntry }) {
  const groups = [...new Set(pages.map((p) => p.group))];
  return (
    <div class={drawer.value ? 'side open' : 'side'}>
      <a class="brand" href={linkTo('test')}>
        <Mark />
        Waymeet
      </a>
      <nav aria-label="Pages">
        {groups.map((group) => (
          <div key={group}>
            <h3>{group}</h3>
            {pages
              .filter((p) => p.group === group)
              .map((p) => (
                <a
                  key={p.name}
                  href={linkTo(p.name)}
                  aria-current={p === entry ? 'page' : undefined}
                  onClick={() => {
                    drawer.value = false;
                  }}
                >
                  <Icon name={p.icon} />
                  {p.title}
                </a>
              ))}
          </div>
        ))}
      </nav>
      {role.value === 'viewer' && (
        <p class="quiet small viewer-note">
          Logged in as <strong>viewer</strong>, who looks and changes nothing.
        </p>
      )}
      <div class="foot">
        <HubState />
        <button
          type="button"
          class="icon"
          aria-label="Keyboard"
          title="Keyboard (?)"
          onClick={() => {
            helpOpen.value = true;
          }}
        >
          <Icon name="keys" />
        </button>
        <button
          type="button"
          class="icon"
          aria-label={`Theme: ${theme.value}`}
          title={`Theme: ${theme.value}`}
          onClick={nextTheme}
        >
          <Icon name={THEME_ICONS[theme.value]} />
        </button>
        {role.value !== undefined && (
          <button
            type="button"
            class="icon"
            aria-label="Log out"
            title={`Log out ${role.value}`}
            onClick={leave}
          >
            <Icon name="leave" />
          </button>
        )}
      </div>
    </div>
  );
}

const LAMPS = { on: 'good', off: 'bad', login: 'busy' } as const;

function HubState() {
  const text =
    live.value === 'on'
      ? `Hub ${hub.value?.version ?? ''}`
      : live.value === 'login'
        ? 'Log in to see the hub'
        : 'Hub not reachable, trying again';
  return (
    <div class="hub" role="status" title={text}>
      <i class={`lamp ${LAMPS[live.value]}`} />
      <span class="clip">{text}</span>
    </div>
  );
}

// The dashboard: its frame, and which page is shown.

import { signal } from '@preact/signals';
import { render } from 'preact';
import { useState } from 'preact/hooks';
import { follow, hub, live, logIn } from './api.ts';
import { ClientsPage } from './pages/clients.tsx';
import { DevicePage } from './pages/device.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { TestClientPage } from './pages/test-client.tsx';
import { TopicsPage } from './pages/topics.tsx';
import { WildcardsPage } from './pages/wildcards.tsx';
import { restore } from './store.ts';
import './style.css';

const PAGES = {
  test: ['Test client', TestClientPage],
  topics: ['Topics', TopicsPage],
  overview: ['Overview', OverviewPage],
  clients: ['Clients', ClientsPage],
  device: ['Connect a device', DevicePage],
  wildcards: ['Wildcards', WildcardsPage],
} as const;

type PageName = keyof typeof PAGES;

const page = signal<PageName>(pageOf());

function pageOf(): PageName {
  const name = location.hash.slice(2);
  return name in PAGES ? (name as PageName) : 'test';
}

addEventListener('hashchange', () => {
  page.value = pageOf();
});

const THEME_KEY = 'waymeet-theme';
const theme = signal(localStorage.getItem(THEME_KEY) ?? 'auto');

function setTheme(next: string): void {
  theme.value = next;
  localStorage.setItem(THEME_KEY, next);
  document.documentElement.dataset.theme = next;
}

const THEMES: Readonly<Record<string, string>> = { auto: 'light', light: 'dark', dark: 'auto' };

function App() {
  const [, Page] = PAGES[page.value];
  return (
    <>
      <header>
        <a class="brand" href="#/test">
          <svg viewBox="0 0 16 16" width="22" height="22" aria-hidden="true">
            <path d="M1 4l3.5 8L8 5l3.5 7L15 4" fill="none" stroke="currentColor" stroke-width="2.2" />
          </svg>
          Waymeet
        </a>
        <nav aria-label="Pages">
          {Object.entries(PAGES).map(([name, [title]]) => (
            <a key={name} href={`#/${name}`} aria-current={page.value === name ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <span class={`hub ${live.value}`} role="status">
          {live.value === 'on'
            ? `hub ${hub.value?.version ?? ''}`
            : live.value === 'login'
              ? 'log in to see the hub'
              : 'hub not reachable, trying again'}
        </span>
        <button type="button" class="plain" onClick={() => setTheme(THEMES[theme.value] ?? 'auto')}>
          {theme.value === 'auto' ? 'Auto' : theme.value === 'light' ? 'Light' : 'Dark'}
        </button>
      </header>
      <main>
        {live.value === 'login' && page.value !== 'test' && page.value !== 'wildcards' ? <Login /> : <Page />}
      </main>
    </>
  );
}

function Login() {
  const [fault, setFault] = useState('');
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setFault((await logIn(String(form.get('user')), String(form.get('password')))) ?? '');
  };
  return (
    <form class="card login" onSubmit={submit}>
      <h2>Log in</h2>
      <p class="quiet">
        The hub asks for a password because it can be reached by others. It printed one when it started,
        unless
        <code>web.adminPassword</code> says it.
      </p>
      <label>
        User
        <select name="user">
          <option>admin</option>
          <option>viewer</option>
        </select>
      </label>
      <label>
        Password
        <input name="password" type="password" required autocomplete="current-password" />
      </label>
      {fault !== '' && (
        <p class="fault" role="alert">
          {fault}
        </p>
      )}
      <button type="submit">Log in</button>
    </form>
  );
}

document.documentElement.dataset.theme = theme.value;
restore();
void follow();
render(<App />, document.getElementById('app')!);

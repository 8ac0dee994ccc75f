// The dashboard: the list of its pages, and its start.

import { render } from 'preact';
import { follow } from './api.ts';
import { restore } from './client/connections.ts';
import { Frame, type PageEntry } from './frame/frame.tsx';
import { lazily } from './frame/lazy.tsx';
import { watchKeys } from './frame/shortcuts.tsx';
import { ClientsPage } from './pages/clients.tsx';
import { ConfigPage } from './pages/config.tsx';
import { DevicePage } from './pages/device/page.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { QueuesPage } from './pages/queues.tsx';
import { RetainedPage } from './pages/retained.tsx';
import { TestClientPage } from './pages/test-client/page.tsx';
import { TopicsPage } from './pages/topics/page.tsx';
import { TracePage } from './pages/trace.tsx';
import { WildcardsPage } from './pages/wildcards.tsx';
import './styles/tokens.css';
import './styles/base.css';
import './styles/frame.css';
import './styles/parts.css';
import './styles/test-client.css';
import './styles/pages.css';
import './styles/narrow.css';

const TRY = 'Try';
const MESSAGES = 'Messages';
const LAB = 'Lab';
const HUB = 'Hub';

const PAGES: readonly PageEntry[] = [
  {
    name: 'test',
    title: 'Test client',
    icon: 'plug',
    key: 't',
    group: TRY,
    page: TestClientPage,
    open: true,
  },
  {
    name: 'device',
    title: 'Connect a device',
    icon: 'chip',
    key: 'd',
    group: TRY,
    page: DevicePage,
    open: true,
  },
  {
    name: 'wildcards',
    title: 'Wildcards',
    icon: 'star',
    key: 'w',
    group: TRY,
    page: WildcardsPage,
    open: true,
  },
  { name: 'topics', title: 'Topics', icon: 'tree', key: 'o', group: MESSAGES, page: TopicsPage, open: true },
  { name: 'retained', title: 'Retained', icon: 'pin', key: 'r', group: MESSAGES, page: RetainedPage },
  {
    name: 'lab',
    title: 'Lab',
    icon: 'flask',
    key: 'l',
    group: LAB,
    page: lazily(async () => (await import('./lab/page.tsx')).LabPage),
  },
  {
    name: 'choose',
    title: 'Which protocol?',
    icon: 'compass',
    key: 'a',
    group: LAB,
    page: lazily(async () => (await import('./lab/choose.tsx')).ChoosePage),
  },
  { name: 'overview', title: 'Overview', icon: 'pulse', key: 'v', group: HUB, page: OverviewPage },
  { name: 'clients', title: 'Clients', icon: 'people', key: 'c', group: HUB, page: ClientsPage },
  { name: 'queues', title: 'Queues', icon: 'layers', key: 'q', group: HUB, page: QueuesPage },
  { name: 'trace', title: 'Trace', icon: 'scan', key: 'x', group: HUB, page: TracePage },
  { name: 'config', title: 'Configuration', icon: 'sliders', key: 's', group: HUB, page: ConfigPage },
];

watchKeys(PAGES.map(({ key, name, title }) => ({ key, page: name, title })));
restore();
void follow();
render(<Frame pages={PAGES} />, document.getElementById('app')!);

// A run as one HTML page that needs nothing else: tables, plots as SVG, and under each figure which run it is of.

import type { Cell } from '../result.ts';
import { bestOf, columnsFor, format } from './columns.ts';
import { changesOfBest, crossingsOf, curvesOf, rateInWords } from './crossings.ts';
import { MACHINE_COLUMNS, MACHINE_NOTE, machineOf, machineTexts } from './machine.ts';
import { Plotter } from './plots.ts';
import { type Run, stampOf } from './read.ts';

const STYLE = `
:root { color-scheme: light dark; --text: #202124; --paper: #fff; --faint: #5f6368; --line: #dadce0; --shade: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e5e8; --paper: #16181b; --faint: #9aa0a6; --line: #3c4043; --shade: #1f2226; }
  /* The plots' colours are for white paper: lightness turns round, hues stay. */
  figure svg { filter: invert(0.93) hue-rotate(180deg); }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper); margin: 2rem auto; max-width: 1160px; padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); } h3 { margin-top: 2rem; }
table { border-collapse: collapse; font-size: 13px; } th, td { padding: 3px 8px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
thead th { border-bottom: 1px solid var(--faint); vertical-align: bottom; white-space: normal; font-weight: 600; } small { font-weight: 400; color: var(--faint); }
tbody tr:nth-child(even) td { background: var(--shade); } td.best { font-weight: 700; }
figure { margin: 1rem 0; overflow-x: auto; } figcaption, footer, .note { color: var(--faint); font-size: 12px; }
svg { width: 100%; min-width: 760px; height: auto; display: block; }
pre { background: var(--shade); padding: 1rem; overflow-x: auto; font-size: 12px; } .wide { overflow-x: auto; } li { margin: 0.2rem 0; }
nav a { margin-right: 1rem; } a { color: inherit; } summary { cursor: pointer; }
`;

export async function htmlOf(run: Run): Promise<string> {
  const plotter = await Plotter.load();
  const { head } = run;
  const sections = head.networks
    .map((network) => sectionOf(run, network, plotter))
    .filter((section) => section !== '');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Waymeet lab: run ${escapeHtml(head.run)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Which protocol? ${escapeHtml(String(head.variants.length))} ways to carry the same messages</h1>
<p>${escapeHtml(stampOf(head))}. ${escapeHtml(missingOf(run))}</p>
<p>Simulated: real protocol code over a model of links, TCP and TLS, whose assumptions are in <code>docs/lab/model.md</code>.
The same seed gives the same figures. Energy is a <em>proxy</em>: radio-on time under a named, editable model.</p>
<nav>${run.head.networks.map((n) => `<a href="#${escapeHtml(n.name)}">${escapeHtml(n.name)}</a>`).join('')}<a href="#machine">this machine</a></nav>
${sections.join('\n')}
${machineSection(run)}
<h2>The workload</h2>
<pre>${escapeHtml(JSON.stringify(head.workload, null, 2))}</pre>
<h2>The networks</h2>
<pre>${escapeHtml(JSON.stringify(head.networks, null, 2))}</pre>
<footer>${escapeHtml(stampOf(head))}</footer>
</body>
</html>
`;
}

function missingOf(run: Run): string {
  const missing = run.head.cells - run.cells.length - run.sweeps.length;
  return missing > 0 ? `The run was interrupted: ${missing} of ${run.head.cells} cells are missing.` : '';
}

function sectionOf(run: Run, network: Run['head']['networks'][number], plotter: Plotter): string {
  const cells = run.cells.filter((c) => c.network === network.name);
  const sweeps = run.sweeps.filter((c) => c.network === network.name);
  if (cells.length === 0) return '';
  const figure = (svg: string, caption: string): string =>
    `<figure>${svg}<figcaption>${escapeHtml(`${caption} Network ${network.name}; ${stampOf(run.head)}.`)}</figcaption></figure>`;
  const parts = [
    `<h2 id="${escapeHtml(network.name)}">${escapeHtml(network.name)}: ${escapeHtml(network.title)}</h2>`,
    `<div class="wide">${tableOf(cells)}</div>`,
    ...cells
      .filter((c) => c.failure !== undefined)
      .map((c) => `<p>${escapeHtml(c.variant)}: ${escapeHtml(c.failure!)}.</p>`),
    '<h3>Octets per message</h3>',
    figure(plotter.bytes(cells), 'Octets per message by layer, set-up included, both directions.'),
    '<h3>Latency</h3>',
    figure(
      plotter.latency(cells),
      'Messages that had arrived after so long; a curve that ends below 100 % lost the rest.',
    ),
  ];
  const loss = sweeps.filter((c) => c.point!.kind === 'loss');
  if (loss.length > 0) {
    parts.push(
      '<h3>Latency against loss</h3>',
      figure(plotter.loss(loss, 'p99'), '99th percentile of the latency of what arrived.'),
      figure(plotter.loss(loss, 'delivered'), 'What arrived.'),
    );
  }
  parts.push(costSection(run, sweeps, plotter, figure));
  return parts.join('\n');
}

function costSection(
  run: Run,
  sweeps: readonly Cell[],
  plotter: Plotter,
  figure: (svg: string, caption: string) => string,
): string {
  const { devices } = run.head.workload as { devices: number };
  const curves = curvesOf(sweeps, devices);
  if (curves.length === 0)
    return '<p>Latency against loss, and cost against rate, are measured with <code>--sweep loss,rate</code>.</p>';
  const crossings = crossingsOf(curves);
  const changes = changesOfBest(curves, crossings);
  const sentences = (all: typeof crossings): string =>
    all
      .map(
        (x) =>
          `<li>${escapeHtml(`${x.below} and ${x.above} cost the same at ${rateInWords(x.rate)}: below that ${x.below} costs less, above it ${x.above}.`)}</li>`,
      )
      .join('');
  return [
    '<h3>Cost against message rate</h3>',
    figure(plotter.cost(curves, changes), 'Octets an hour of one device, keep-alives included, set-up not.'),
    changes.length === 0
      ? '<p>The same variant is the cheapest at every rate.</p>'
      : `<p>Where the cheapest changes:</p><ul>${sentences(changes)}</ul>`,
    `<details><summary>All ${crossings.length} crossing points</summary><ul>${sentences(crossings)}</ul></details>`,
  ].join('\n');
}

function machineSection(run: Run): string {
  const head = MACHINE_COLUMNS.map((name) => `<th>${escapeHtml(name)}</th>`).join('');
  const rows = machineOf(run).map(
    (row) =>
      `<tr><td>${escapeHtml(row.variant)}</td>${machineTexts(row)
        .map((text) => `<td>${text}</td>`)
        .join('')}</tr>`,
  );
  if (rows.length === 0) return '';
  return `<h2 id="machine">This machine</h2>
<p class="note">${escapeHtml(MACHINE_NOTE)}</p>
<div class="wide"><table><thead><tr><th>variant</th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function tableOf(cells: readonly Cell[]): string {
  const columns = columnsFor(cells);
  const head = columns
    .map((c) => `<th>${escapeHtml(c.name)}<br><small>${escapeHtml(c.unit)}</small></th>`)
    .join('');
  const best = columns.map((c) => bestOf(c, cells));
  const rows = cells.map((cell) => {
    const texts = columns.map((c, i) => {
      const text = format(c.of(cell), c.digits);
      return `<td${text === best[i] ? ' class="best"' : ''}>${text}</td>`;
    });
    return `<tr><td>${escapeHtml(cell.variant)}</td>${texts.join('')}</tr>`;
  });
  return `<table><thead><tr><th>variant</th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

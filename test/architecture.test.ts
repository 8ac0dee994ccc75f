// The table of floors of docs/architecture.md and the house rules that a machine can check, over every source file.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

/** Bottom to top. A part imports itself and the floors below; parts that share a floor do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  ['src/contract'],
  ['src/bytes', 'src/selector'],
  ['src/hub'],
  ['src/protocol'],
  ['src/admin', 'src/bridge', 'src/cloud', 'src/transport', 'src/store', 'src/cluster', 'src/auth'],
  ['src/client'],
  ['src/lab'],
  ['src/server'],
  ['src/index.ts'],
  ['src/cli', 'web'],
];

/** No clock, timer, random source, `node:` or package: time comes in as `now`, effects go out by ports. */
const PURE = ['src/contract', 'src/bytes', 'src/selector', 'src/hub', 'src/protocol'];

/** What every tower may use besides itself. */
const TOWERS_SHARE = ['src/contract', 'src/bytes', 'src/selector'];

/** The entries of the package: the only files that may pass on what others export. */
const ENTRIES = [
  'src/index.ts',
  'src/client/index.ts',
  'src/client/browser.ts',
  'src/client/patterns/index.ts',
];

const MAX_LINES = 600;

const IMPURE =
  /\b(?:Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|setImmediate|performance\s*\.|process\s*\.|crypto\s*\.|fetch\s*\()/;

interface SourceFile {
  /** From the package's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** What is wrong, a line each; empty when nothing is. */
function violations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    [...shape(file), ...(isTest(file) ? [] : rules(file))].map((v) => `${file.path}: ${v}`),
  );
}

function isTest(file: SourceFile): boolean {
  return /\.test\.tsx?$/.test(file.path);
}

function* shape(file: SourceFile): Iterable<string> {
  const code = withoutText(file.text);
  if (/\bexport\s+default\b|\bas\s+default\b/.test(code)) yield 'default export';
  if (/\benum\s+\w+\s*\{/.test(code)) yield 'enum';
  if (/^(?:utils?|helpers?|misc|common)\.tsx?$/.test(path.posix.basename(file.path)))
    yield 'a file named for no job';
}

function* opening(file: SourceFile): Iterable<string> {
  const comment = /^(?:#!.*\n)?((?:\/\/.*\n)+|\/\*[\s\S]*?\*\/\n)/.exec(file.text)?.[1];
  const head = comment?.split('\n//\n', 1)[0]; // a drawing may follow
  if (head === undefined) yield 'opens without a comment that says what lives here';
  else if (!/[.:?!](?:\)|\s*\[[^\]]*\])*(?:\s*\*\/)?\s*$/.test(head))
    yield 'its opening comment is no sentence';
}

function* rules(file: SourceFile): Iterable<string> {
  yield* opening(file);
  const lines = file.text.split('\n').length - 1;
  if (lines > MAX_LINES) yield `${lines} lines, more than ${MAX_LINES}`;
  const own = partOf(file.path);
  if (own === undefined) {
    yield 'stands on no floor';
    return;
  }
  const code = withoutText(file.text);
  if (!ENTRIES.includes(file.path) && /^\s*export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^;]*?\bfrom\b/m.test(code)) {
    yield 'passes on the exports of another file';
  }
  const pure = PURE.includes(own);
  const impure = pure ? IMPURE.exec(code) : null;
  if (impure !== null) yield `a pure floor uses ${impure[0]}`;
  for (const target of imports(file.text)) {
    const wrong = wrongImport(file, own, pure, target);
    if (wrong !== undefined) yield wrong;
  }
}

function wrongImport(file: SourceFile, own: string, pure: boolean, target: string): string | undefined {
  if (!target.startsWith('.')) return pure ? `a pure floor imports ${target}` : undefined;
  if (!/\.(?:tsx?|json|css)$/.test(target)) return `imports ${target} without its extension`;
  const to = path.posix.join(path.posix.dirname(file.path), target);
  if (to === 'package.json') return undefined;
  const other = partOf(to);
  if (other === undefined) return `imports ${to}, which stands on no floor`;
  if (own === 'src/protocol') {
    const tower = towerOf(file.path);
    const allowed = TOWERS_SHARE.includes(other) || (tower !== undefined && towerOf(to) === tower);
    return allowed ? undefined : `a tower imports ${to}`;
  }
  if (own !== other && floorOf(other) >= floorOf(own)) return `imports ${to}, which is not below`;
  if (
    own === 'src/client' &&
    other === 'src/protocol' &&
    !/\/(?:packet|decode|encode|map|client)\.ts$/.test(to)
  ) {
    return `the client imports ${to}, and neither a codec nor a client's room`;
  }
  return undefined;
}

function partOf(file: string): string | undefined {
  return FLOORS.flat().find((part) => file === part || file.startsWith(`${part}/`));
}

function floorOf(part: string): number {
  return FLOORS.findIndex((floor) => floor.includes(part));
}

function towerOf(file: string): string | undefined {
  return /^src\/protocol\/([^/]+)\//.exec(file)?.[1];
}

function* imports(text: string): Iterable<string> {
  const code = withoutComments(text);
  const statement =
    /^\s*(?:import|export)\b(?:[^'";]*?\bfrom)?\s*['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]/gm;
  for (const match of code.matchAll(statement)) yield (match[1] ?? match[2])!;
}

const TEXT_OR_COMMENT = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/.*|\/\*[\s\S]*?\*\//g;

function withoutComments(text: string): string {
  return text.replace(TEXT_OR_COMMENT, (found) => (found.startsWith('/') ? ' ' : found));
}

function withoutText(text: string): string {
  return text.replace(TEXT_OR_COMMENT, (found) => (found.startsWith('/') ? ' ' : "''"));
}

function sources(root: string): SourceFile[] {
  const files: SourceFile[] = [];
  for (const folder of ['src', 'web']) {
    for (const entry of listed(path.join(root, folder))) {
      if (!/\.tsx?$/.test(entry) || /(?:^|\/)(?:node_modules|dist)\//.test(entry)) continue;
      files.push({ path: `${folder}/${entry}`, text: readFileSync(path.join(root, folder, entry), 'utf8') });
    }
  }
  return files;
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((entry) =>
      entry.replaceAll(path.sep, '/'),
    );
  } catch (why) {
    if ((why as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw why;
  }
}

test('every source file keeps to its floor and to the house rules', () => {
  const files = sources(path.join(import.meta.dirname, '..'));
  expect(files.length).toBeGreaterThan(10);
  expect(violations(files)).toEqual([]);
});

describe('what the check finds', () => {
  const HEAD = '// What lives here.\n';
  const bad: readonly [why: string, path: string, text: string, found: string][] = [
    [
      'upward',
      'src/contract/a.ts',
      "import { x } from '../hub/hub.ts';",
      'imports src/hub/hub.ts, which is not below',
    ],
    [
      'upward type',
      'src/hub/a.ts',
      "import type { X } from '../store/x.ts';",
      'src/store/x.ts, which is not below',
    ],
    ['sideways', 'src/auth/a.ts', "import { x } from '../store/x.ts';", 'src/store/x.ts, which is not below'],
    [
      'many lines',
      'src/bytes/a.ts',
      "import {\n  x,\n  y,\n} from '../hub/x.ts';",
      'src/hub/x.ts, which is not below',
    ],
    [
      'dynamic',
      'src/bytes/a.ts',
      "const x = await import('../hub/x.ts');",
      'src/hub/x.ts, which is not below',
    ],
    ['for its effect', 'src/bytes/a.ts', "import '../hub/x.ts';", 'src/hub/x.ts, which is not below'],
    [
      'another tower',
      'src/protocol/coap/a.ts',
      "import { x } from '../mqtt/x.ts';",
      'a tower imports src/protocol/mqtt/x.ts',
    ],
    [
      'hub from a tower',
      'src/protocol/coap/a.ts',
      "import { x } from '../../hub/x.ts';",
      'a tower imports src/hub/x.ts',
    ],
    ['node in pure', 'src/hub/a.ts', "import { x } from 'node:fs';", 'a pure floor imports node:fs'],
    ['package in pure', 'src/protocol/coap/a.ts', "import { x } from 'ws';", 'a pure floor imports ws'],
    ['clock', 'src/hub/a.ts', 'const t = Date.now();', 'a pure floor uses Date.now'],
    ['random', 'src/bytes/a.ts', 'const t = Math.random();', 'a pure floor uses Math.random'],
    ['timer', 'src/protocol/mqtt/a.ts', 'setTimeout(f, 1);', 'a pure floor uses setTimeout'],
    ['performance', 'src/contract/a.ts', 'performance.now();', 'a pure floor uses performance.'],
    [
      'lab',
      'src/client/a.ts',
      "import { x } from '../lab/x.ts';",
      'imports src/lab/x.ts, which is not below',
    ],
    [
      'peer in client',
      'src/client/a.ts',
      "import { x } from '../protocol/mqtt/peer.ts';",
      'and neither a codec',
    ],
    ['no extension', 'src/hub/a.ts', "import { x } from './b';", 'imports ./b without its extension'],
    ['outside', 'src/hub/a.ts', "import { x } from '../../test/network.ts';", 'stands on no floor'],
    ['new folder', 'src/stuff/a.ts', '', 'stands on no floor'],
    ['default', 'src/cli/a.ts', 'export default 1;', 'default export'],
    ['renamed default', 'src/cli/a.ts', 'export { x as default };', 'default export'],
    ['enum', 'src/cli/a.ts', 'export const enum Colour { red }', 'enum'],
    ['barrel', 'src/cli/a.ts', "export * from './b.ts';", 'passes on the exports'],
    ['barrel by name', 'src/cli/a.ts', "export type { B } from './b.ts';", 'passes on the exports'],
    ['utils', 'src/cli/utils.ts', '', 'a file named for no job'],
    ['long', 'src/cli/a.ts', '\n'.repeat(600), '601 lines, more than 600'],
  ];
  test.each(bad)('%s', (_why, file, text, found) => {
    expect(violations([{ path: file, text: HEAD + text }])).toEqual([expect.stringContaining(found)]);
  });

  test.each([
    ['no opening', 'export const x = 1;\n', 'opens without a comment'],
    ['no sentence', '// stuff\nexport const x = 1;\n', 'is no sentence'],
  ])('%s', (_why, text, found) => {
    expect(violations([{ path: 'src/hub/a.ts', text }])).toEqual([expect.stringContaining(found)]);
  });

  const good: readonly [why: string, path: string, text: string][] = [
    ['down', 'src/server/a.ts', "import { x } from '../protocol/mqtt/protocol.ts';\nimport y from 'zod';"],
    [
      'itself',
      'src/protocol/mqtt/a.ts',
      "import { x } from './b.ts';\nimport type { Y } from '../../contract/wire.ts';",
    ],
    ['codec in client', 'src/client/a.ts', "import { x } from '../protocol/mqtt/decode.ts';"],
    ['an entry passes on', 'src/index.ts', "export { x } from './server/x.ts';"],
    ['words in text and comments', 'src/hub/a.ts', "const s = 'Math.random() enum X { }'; // Date.now"],
    ['tests import what they need', 'src/hub/a.test.ts', "import { test } from 'vitest';\nDate.now();"],
    ['600 lines', 'src/cli/a.ts', '\n'.repeat(599)],
  ];
  test.each(good)('nothing: %s', (_why, file, text) => {
    expect(violations([{ path: file, text: HEAD + text }])).toEqual([]);
  });

  test('a first line for the shell', () => {
    expect(violations([{ path: 'src/cli/a.ts', text: `#!/usr/bin/env node\n${HEAD}` }])).toEqual([]);
  });
});

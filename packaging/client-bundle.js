// Builds the browser's client into dist/client/browser/: one module to load, and parts that it loads when they are used.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = path.resolve(import.meta.dirname, '..');

const ENTRY = path.join(root, 'src/client/browser.ts');

/** The files, unless `write`. `entry`: what to build instead. */
export async function bundle({ write, entry = ENTRY }) {
  const core = needed(entry);
  const [built] = await build({
    root,
    configFile: false,
    logLevel: 'warn',
    plugins: [smaller()],
    build: {
      write,
      emptyOutDir: true,
      outDir: path.join(root, 'dist/client/browser'),
      target: 'es2022',
      lib: { entry, formats: ['es'], fileName: 'waymeet-client' },
      rolldownOptions: {
        // Reading a property of ours does nothing else, nor does loading a file.
        treeshake: { propertyReadSideEffects: false, moduleSideEffects: false },
        output: {
          minify: { compress: true, mangle: true, codegen: true },
          // A tower's client is called by its tower.
          chunkFileNames: ({ name, facadeModuleId }) =>
            name === 'client' ? `${path.basename(path.dirname(facadeModuleId))}.js` : '[name].js',
          codeSplitting: {
            groups: [{ name: 'waymeet-core', test: (id) => core.has(id) }],
          },
        },
      },
    },
  });
  return built.output;
}

/** The files that `entry` cannot do without: the others are loaded when they are used. */
function needed(entry) {
  const found = new Set();
  const need = (file) => {
    if (found.has(file)) return;
    found.add(file);
    const imports = /^(?:import|export) (?!type\b)[^'";]*?from '(\.[^']+)';/gm;
    for (const [, target] of readFileSync(file, 'utf8').matchAll(imports))
      need(path.resolve(path.dirname(file), target));
  };
  need(entry);
  return found;
}

/** Makes the sources smaller in ways that a minifier cannot know to be safe. */
function smaller() {
  return {
    name: 'smaller',
    enforce: 'pre',
    transform(code, id) {
      if (!id.startsWith(`${root}/src/`) || !id.endsWith('.ts')) return undefined;
      const text = withoutClauses(lenient(code));
      return shorten(id.includes('/protocol/mqtt/') ? shortProperties(text) : text);
    },
  };
}

/** Which reason codes a server may send where is for who tests servers: from 0x80 on they are failures, known or not. */
function lenient(code) {
  return code.replace(/(?<!function )\bcheckReason\([^()]*\)/g, 'void 0');
}

/** MQTT's own names of properties that no caller ever sees. */
const PROPERTIES = [
  'payloadFormatIndicator',
  'messageExpiryInterval',
  'correlationData',
  'subscriptionIdentifierAvailable',
  'subscriptionIdentifier',
  'sessionExpiryInterval',
  'assignedClientIdentifier',
  'serverKeepAlive',
  'authenticationMethod',
  'authenticationData',
  'requestProblemInformation',
  'requestResponseInformation',
  'responseInformation',
  'willDelayInterval',
  'topicAliasMaximum',
  'maximumQos',
  'retainAvailable',
  'userProperty',
  'maximumPacketSize',
  'wildcardSubscriptionAvailable',
  'sharedSubscriptionAvailable',
  'serverReference',
  'reasonString',
];

function shortProperties(code) {
  return PROPERTIES.reduce(
    (text, name, i) => text.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), `p$${i}`),
    code,
  );
}

/** Which rule a server broke is for those who write one, and the reason code says it too: the sentences and their clauses stay in Node. */
function withoutClauses(code) {
  return code
    .replace(/clause: 'MQTT[^']*',?/g, '')
    .replace(/'MQTT5-[\d.,-]+',(\s*)'MQTT311-[\d.,-]+',(\s*)(?:'[^']*'|`[^`]*`)/g, "'',$1'',$2''")
    .replace(/'MQTT(?:5|311)-[\d.,-]+',(\s*)(?:'[^']*'|`[^`]*`)/g, "'',$1''")
    .replace(/'MQTT(?:5|311)-[\d.,-]+'/g, "''")
    .replace(/new ProtocolError\((\w+\.clause), `[^`]*`/g, "new ProtocolError('', ''")
    .replace(/super\(`[^`]*\[\$.clause.\]`\)/, "super('reason code ' + code)");
}

/**
 * Private members are nobody's but their class's, yet a minifier keeps their names, as it cannot know. Here they get short ones, where a file
 * names them by `this` alone.
 */
function shorten(code) {
  const declared =
    /^ {2}private (?:readonly )?(?:async )?(?:get )?(?!async\b|get\b|static\b|constructor\b)(\w+)/gm;
  let count = 0;
  // A class and the one that it extends share their members' names.
  const mark = extendsImported(code) ? '$' : '_';
  // A member without a first value; of an interface nothing is left anyhow.
  let text = code.replace(/^ {2}(?:private |protected )?(?:readonly )?\w+[!?]?: [^;=({\n]*;\n/gm, '');
  for (const name of new Set([...code.matchAll(declared)].map((m) => m[1]))) {
    const uses = [...code.matchAll(new RegExp(`([\\w)\\]]+)!?\\??\\.${name}\\b`, 'g'))];
    if (uses.some((m) => m[1] !== 'this')) continue;
    const short = `${mark}${(count++).toString(36)}`;
    text = text
      .replace(
        new RegExp(`^( {2}private (?:readonly )?(?:async )?(?:get )?)${name}\\b`, 'gm'),
        (_, before) => before + short,
      )
      .replace(new RegExp(`\\bthis\\.${name}\\b`, 'g'), () => `this.${short}`)
      .replace(new RegExp(`(const \\{[^}]*?)\\b${name}\\b([^}]*\\} = this;)`, 'g'), (whole, before, after) =>
        /:\s*$/.test(before)
          ? whole
          : `${before}${short}: ${name}${after.replace(/^:\s*\w+/, (renamed) => `${renamed}`)}`,
      );
  }
  return text;
}

function extendsImported(code) {
  return [...code.matchAll(/\bclass \w+ extends (\w+)/g)].some(([, base]) =>
    new RegExp(`^import [^;]*\\b${base}\\b`, 'm').test(code),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle({ write: true });

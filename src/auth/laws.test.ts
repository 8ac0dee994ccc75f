// Laws: whatever is claimed becomes rules or a ClaimFault; a rule that was added is read again, and removing it leaves the rest as it was.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fuzz } from '../../test/arbitrary/mqtt.ts';
import { Acl, type AclAction, type AclRule } from './acl.ts';
import { addRule, changeGroup, readRules, removeRule } from './acl-edit.ts';
import { aclOf, ClaimFault, groupsOf } from './claims.ts';
import { looksLikeToken } from './token.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'waymeet-laws-'));
});
afterAll(() => rmSync(root, { recursive: true }));

const word = fc.constantFrom('publish', 'subscribe', 'both', 'deny', 'allow', 'filter', 'user', 'x');
const filter = fc.constantFrom('a', 'a/#', '+/b', 'a/#/b', '', '%u/#', '$share/g/a', '\0', 'two words');
const claim = fc.oneof(
  fc.jsonValue(),
  fc.dictionary(word, fc.oneof(filter, fc.array(filter), fc.jsonValue())),
  fc.array(fc.dictionary(word, fc.oneof(filter, word, fc.jsonValue()))),
);

test('any claim is rules, no rules, or a fault', () => {
  fc.assert(
    fc.property(claim, (written) => {
      for (const read of [aclOf, groupsOf]) {
        try {
          const made = read(written);
          expect(made === undefined || made instanceof Acl || Array.isArray(made)).toBe(true);
        } catch (why) {
          expect(why).toBeInstanceOf(ClaimFault);
        }
      }
    }),
    fuzz(300),
  );
});

test('noise is no token', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      expect(looksLikeToken(octets)).toBe(
        /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(Buffer.from(octets).toString('latin1')),
      );
    }),
    fuzz(300),
  );
});

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,6}$/);
const who = fc.oneof(
  fc.record({ user: name, client: name, protocol: name, listener: name }, { requiredKeys: [] }),
  fc.record({ group: name, protocol: name }, { requiredKeys: ['group'] }),
  fc.constant({ anonymous: true as const }),
);
const rule = fc
  .tuple(
    who,
    fc.constantFrom<AclAction>('publish', 'subscribe', 'both'),
    fc.constantFrom('a', 'a/#', '%c/+', 'two words'),
    fc.boolean(),
  )
  .map(
    ([whom, action, where, denies]): AclRule =>
      denies ? { who: whom, deny: action, filter: where } : { who: whom, allow: action, filter: where },
  );

const bare = ({ at: _, ...rest }: AclRule) => rest;
const sorted = (rules: readonly AclRule[]) => rules.map((one) => JSON.stringify(bare(one))).sort();

test('what was added is there, beside all that was; what is removed is what was asked for, and no more', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(rule, { minLength: 1, maxLength: 8 }), fc.nat(), async (rules, pick) => {
      const file = join(root, `acl-${runs++}`);
      await changeGroup(file, 'ops', { add: ['alice', 'bob'] });
      for (const one of rules) await addRule(file, one);
      const read = await readRules(file);
      expect(sorted(read.rules)).toEqual(sorted(rules));
      expect(read.groups).toEqual({ ops: ['alice', 'bob'] });
      const text = readFileSync(file, 'utf8');
      const number = (pick % rules.length) + 1;
      const removed = await removeRule(file, number);
      expect(bare(removed)).toEqual(bare(read.rules[number - 1]!));
      expect(sorted((await readRules(file)).rules)).toEqual(sorted(read.rules.toSpliced(number - 1, 1)));
      await addRule(file, removed);
      expect(readFileSync(file, 'utf8').split('\n').sort()).toEqual(text.split('\n').sort());
    }),
    fuzz(40),
  );
});

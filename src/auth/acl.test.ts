import { describe, expect, test } from 'vitest';
import type { Action } from '../contract/auth.ts';
import { Acl, type AclModel, type AclRule } from './acl.ts';

const acl = (rules: AclRule[], groups: AclModel['groups'] = {}): Acl => new Acl({ rules, groups });
type Row = [who: string, action: Action, topicOrFilter: string, expected: boolean];

/** `who` is `principal`, or `principal@client`; `@?`: one of several clients. */
function check(list: Acl, rows: Row[]): void {
  for (const [who, action, topicOrFilter, expected] of rows) {
    const [principal = '', client = 'c1'] = who.split('@');
    const asker = { principal, client: client === '?' ? undefined : client };
    expect([who, action, topicOrFilter, list.allows(asker, action, topicOrFilter)]).toEqual([
      who,
      action,
      topicOrFilter,
      expected,
    ]);
  }
}

describe('whom a rule is about', () => {
  const list = acl(
    [
      { who: {}, filter: 'all/#', allow: 'both' },
      { who: { user: 'alice' }, filter: 'alice/#', allow: 'both' },
      { who: { group: 'ops' }, filter: 'ops/#', allow: 'both' },
      { who: { client: 'c7' }, filter: 'seven/#', allow: 'both' },
      { who: { user: 'alice', client: 'c7' }, filter: 'alice7/#', allow: 'both' },
      { who: { user: 'bob', group: 'ops' }, filter: 'bobops/#', allow: 'both' },
      { who: { anonymous: true }, filter: 'anon/#', allow: 'both' },
    ],
    { ops: ['alice', 'carol', 'carol'] },
  );
  test('everybody, a user, a group, a client, several conditions, anonymous', () => {
    check(list, [
      ['alice', 'publish', 'all/x', true],
      ['anonymous', 'publish', 'all/x', true],
      ['alice', 'publish', 'alice/x', true],
      ['bob', 'publish', 'alice/x', false],
      ['alice', 'publish', 'ops/x', true],
      ['carol', 'publish', 'ops/x', true],
      ['bob', 'publish', 'ops/x', false],
      ['bob@c7', 'publish', 'seven/x', true],
      ['bob@c8', 'publish', 'seven/x', false],
      ['alice@c7', 'publish', 'alice7/x', true],
      ['bob@c7', 'publish', 'alice7/x', false],
      ['alice@c8', 'publish', 'alice7/x', false],
      ['bob', 'publish', 'bobops/x', false],
      ['anonymous', 'publish', 'anon/x', true],
      ['alice', 'publish', 'anon/x', false],
    ]);
  });
  test('what no rule allows is denied', () => {
    check(acl([]), [
      ['alice', 'publish', 'a', false],
      ['alice', 'subscribe', 'a', false],
    ]);
  });
});

test('publish and subscribe are separate', () => {
  const list = acl([
    { who: {}, filter: 'in/#', allow: 'publish' },
    { who: {}, filter: 'out/#', allow: 'subscribe' },
  ]);
  check(list, [
    ['a', 'publish', 'in/x', true],
    ['a', 'subscribe', 'in/x', false],
    ['a', 'subscribe', 'out/x', true],
    ['a', 'publish', 'out/x', false],
  ]);
});

test('a filter is allowed when all its topics are; deny wins wherever it stands', () => {
  const allow: AclRule = { who: {}, filter: 'a/#', allow: 'both' };
  const deny: AclRule = { who: {}, filter: 'a/secret/#', deny: 'both' };
  for (const list of [acl([allow, deny]), acl([deny, allow])]) {
    check(list, [
      ['u', 'subscribe', 'a/b/#', true],
      ['u', 'subscribe', 'a/b', true],
      ['u', 'subscribe', 'a/#', false],
      ['u', 'subscribe', 'a/+', false],
      ['u', 'subscribe', 'a/+/x', false],
      ['u', 'subscribe', 'a/secret', false],
      ['u', 'publish', 'a/secret/x', false],
      ['u', 'publish', 'a/secrets', true],
      ['u', 'subscribe', '#', false],
    ]);
  }
});

test('denying one action leaves the other', () => {
  const list = acl([
    { who: {}, filter: '#', allow: 'both' },
    { who: {}, filter: 'config/#', deny: 'publish' },
  ]);
  check(list, [
    ['u', 'publish', 'config/x', false],
    ['u', 'subscribe', 'config/x', true],
    ['u', 'subscribe', '#', true],
  ]);
});

test('$SYS needs a rule that says $SYS', () => {
  const list = acl([
    { who: {}, filter: '#', allow: 'both' },
    { who: { user: 'admin' }, filter: '$SYS/#', allow: 'subscribe' },
  ]);
  check(list, [
    ['u', 'subscribe', '#', true],
    ['u', 'subscribe', '$SYS/#', false],
    ['u', 'subscribe', '$SYS/uptime', false],
    ['admin', 'subscribe', '$SYS/+', true],
    ['admin', 'publish', '$SYS/uptime', false],
  ]);
});

test('a shared subscription asks for its filter; a malformed one is denied', () => {
  const list = acl([{ who: {}, filter: 'a/#', allow: 'both' }]);
  check(list, [
    ['u', 'subscribe', '$share/g/a/b', true],
    ['u', 'subscribe', '$share/g/b', false],
    ['u', 'subscribe', '$share/a/#', false],
    ['u', 'subscribe', '$share//a/b', false],
    ['u', 'subscribe', '$share/g/', false],
    ['u', 'subscribe', '', false],
    ['u', 'publish', '$share/g/a/b', false],
  ]);
});

describe('%c and %u', () => {
  test('stand for client id and user name, also within a level, once', () => {
    const list = acl([
      { who: {}, filter: 'sensors/%c/#', allow: 'publish' },
      { who: {}, filter: 'users/%u/dev-%c', allow: 'both' },
    ]);
    check(list, [
      ['alice@c1', 'publish', 'sensors/c1/t', true],
      ['alice@c1', 'publish', 'sensors/c2/t', false],
      ['alice@c1', 'publish', 'users/alice/dev-c1', true],
      ['alice@c1', 'publish', 'users/alice/dev-c2', false],
      ['alice@c1', 'publish', 'users/bob/dev-c1', false],
      ['alice@c1', 'subscribe', 'users/alice/+', false],
      ['alice@%u', 'publish', 'sensors/alice/t', false],
      ['alice@%u', 'publish', 'sensors/%u/t', true],
    ]);
  });

  test('a name that would widen an allowing rule makes it not match', () => {
    const list = acl([
      { who: {}, filter: 'p/%c/#', allow: 'both' },
      { who: {}, filter: 'u/%u/#', allow: 'both' },
      { who: {}, filter: '%c/x', allow: 'both' },
    ]);
    for (const name of ['+', '#', 'a/b', '../x', '/', 'a+', '', 'c\0']) {
      check(list, [
        [`u@${name}`, 'subscribe', 'p/+/#', false],
        [`u@${name}`, 'subscribe', `p/${name}/#`, false],
        [`u@${name}`, 'publish', 'p/a/b/c', false],
        [`${name}@c1`, 'subscribe', `u/${name}/#`, false],
        [`${name}@c1`, 'subscribe', 'u/c1/#', false],
      ]);
    }
    check(list, [
      ['u@$SYS', 'subscribe', '$SYS/x', false],
      ['u@$SYS', 'subscribe', 'p/$SYS/#', true],
      ['anonymous', 'publish', 'u/anonymous/x', false],
    ]);
  });

  test('such a name does not slip past a denying rule', () => {
    const list = acl([
      { who: {}, filter: '#', allow: 'both' },
      { who: {}, filter: 'status/%c/#', deny: 'both' },
    ]);
    check(list, [
      ['u@c1', 'publish', 'status/c1/x', false],
      ['u@c1', 'publish', 'status/c2/x', true],
      ['u@a/b', 'publish', 'status/a/b/x', false],
      ['u@+', 'publish', 'status/c2/x', false],
    ]);
  });

  test('one of several clients is answered for the worst of them', () => {
    const list = acl([
      { who: {}, filter: 'free/#', allow: 'both' },
      { who: {}, filter: 'p/%c', allow: 'both' },
      { who: { client: 'c1' }, filter: 'one/#', allow: 'both' },
      { who: {}, filter: 'free/not/%c/x', deny: 'both' },
      { who: { client: 'c1' }, filter: 'free/c1/#', deny: 'both' },
    ]);
    check(list, [
      ['u@?', 'publish', 'free/a', true],
      ['u@?', 'publish', 'p/c1', false],
      ['u@?', 'publish', 'one/x', false],
      ['u@?', 'publish', 'free/not/any/x', false],
      ['u@?', 'publish', 'free/c1/x', false],
      ['u@c2', 'publish', 'free/c1/x', true],
    ]);
    expect(list.byClient).toBe(true);
    expect(acl([{ who: {}, filter: 'u/%u', allow: 'both' }]).byClient).toBe(false);
  });
});

test('a faulty rule is named', () => {
  const rules: [AclRule, string][] = [
    [{ who: {}, filter: 'a/#/b', allow: 'both' }, 'rule 1 (a/#/b): `#` must be the last level'],
    [{ who: { group: 'ops' }, filter: 'a', allow: 'both' }, 'group `ops` has no members'],
    [{ who: { group: 'constructor' }, filter: 'a', allow: 'both' }, 'group `constructor` has no members'],
    [{ who: { user: 'anonymous' }, filter: 'a', allow: 'both' }, 'write `anonymous` alone'],
    [{ who: { user: 'a', anonymous: true }, filter: 'a', allow: 'both' }, 'cannot name a user'],
  ];
  for (const [rule, message] of rules) expect(() => acl([rule])).toThrow(message);
});

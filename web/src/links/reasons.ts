// MQTT reason codes that a person meets, as sentences that say what to do.

const REASONS: Readonly<Record<number, string>> = {
  4: 'goodbye, with the will',
  128: 'refused for no stated reason',
  129: 'the packet is malformed',
  130: 'the protocol was broken',
  132: 'this version of MQTT is not spoken here',
  133: 'this client id is not allowed: choose another',
  134: 'the user name or password is wrong',
  135: 'not allowed by the rules of this hub',
  136: 'the hub is not available',
  137: 'the hub is busy: try again later',
  139: 'the hub is shutting down',
  141: 'nothing was heard for longer than the keep alive',
  142: 'another connection came with the same client id',
  143: 'this is no topic filter',
  144: 'this is no topic name',
  147: 'more messages in flight than the receive maximum',
  149: 'the packet is larger than the hub takes',
  150: 'too many messages in a short time',
  151: 'a limit of the hub is reached',
  152: 'an administrator ended the connection',
  153: 'the payload is not what its format says',
};

const RETURN_CODES: readonly string[] = [
  'accepted',
  'this version of MQTT is not spoken here',
  'this client id is not allowed: choose another',
  'the hub is not available',
  'the user name or password is wrong',
  'not authorized: a user name and a password are needed',
];

export function reasonText(code: number, level: 4 | 5, said: string | undefined): string {
  const known = level === 5 ? REASONS[code] : RETURN_CODES[code];
  return said ?? known ?? `refused with code 0x${code.toString(16)}`;
}

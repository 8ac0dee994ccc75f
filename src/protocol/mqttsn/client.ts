// How a client speaks MQTT-SN: with a session, and without even a connection.

import type { Speaker, SpeakerEvents, SpeakerOptions, Speech } from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { settingsOf } from './settings.ts';
import { SnSpeaker, type SnSpeechOptions, SPEAKER_ABILITY } from './speaker.ts';
import { SnTeller, TELLER_ABILITY } from './teller.ts';

/** `mqttsn://`, and over DTLS `mqttsns://`; the settings are `predefined`, `sleep` and `connect` (settings.ts). */
export function mqttsnSpeech(o: SnSpeechOptions = {}): Speech {
  return {
    name: 'mqttsn',
    carrier: 'datagram',
    ability: SPEAKER_ABILITY,
    open: (wire, options, events) => open(wire, options, events, o, true),
  };
}

/** Publishes with QoS −1: no connection, no answer; topics of two characters or predefined ones only [MQTTSN12-6.8]. */
export function mqttsnTeller(o: SnSpeechOptions = {}): Speech {
  return {
    name: 'mqttsn',
    carrier: 'datagram',
    ability: TELLER_ABILITY,
    open: (wire, options, events) => open(wire, options, events, o, false),
  };
}

function open(
  wire: Wire,
  options: SpeakerOptions,
  events: SpeakerEvents,
  o: SnSpeechOptions,
  connects: boolean,
): Speaker {
  const said = settingsOf(options.settings, o.predefined);
  return typeof said === 'string' || (connects && said.connects)
    ? new SnSpeaker(wire, options, events, o, said)
    : new SnTeller(wire, options, events, said);
}

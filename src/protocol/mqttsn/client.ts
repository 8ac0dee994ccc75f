// How a client speaks MQTT-SN: with a session, and without even a connection.

import type { Speech } from '../../contract/speaker.ts';
import { SnSpeaker, type SnSpeechOptions, SPEAKER_ABILITY } from './speaker.ts';
import { SnTeller, TELLER_ABILITY } from './teller.ts';

/** `mqttsn://`, and over DTLS `mqttsns://`. */
export function mqttsnSpeech(o: SnSpeechOptions = {}): Speech {
  return {
    name: 'mqttsn',
    carrier: 'datagram',
    ability: SPEAKER_ABILITY,
    open: (wire, options, events) => new SnSpeaker(wire, options, events, o),
  };
}

/** Publishes with QoS −1: no connection, no answer; topics of two characters or predefined ones only [MQTTSN12-6.8]. */
export function mqttsnTeller(o: SnSpeechOptions = {}): Speech {
  return {
    name: 'mqttsn',
    carrier: 'datagram',
    ability: TELLER_ABILITY,
    open: (wire, options, events) => new SnTeller(wire, options, events, o),
  };
}

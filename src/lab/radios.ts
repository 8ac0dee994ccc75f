// The radio models for the energy proxy. They rank protocols on one device; they do not foretell a battery's life.

import { NO_RADIO, type RadioModel } from './network/radio.ts';

export const RADIOS: Readonly<Record<string, RadioModel>> = {
  mains: { ...NO_RADIO, name: 'mains' },
  'esp32-wifi': {
    name: 'esp32-wifi',
    transmitMw: 446, // 135 mA at 3.3 V
    receiveMw: 208, // 63 mA
    tailMw: 208,
    sleepMw: 3, // light sleep with beacons every DTIM 3: 0.9 mA
    wakeMs: 3,
    tailMs: 100,
    source:
      'ESP32-S2-WROOM datasheet 1.1, table 7 (802.11n MCS7, RX); ESP8266EX datasheet, table 3-4 (DTIM 3: 3 ms awake). Tail of 100 ms: assumed',
  },
  'nrf9160-lte-m': {
    name: 'nrf9160-lte-m',
    transmitMw: 407, // 110 mA at 3.7 V
    receiveMw: 167, // 45 mA
    tailMw: 70,
    sleepMw: 0.01, // PSM floor 2.7 µA
    wakeMs: 200,
    tailMs: 10_000,
    source:
      'nRF9160 product specification, modem current: 23 dBm and 0 dBm at 180 kbit/s; tail: a tracking area update is 105 mJ in 1.5 s. Inactivity timer of 10 s: assumed, networks set it',
  },
  'nrf9160-nb-iot': {
    name: 'nrf9160-nb-iot',
    transmitMw: 407,
    receiveMw: 148, // 40 mA
    tailMw: 204,
    sleepMw: 0.01,
    wakeMs: 1_000,
    tailMs: 20_000,
    source:
      'nRF9160 product specification, modem current: a tracking area update is 550 mJ in 2.7 s on NB1; inactivity timer of 20 s and wake-up of 1 s: assumed, networks set them',
  },
  'etrx2-802.15.4': {
    name: 'etrx2-802.15.4',
    transmitMw: 119, // 36 mA at 3.3 V
    receiveMw: 122, // 37 mA
    tailMw: 122,
    sleepMw: 0.01,
    wakeMs: 2,
    tailMs: 10,
    source:
      'Telegesis ETRX2 manual, tables 8 and 9 (TX 4 dBm, RX). Wake-up of 2 ms and tail of 10 ms: assumed',
  },
};

// The library CoAP simple as the sketches use it: declarations, for the compiler's judgement alone. It parts paths at `/`, and decodes nothing.
#pragma once

#include "Arduino.h"

class Coap {
 public:
  explicit Coap(UDP &udp, int bufferSize = 128);
  bool start();
  uint16_t put(IPAddress ip, int port, const char *url, const char *payload);
  bool loop();
};

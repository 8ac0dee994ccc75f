// UDP on the ESP32 as the sketches use it: declarations, for the compiler's judgement alone.
#pragma once

#include "Arduino.h"

class WiFiUDP : public UDP {
 public:
  int beginPacket(IPAddress ip, uint16_t port) override;
  int beginPacket(const char *host, uint16_t port) override;
  int endPacket() override;
  size_t write(const uint8_t *buffer, size_t size) override;
};

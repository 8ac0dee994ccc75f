// The little of an ESP32's Arduino core that the sketches of "Connect a device" use: declarations, for the compiler's judgement alone.
#pragma once

#include <stddef.h>
#include <stdint.h>

void delay(uint32_t ms);
void setup();
void loop();

class IPAddress {
 public:
  IPAddress();
};

class Client {};

class UDP {
 public:
  virtual int beginPacket(IPAddress ip, uint16_t port) = 0;
  virtual int beginPacket(const char *host, uint16_t port) = 0;
  virtual int endPacket() = 0;
  virtual size_t write(const uint8_t *buffer, size_t size) = 0;
};

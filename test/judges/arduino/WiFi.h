// The ESP32's WiFi as the sketches use it: declarations, for the compiler's judgement alone.
#pragma once

#include "Arduino.h"

typedef enum { WL_IDLE_STATUS, WL_CONNECTED } wl_status_t;

class WiFiClass {
 public:
  wl_status_t begin(const char *ssid, const char *passphrase);
  wl_status_t status();
  int hostByName(const char *host, IPAddress &result);
};

extern WiFiClass WiFi;

class WiFiClient : public Client {};

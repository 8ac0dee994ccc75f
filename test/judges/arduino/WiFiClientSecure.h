// TLS on the ESP32 as the sketches use it: declarations, for the compiler's judgement alone.
#pragma once

#include "WiFi.h"

class WiFiClientSecure : public WiFiClient {
 public:
  void setCACert(const char *rootCA);
};

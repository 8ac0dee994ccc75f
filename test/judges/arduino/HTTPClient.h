// The ESP32's HTTP client as the sketches use it: declarations, for the compiler's judgement alone.
#pragma once

#include "WiFi.h"

class String {
 public:
  String(const char *text);
};

class HTTPClient {
 public:
  bool begin(String url);
  void setAuthorization(const char *user, const char *password);
  int POST(String payload);
  void end();
};

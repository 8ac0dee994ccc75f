// The MQTT library PubSubClient as the sketches use it: declarations, for the compiler's judgement alone.
#pragma once

#include "Arduino.h"

class PubSubClient {
 public:
  explicit PubSubClient(Client &client);
  PubSubClient &setServer(const char *domain, uint16_t port);
  bool connect(const char *id);
  bool connect(const char *id, const char *user, const char *password);
  bool connected();
  bool publish(const char *topic, const char *payload);
  bool loop();
};

// What has to be done so that a server is as a file wants it. Pure: centerctl and the coordinator
// carry it out, each in its way.
#pragma once

#include <string>
#include <vector>

#include "center/v1/client.pb.h"
#include "center/v1/server.pb.h"
#include "services/common/config/fleet_file.h"

namespace center {

enum class FleetStep { kStop, kUpdate, kStart };

struct FleetChange {
  std::string name;
  std::vector<FleetStep> steps;    // in this order; empty: nothing differs
  std::vector<std::string> lines;  // for people: "~ server default: workers 1 -> 2"
  bool cuts = false;               // a server that serves stops serving, if only for a moment
};

using SettingChanges = google::protobuf::RepeatedPtrField<v1::SettingChange>;

// `current`: null when there is none. `changes`: what a dry run of UpdateRequestFor(desired) says.
FleetChange PlanServer(const DesiredServer& desired, const v1::Server* current,
                       const SettingChanges& changes);
// A server that the file does not name and that is to go.
FleetChange PlanPrune(const v1::Server& server);

// "processes 1 -> 2", "interval 5s -> rate 2": what differs. `before` is as the coordinator says
// it.
std::vector<std::string> ClientChanges(const v1::ClientSpec& before, const v1::ClientSpec& after);

// A change of settings is a stop and a start. A client that runs and is to run has no other way.
FleetChange PlanClient(const DesiredClient& desired, const v1::Client* current);
FleetChange PlanPruneClient(const v1::Client& client);

}  // namespace center

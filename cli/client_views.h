// How clients and their processes look in tables.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "center/v1/client.pb.h"
#include "cli/output.h"

namespace center::cli {

Table::Cell StateCell(v1::ClientState state);
// Of a process.
Table::Cell StateCell(v1::WorkerState state);
// A server by its name, an address as it is; "-" for neither.
std::string TargetText(const v1::ClientSpec& spec);
// "every 5s", "100/s", "unlimited".
std::string PaceText(const v1::Pace& pace);
// Processes that run, of those that are wanted: "2/2".
std::string RunningCount(const v1::Client& client);

// `wide` adds columns. `now` is for ages.
Table ClientTable(const google::protobuf::RepeatedPtrField<v1::Client>& clients, bool wide,
                  absl::Time now);
Table ClientProcessTable(const google::protobuf::RepeatedPtrField<v1::ClientProcess>& processes,
                         bool wide, absl::Time now);
// What `client status` shows.
std::string ClientStatusText(const v1::Client& client, bool wide, const Style& style,
                             absl::Time now);

}  // namespace center::cli

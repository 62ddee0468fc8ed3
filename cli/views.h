// How servers and workers look in tables: shared by the nouns.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "center/v1/server.pb.h"
#include "cli/output.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace center::cli {

absl::Time ToTime(const google::protobuf::Timestamp& timestamp);
absl::Duration ToDuration(const google::protobuf::Duration& duration);
google::protobuf::Timestamp ToProto(absl::Time time);
google::protobuf::Duration ToProto(absl::Duration duration);
// "2025-06-01 12:00:00.123" in local time.
std::string LocalTime(absl::Time time);

// Two columns for names and values, rendered without a header; long values go on below.
Table Sheet();

Table::Cell StateCell(v1::ServerState state);
Table::Cell StateCell(const v1::Worker& worker);

// Ready workers of a server, as "2/2".
std::string ReadyCount(const v1::Server& server);
// `wide` adds columns. `now` is for ages.
Table WorkerTable(const google::protobuf::RepeatedPtrField<v1::Worker>& workers, bool wide,
                  absl::Time now);
Table ServerTable(const google::protobuf::RepeatedPtrField<v1::Server>& servers, bool wide,
                  absl::Time now);
// Every setting, named as its flag is.
Table SpecTable(const v1::ServerSpec& spec);

}  // namespace center::cli

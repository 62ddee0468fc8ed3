// `drill`: what supervision promises, tried out on this machine. The parts:
//   drill_fleet      the private coordinator and server
//   drill_producers  the load, drill_reader the subscriber
//   drill_faults     what is done to them
//   drill_ledger     the books
//   drill_run        a row after the other, and drill_report what they gave
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "center/v1/server.pb.h"
#include "cli/context.h"
#include "cli/drill_ledger.h"

namespace center::cli {

struct DrillOptions {
  std::vector<std::string> rows;               // names of faults, in this order
  bool chaos = false;                          // instead: rows of chaos, up to `duration` in all
  absl::Duration duration = absl::Seconds(3);  // of each row, at least
  uint32_t workers = 3;
  uint32_t connections = 8;
  uint64_t seed = 1;
  v1::Durability durability = v1::DURABILITY_WRITTEN;
  bool keep = false;          // the folder
  bool lose_segment = false;  // a control: the drill must notice
};

struct DrillRow {
  std::string name;
  DrillFigures figures;
  absl::Duration service;  // from the fault until every slot was READY
  absl::Status status;     // not OK: it could not be done, or full service did not come

  bool ok() const { return status.ok() && figures.clean(); }
};

struct DrillJournal {
  std::string worker;  // "drill/0"
  uint64_t payloads = 0;
  absl::Status status;
};

struct DrillReport {
  std::vector<DrillRow> rows;
  std::vector<DrillJournal> journals;  // after everything was stopped
  std::vector<std::string> notes;      // what went wrong first
  std::string kept_dir;                // empty: removed

  bool ok() const;
};

// Runs the rows. Not OK only when the drill itself could not be done.
absl::StatusOr<DrillReport> RunDrill(Context& context, const DrillOptions& options);

// A table with what is wrong below it, or one JSON object.
std::string DrillText(const DrillReport& report, const Style& style);
std::string DrillJson(const DrillReport& report, const DrillOptions& options);

}  // namespace center::cli

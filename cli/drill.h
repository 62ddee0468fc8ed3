// `drill`: what supervision promises, tried out. The parts:
//   drill_fleet      the coordinator and server: drill_local_fleet, of its own and on this machine,
//                    or drill_cluster_fleet, pods that are there
//   drill_producers  the load, drill_reader the subscriber
//   drill_faults     what is done to them, and drill_chaos, at random (…_cluster_…: to pods)
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
#include "services/common/framing.h"

namespace center::cli {

enum class DrillBackend { kLocal, kStatefulSet };

struct DrillOptions {
  std::vector<std::string> rows;               // names of faults, in this order; empty: all
  bool chaos = false;                          // instead: rows of chaos, up to `duration` in all
  absl::Duration duration = absl::Seconds(3);  // of each row, at least
  uint32_t connections = 8;
  uint64_t seed = 1;
  DrillBackend backend = DrillBackend::kLocal;

  // Of kLocal.
  uint32_t workers = 3;
  v1::Durability durability = v1::DURABILITY_WRITTEN;
  bool keep = false;          // the folder
  bool lose_segment = false;  // a control: the drill must notice

  // Of kStatefulSet.
  std::string server;
  std::string producers;  // "host:port"; empty: what the server tells
  Framing framing = Framing::kLine;
  bool direct = false;  // read also from the workers themselves
};

struct DrillRow {
  std::string name;
  DrillFigures figures;
  absl::Duration service;  // from the fault until every slot was READY
  absl::Status status;     // not OK: it could not be done, or full service did not come

  bool ok() const { return status.ok() && figures.clean(); }
};

struct DrillJournal {
  std::string worker;     // "drill/0"
  uint64_t payloads = 0;  // of the drill
  absl::Status status;
};

struct DrillReport {
  uint32_t workers = 0;  // when it began
  std::vector<DrillRow> rows;
  std::vector<DrillJournal> journals;  // at rest, in the end
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

// The command line of center-worker.
#pragma once

#include <string>
#include <vector>

#include "absl/types/variant.h"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/common/rpc/access_rules.h"
#include "services/common/rpc/tls_files.h"
#include "services/worker/api/compute_host.h"
#include "services/worker/ingest/ingest_server.h"
#include "services/worker/journal/journal.h"

namespace center::worker {

struct Flags {
  std::string name = "default/0";  // "<server>/<slot>"
  NetAddress listen;               // where WorkerService is served
  absl::optional<NetAddress> coordinator;
  rpc::TlsFiles tls;  // none given: TCP is in plain text
  std::vector<std::string> tls_coordinator_names = {rpc::kCoordinatorName};
  std::vector<std::string> tls_reader_names = {rpc::kReaderName};
  bool insecure = false;
  absl::optional<NetAddress> advertise;  // where others reach it; absent: as `listen`
  absl::optional<NetAddress> http;       // where probes and metrics are served; absent: nowhere
  std::string host = "127.0.0.1";        // host and port: only without an inherited socket
  uint16_t port = 5000;
  uint32_t max_subscribers = 1000;
  absl::Duration drain_timeout = absl::Seconds(10);
  absl::Duration lame_duck = absl::ZeroDuration();
  absl::Duration orphan_timeout = absl::ZeroDuration();  // 0: never
  absl::Duration heartbeat_interval = absl::Seconds(1);
  // No ingest and no journal: only tasks.
  bool no_listen = false;
  // Not zero: only serves what the journal holds, and ends when nobody has read for so long.
  absl::Duration archive_idle;
  // How long a task may go on after it was told to stop, when the worker ends.
  absl::Duration cancel_grace = absl::Seconds(1);
  ComputeHost::Options compute;
  LogOptions log;
  ingest::IngestOptions ingest;
  journal::Options journal;
};

// What ParseFlags leads to: go on with the flags, or leave with an exit code (0 after --help and
// --version, 2 after a mistake, which it has explained on stderr).
using ParsedFlags = absl::variant<Flags, int>;
ParsedFlags ParseFlags(int argc, const char* const* argv);

}  // namespace center::worker

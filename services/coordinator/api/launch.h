// How the processes of servers and clients are started: their command lines, environments,
// descriptors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "center/v1/client.pb.h"
#include "center/v1/server.pb.h"
#include "services/coordinator/api/data_dir.h"
#include "services/coordinator/supervision/process_launcher.h"

namespace center::coordinator {

// What all processes of a coordinator share.
struct LaunchContext {
  const DataDir* data_dir = nullptr;
  std::string worker_program;       // path of center-worker
  std::string client_program;       // path of center-client
  std::string coordinator_address;  // where RegistryService is
  std::string handover_address;     // where workers that we did not launch bring what they keep
  std::string log_format = "text";
  std::string log_level = "info";
};

// One worker of a server. The descriptors are the server's and stay with the caller.
struct WorkerSeat {
  std::string server;
  uint32_t slot = 0;
  std::string token;
  int listener_fd = -1;
  int scoreboard_fd = -1;
};

std::string WorkerName(absl::string_view server, uint32_t slot);

std::vector<std::string> WorkerArguments(const LaunchContext& context, const v1::ServerSpec& spec,
                                         const WorkerSeat& seat);

supervision::LaunchSpec WorkerLaunch(const LaunchContext& context, const v1::ServerSpec& spec,
                                     const WorkerSeat& seat);

// A process that serves what a slot without a worker has journalled (see archive_readers.h).
supervision::LaunchSpec ReaderLaunch(const LaunchContext& context, const WorkerSeat& seat);

// One process of a client.
struct ClientSeat {
  std::string client;
  uint32_t number = 0;
  std::string token;
  std::string address;                     // where it sends
  v1::Framing framing = v1::FRAMING_LINE;  // and how
  uint64_t count = 0;                      // payloads that it is to send; 0: no end
};

// REQUIRES: `spec` has a pace and a mix.
std::vector<std::string> ClientArguments(const LaunchContext& context, const v1::ClientSpec& spec,
                                         const ClientSeat& seat);

supervision::LaunchSpec ClientLaunch(const LaunchContext& context, const v1::ClientSpec& spec,
                                     const ClientSeat& seat);

}  // namespace center::coordinator

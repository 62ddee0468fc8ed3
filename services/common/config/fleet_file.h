// The fleet as a file describes it:
//
//     log-level = "info"            # settings of the coordinator, named as its flags
//
//     [servers.default]             # as `server start default` with these flags
//     port = 5000
//     workers = 2
//     idle-timeout = "30s"
//
//     [pools.compute]               # a server without a port (--no-listen), for jobs
//     workers = 4
//
//     [clients.load]                # as `client start load`
//     server = "default"
//     rate = 100
//
// A setting that the file does not name has its default. `state = "stopped"` keeps one stopped.
// `centerctl apply` and the coordinator's
// --config read it, `centerctl export` writes it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "center/v1/client.pb.h"
#include "center/v1/server.pb.h"
#include "services/common/config/toml.h"

namespace center {

struct DesiredServer {
  std::string name;
  TomlPlace place;
  bool running = true;
  v1::ServerSpec spec;  // what the file says, and that a pool does not listen
};

struct DesiredClient {
  std::string name;
  TomlPlace place;
  bool running = true;
  v1::ClientSpec spec;  // what the file says
};

struct FleetFile {
  std::string file;  // its name, for messages
  std::vector<DesiredServer> servers;
  std::vector<DesiredClient> clients;
  std::vector<TomlEntry> settings;  // what stands outside tables: the coordinator's

  bool WantsNothing() const { return servers.empty() && clients.empty(); }
  const DesiredServer* FindServer(absl::string_view name) const;
  const DesiredClient* FindClient(absl::string_view name) const;
};

// InvalidArgument with one line "FILE:LINE:COLUMN: what is wrong" for everything that is wrong.
absl::StatusOr<FleetFile> ParseFleetFile(absl::string_view text, absl::string_view file);

// As ParseFleetFile, of the file at `path`.
absl::StatusOr<FleetFile> ReadFleetFile(const std::string& path);

// A setting as the command line would have it: "--log-level=debug"; one for each item of an array.
// InvalidArgument for what no flag can be.
absl::StatusOr<std::vector<std::string>> FlagsOfSetting(const TomlEntry& setting);

// The request that makes a server as the file wants it: what the file does not name gets its
// default.
v1::UpdateServerRequest UpdateRequestFor(const DesiredServer& server);

// The request that starts a client as the file wants it.
v1::StartClientRequest StartRequestFor(const DesiredClient& client);

// Tables for a file, with what differs from its default: of a server, `fields` of its spec.
// `framing` is the one that a client has when it asks for none.
std::string ServerToToml(const v1::Server& server, const std::vector<std::string>& fields);
std::string ClientToToml(const v1::Client& client, v1::Framing framing);

}  // namespace center

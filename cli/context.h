// What every command gets: the global flags, where to write, and a way to the coordinator.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cli/errors.h"
#include "cli/output.h"
#include "cli/writer.h"
#include "grpcpp/grpcpp.h"
#include "services/common/clock.h"
#include "services/common/net_address.h"
#include "services/common/rpc/status.h"

namespace center::cli {

enum class ColorMode { kAuto, kAlways, kNever };

// What it takes to speak with a coordinator beyond this machine.
struct Credentials {
  std::string tls_cert, tls_key, tls_ca;  // PEM files
  bool insecure = false;

  bool UsesTls() const { return !tls_cert.empty() || !tls_key.empty() || !tls_ca.empty(); }
};

// The flags before the noun; each has a CENTER_* variable.
struct Globals {
  std::string address;       // of the coordinator, wherever it was said; empty: the default
  std::string address_flag;  // as --address has it; empty: not given
  std::string context;       // the context in use; empty: none
  Credentials credentials;
  absl::Status context_error;  // why the context that was asked for cannot be used
  Format format = Format::kDefault;
  absl::Duration timeout = absl::Seconds(10);
  bool timeout_given = false;
  bool quiet = false;
  bool yes = false;  // do not ask
  ColorMode color = ColorMode::kAuto;
};

// What a run of centerctl stands on; a test gives its own.
struct Dependencies {
  int in_fd = 0;
  int out_fd = 1;
  int err_fd = 2;
  std::function<std::shared_ptr<grpc::Channel>(const NetAddress&)> connect;
  Clock* clock = nullptr;
  std::string program_dir;  // where the other programs of Center are
};

// One run of one command. Lives on main's thread; the channel and NewCall may be used by any.
class Context {
 public:
  Context(Globals globals, Dependencies dependencies);

  const Globals& globals() const { return globals_; }
  const Dependencies& dependencies() const { return dependencies_; }
  Clock& clock() { return *dependencies_.clock; }
  // stdout: data.
  Writer& out() { return out_; }
  // Styles for stdout and stderr: colours only where --color and the terminal allow it.
  const Style& out_style() const { return out_style_; }
  const Style& err_style() const { return err_style_; }
  bool err_is_terminal() const { return err_is_terminal_; }

  // A line for people on stderr, broken between words where the terminal is narrow; Say is silenced
  // by -q, Warn is not.
  void Say(absl::string_view line);
  void Warn(absl::string_view line);
  // Raw text to stderr, for progress bars.
  void ErrText(absl::string_view text);

  // The coordinator's address: --address or the default.
  std::string address() const;
  // Made on first use; never waits. InvalidArgument (usage) for an address that is none.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel();

  // A unary call with a deadline `timeout` from now: Call<v1::ServerService>(
  // &v1::ServerService::Stub::GetServer, request, timeout).
  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                                const Request& request, absl::Duration timeout) {
    auto channel = Channel();
    if (!channel.ok()) return channel.status();
    auto stub = Service::NewStub(*channel);
    grpc::ClientContext call;
    SetDeadline(call, timeout);
    Response response;
    const grpc::Status status = (stub.get()->*method)(&call, request, &response);
    if (!status.ok()) return FromRpc(rpc::FromGrpc(status), address());
    return response;
  }
  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                                const Request& request) {
    return Call<Service>(method, request, globals_.timeout);
  }

  static void SetDeadline(grpc::ClientContext& call, absl::Duration timeout);

 private:
  const Globals globals_;
  const Dependencies dependencies_;
  Writer out_;
  // Warnings come from threads that watch signals, too.
  absl::Mutex err_mutex_;
  Writer err_ ABSL_GUARDED_BY(err_mutex_);
  const bool err_is_terminal_;
  Style out_style_;
  Style err_style_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace center::cli

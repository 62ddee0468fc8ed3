#include "tests/integration/fleet.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net_address.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/status.h"

namespace center::itest {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::string_view kSanitizerLog = "sanitizer.log";

std::unique_ptr<grpc::ClientContext> CallContext() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeout * Slowness()));
  return context;
}

// Sanitizers write their reports to files, which outlive whoever reads a worker's stderr.
std::vector<std::string> SanitizerOptions(const std::string& log_path) {
  std::vector<std::string> env;
  for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS"}) {
    const char* given = getenv(name);
    env.push_back(absl::StrCat(name, "=", given == nullptr ? "" : given, ":log_path=", log_path));
  }
  return env;
}

}  // namespace

std::string Binary(absl::string_view name) { return absl::StrCat(CENTER_BIN_DIR, "/", name); }

v1::ServerSpec SmallSpec(uint32_t workers, v1::Framing framing) {
  v1::ServerSpec spec;
  spec.set_port(0);
  spec.set_workers(workers);
  spec.set_framing(framing);
  spec.set_segment_bytes(1 << 20);
  return spec;
}

Fleet::Fleet(Options options)
    : data_dir_(options.data_dir.empty() ? dir_ / "data" : options.data_dir),
      extra_args_(std::move(options.extra_args)),
      http_(std::move(options.http)) {
  AdoptOrphans();
  Start();
}

Fleet::~Fleet() {
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    if (!absl::StartsWith(entry.path().filename().string(), kSanitizerLog)) continue;
    ADD_FAILURE() << ReadWholeFile(entry.path().string());
  }
  if (testing::Test::HasFailure()) {
    std::cerr << "---- log of the coordinator and its workers\n"
              << FileTail(dir_ / "coordinator.log", 32 << 10) << "----\n";
  }
  coordinator_.reset();
  KillDescendants();
}

std::string Fleet::address() const { return absl::StrCat("unix:", dir_ / "c.sock"); }

std::shared_ptr<grpc::Channel> Fleet::NewChannel() const {
  auto parsed = ParseNetAddress(address());
  if (!parsed.ok()) {
    ADD_FAILURE() << parsed.status();
    return nullptr;
  }
  return rpc::MakeChannel(*parsed);
}

void Fleet::Start() {
  std::vector<std::string> args = {"--data-dir", data_dir_, "--listen", address(), "--http", http_};
  args.insert(args.end(), extra_args_.begin(), extra_args_.end());
  coordinator_ =
      std::make_unique<Process>(Process::Options{.program = Binary("center-coordinator"),
                                                 .args = args,
                                                 .env = SanitizerOptions(dir_ / kSanitizerLog),
                                                 .stdout_path = dir_ / "coordinator.log"});
  channel_ = NewChannel();
  const bool up = WaitFor([this] {
    v1::GetCoordinatorResponse response;
    auto context = CallContext();
    // A call that fails at once would keep gRPC from looking at the connection it is making.
    context->set_wait_for_ready(true);
    context->set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(500)));
    return v1::ServerService::NewStub(channel_)
               ->GetCoordinator(context.get(), {}, &response)
               .ok() ||
           !coordinator_->running();
  });
  EXPECT_TRUE(up && coordinator_->running()) << "the coordinator does not answer";
}

void Fleet::Stop() {
  coordinator_->Signal(SIGTERM);
  const auto status = coordinator_->Wait(absl::Seconds(30));
  ASSERT_TRUE(status.has_value()) << "the coordinator does not end";
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << "wait status " << *status;
}

void Fleet::KillCoordinator() {
  coordinator_->Signal(SIGKILL);
  ASSERT_TRUE(coordinator_->Wait(absl::Seconds(20)).has_value());
}

absl::StatusOr<v1::Server> Fleet::StartServer(const std::string& name, v1::ServerSpec spec) {
  v1::StartServerRequest request;
  request.set_name(name);
  *request.mutable_spec() = std::move(spec);
  request.set_wait_ready(true);
  v1::StartServerResponse response;
  const grpc::Status status =
      v1::ServerService::NewStub(channel_)->StartServer(CallContext().get(), request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  return response.server();
}

absl::StatusOr<v1::Server> Fleet::StopServer(const std::string& name, bool now) {
  v1::StopServerRequest request;
  request.set_name(name);
  request.set_now(now);
  v1::StopServerResponse response;
  const grpc::Status status =
      v1::ServerService::NewStub(channel_)->StopServer(CallContext().get(), request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  return response.server();
}

absl::StatusOr<v1::Server> Fleet::GetServer(const std::string& name) {
  v1::GetServerRequest request;
  request.set_name(name);
  v1::GetServerResponse response;
  const grpc::Status status =
      v1::ServerService::NewStub(channel_)->GetServer(CallContext().get(), request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  return response.server();
}

uint16_t Fleet::MustStart(const std::string& name, v1::ServerSpec spec) {
  spec.set_port(0);
  const auto server = StartServer(name, std::move(spec));
  if (!server.ok()) {
    ADD_FAILURE() << "start " << name << ": " << server.status();
    return 0;
  }
  EXPECT_TRUE(WaitReady(name));
  return static_cast<uint16_t>(server->spec().port());
}

bool Fleet::WaitReady(const std::string& name, pid_t not_pid) {
  return WaitFor([&] {
    const auto server = GetServer(name);
    if (!server.ok() || server->workers().empty()) return false;
    for (const v1::Worker& worker : server->workers()) {
      if (worker.state() != v1::WORKER_STATE_READY || worker.pid() == not_pid) return false;
    }
    return true;
  });
}

pid_t Fleet::WorkerPid(const std::string& name, uint32_t slot) {
  const auto server = GetServer(name);
  if (!server.ok()) return 0;
  for (const v1::Worker& worker : server->workers()) {
    if (worker.slot() == slot) return static_cast<pid_t>(worker.pid());
  }
  return 0;
}

uint64_t Fleet::StoredPayloads(const std::string& name) {
  const auto server = GetServer(name);
  if (!server.ok()) return 0;
  uint64_t stored = 0;
  for (const v1::Worker& worker : server->workers()) {
    stored += worker.stats().end_offset() - worker.stats().first_offset();
  }
  return stored;
}

bool Fleet::WaitStored(const std::string& name, uint64_t count, absl::Duration timeout) {
  return WaitFor([&] { return StoredPayloads(name) == count; }, timeout);
}

absl::StatusOr<v1::Event> Fleet::WaitEvent(v1::EventType type, const std::string& subject,
                                           absl::Duration timeout) {
  auto context = CallContext();
  context->set_deadline(absl::ToChronoTime(absl::Now() + timeout * Slowness()));
  v1::WatchEventsRequest request;
  request.set_follow(true);
  auto stream = v1::EventService::NewStub(channel_)->WatchEvents(context.get(), request);
  v1::WatchEventsResponse response;
  while (stream->Read(&response)) {
    if (response.event().type() == type && response.event().subject() == subject) {
      context->TryCancel();
      return response.event();
    }
  }
  return absl::DeadlineExceededError(
      absl::StrCat("no ", v1::EventType_Name(type), " about ", subject));
}

RunResult Fleet::Ctl(std::vector<std::string> args, absl::string_view input,
                     absl::Duration timeout) {
  args.insert(args.begin(), {"--address", address(), "--color", "never"});
  return RunToEnd(Binary("centerctl"), args, input, timeout);
}

}  // namespace center::itest

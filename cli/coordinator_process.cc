#include "cli/coordinator_process.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "center/v1/server.grpc.pb.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr absl::Duration kAnswerPoll = absl::Milliseconds(10);
constexpr absl::Duration kAnswerTimeout = absl::Seconds(1);
constexpr size_t kLogTailBytes = 4096;

absl::Status DiedAtStart(const std::string& log_path, int64_t log_start) {
  const std::string tail = FileTail(log_path, log_start, kLogTailBytes);
  return absl::InternalError(
      absl::StrCat("the coordinator ended while it was starting",
                   tail.empty() ? "" : absl::StrCat("; it said:\n", absl::StripSuffix(tail, "\n")),
                   "\n  Its log is ", log_path, "."));
}

}  // namespace

absl::StatusOr<v1::Coordinator> AskCoordinator(Context& context, absl::Duration timeout) {
  auto answer = context.Call<v1::ServerService>(&v1::ServerService::Stub::GetCoordinator,
                                                v1::GetCoordinatorRequest(), timeout);
  if (!answer.ok()) return answer.status();
  return std::move(*answer->mutable_coordinator());
}

absl::StatusOr<DaemonSpec> CoordinatorSpec(const Context& context, const std::string& data_dir,
                                           std::vector<std::string> args) {
  DaemonSpec spec{absl::StrCat(context.dependencies().program_dir, "/center-coordinator"),
                  std::move(args), absl::StrCat(data_dir, "/coordinator.log")};
  if (::access(spec.program.c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("there is no program ", spec.program,
                                            ": centerctl looks for it beside itself"));
  }
  return spec;
}

absl::StatusOr<StartedCoordinator> StartCoordinator(const DaemonSpec& spec) {
  struct stat log;
  const int64_t log_start = ::stat(spec.log_path.c_str(), &log) == 0 ? log.st_size : 0;
  ASSIGN_OR_RETURN(DaemonProcess process, DaemonProcess::Start(spec));
  return StartedCoordinator{std::move(process), log_start};
}

absl::StatusOr<v1::Coordinator> WaitForCoordinator(Context& context, StartedCoordinator& started,
                                                   const DaemonSpec& spec) {
  const absl::Time deadline = context.clock().Wall() + context.globals().timeout;
  ASSIGN_OR_RETURN(const auto channel, context.Channel());
  for (;;) {
    // gRPC looks at the connection it is making only while somebody waits, and else every 5 s.
    channel->WaitForConnected(std::chrono::system_clock::now() +
                              absl::ToChronoNanoseconds(kAnswerPoll));
    auto answer = AskCoordinator(context, kAnswerTimeout);
    if (answer.ok() && answer->pid() == started.process.pid()) return answer;
    if (started.process.WaitForEnd(kAnswerPoll)) {
      return DiedAtStart(spec.log_path, started.log_start);
    }
    if (context.clock().Wall() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("the coordinator (pid ", started.process.pid(), ") does not answer at ",
                       context.address(), " yet; it is left running. Its log is ", spec.log_path));
    }
  }
}

}  // namespace center::cli

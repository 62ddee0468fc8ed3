// center-coordinator: flags, then the coordinator.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/clock.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/net_address.h"
#include "services/common/rpc/server.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"
#include "services/coordinator/api/coordinator.h"
#include "services/coordinator/supervision/unwinder.h"

namespace center::coordinator {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

struct Flags {
  std::string config;  // "": none
  std::string data_dir = DefaultDataDir();
  std::vector<std::string> listen = {"unix:" + DefaultRuntimeDir() + "/center.sock",
                                     "127.0.0.1:7070"};
  std::string http = "off";
  bool insecure = false;
  std::string log_format = "text";
  std::string log_level = "info";
  uint64_t events_max = state::kEventsMax;
  std::string stacks_timeout = "2s";
  int64_t dump_stacks = 0;  // of this process, rather than be a coordinator
  std::string job_store_bytes = FormatByteSize(JobLimits{}.store_bytes);
  size_t jobs_max = JobLimits{}.active_max;
  size_t job_history = JobLimits{}.ended_max;
};

absl::StatusOr<std::vector<NetAddress>> ListenAddresses(const Flags& flags) {
  std::vector<NetAddress> addresses;
  for (const std::string& text : flags.listen) {
    ASSIGN_OR_RETURN(NetAddress address, ParseNetAddress(text));
    if (!address.IsLocal() && !flags.insecure) {
      return absl::InvalidArgumentError(
          "--listen " + text +
          ": other machines can reach this address, and there is neither encryption nor "
          "authentication; listen on a unix socket or on loopback, or say --insecure if everybody "
          "who can reach it may control this coordinator");
    }
    addresses.push_back(std::move(address));
  }
  return addresses;
}

// Less than the time after which a kill is said again.
constexpr absl::Duration kStacksTimeoutMin = absl::Milliseconds(100);
constexpr absl::Duration kStacksTimeoutMax = absl::Seconds(4);

std::string CheckStacksTimeout(const std::string& text) {
  absl::Duration timeout;
  const bool ok = absl::ParseDuration(text, &timeout) && timeout >= kStacksTimeoutMin &&
                  timeout <= kStacksTimeoutMax;
  return ok ? "" : absl::StrCat("is no duration from 100ms to 4s, such as 2s: ", text);
}

// REQUIRES: CheckStacksTimeout takes it.
SteadyDuration ToSteady(const std::string& text) {
  absl::Duration duration;
  return absl::ParseDuration(text, &duration) ? absl::ToChronoNanoseconds(duration)
                                              : std::chrono::nanoseconds(0);
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.set_config("--config", "",
                 "Read settings from this file: lines such as log-level = \"debug\", named as the "
                 "flags, which win over it. SIGHUP reads it again");
  app.allow_config_extras(false);
  app.add_option("--data-dir", flags.data_dir, "Where state and journals are kept")
      ->capture_default_str();
  app.add_option("--listen", flags.listen,
                 "Serve gRPC here: unix:/path or host:port (port 0: any). May be repeated")
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option("--http", flags.http, "Where HTTP is served; this version serves none: off")
      ->check(CLI::IsMember({"off"}))
      ->capture_default_str();
  app.add_flag("--insecure", flags.insecure,
               "Allow addresses beyond loopback without encryption or authentication");
  app.add_option("--log-format", flags.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warn, error or critical")
      ->capture_default_str();
  app.add_option("--events-max", flags.events_max, "How many events are kept")
      ->check(CLI::Range(state::kEventsMaxLeast, state::kEventsMaxMost))
      ->capture_default_str();
  app.add_option("--stacks-timeout", flags.stacks_timeout,
                 "How long taking the stacks of a worker may take: it is killed without them then")
      ->check(CheckStacksTimeout)
      ->capture_default_str();
  app.add_option("--dump-stacks", flags.dump_stacks)->group("");  // hidden
  app.add_option("--job-store-bytes", flags.job_store_bytes,
                 "Stored jobs, with their inputs and results; jobs that would store more end")
      ->capture_default_str();
  app.add_option("--jobs-max", flags.jobs_max, "Jobs that have not ended")
      ->check(CLI::Range(size_t{1}, size_t{100'000}))
      ->capture_default_str();
  app.add_option("--job-history", flags.job_history,
                 "Jobs that have ended: the oldest are forgotten, whatever their result TTL")
      ->check(CLI::Range(size_t{1}, size_t{1'000'000}))
      ->capture_default_str();
  app.set_version_flag("--version", "center-coordinator " CENTER_VERSION);
  app.footer(
      "Signals:\n"
      "  SIGTERM, SIGINT  drain all workers, then end; a second one: at once\n"
      "  SIGUSR2          end and leave the workers serving: the next coordinator on the same\n"
      "                   --data-dir adopts them (centerctl coordinator restart)\n"
      "  SIGHUP           read --config again; log-level takes effect at once");
}

// A mistake in the command line or in the file is told by CLI11 in this one way.
void Parse(CLI::App& app, Flags& flags, int argc, char** argv) {
  AddFlags(app, flags);
  app.parse(argc, argv);
  if (app.count("--config") > 0) flags.config = app["--config"]->as<std::string>();
}

// The settings that differ, by their flags, but for those that can change while we run.
std::vector<std::string> Differences(const Flags& before, const Flags& after) {
  std::vector<std::string> names;
  const auto compare = [&names](const char* name, const auto& one, const auto& other) {
    if (one != other) names.emplace_back(name);
  };
  compare("data-dir", before.data_dir, after.data_dir);
  compare("listen", before.listen, after.listen);
  compare("http", before.http, after.http);
  compare("insecure", before.insecure, after.insecure);
  compare("log-format", before.log_format, after.log_format);
  compare("events-max", before.events_max, after.events_max);
  compare("stacks-timeout", before.stacks_timeout, after.stacks_timeout);
  compare("job-store-bytes", before.job_store_bytes, after.job_store_bytes);
  compare("jobs-max", before.jobs_max, after.jobs_max);
  compare("job-history", before.job_history, after.job_history);
  return names;
}

absl::StatusOr<Reloaded> ReadAgain(const Flags& before, int argc, char** argv) {
  CLI::App app;
  Flags after;
  try {
    Parse(app, after, argc, argv);
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(absl::StrCat(before.config, ": ", error.what()));
  }
  if (absl::Status known = CheckLogLevel(after.log_level); !known.ok()) return known;
  return Reloaded{.log_level = after.log_level, .need_restart = Differences(before, after)};
}

int Fail(const absl::Status& status, int code) {
  spdlog::error("{}", status);
  return code;
}

// The helper that takes the stacks of a worker: it may get stuck or crash, and harms nobody.
int DumpStacks(int64_t pid) {
  supervision::DumpStacks(pid, [](absl::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  });
  return 0;
}

int Run(const Flags& flags, int argc, char** argv) {
  if (flags.dump_stacks != 0) return DumpStacks(flags.dump_stacks);
  const absl::Status logging =
      InitLogging({.name = "coordinator", .format = flags.log_format, .level = flags.log_level});
  if (!logging.ok()) return Fail(logging, kExitUsage);
  auto addresses = ListenAddresses(flags);
  if (!addresses.ok()) return Fail(addresses.status(), kExitUsage);
  auto job_store_bytes = ParseByteSize(flags.job_store_bytes);
  if (!job_store_bytes.ok()) return Fail(job_store_bytes.status(), kExitUsage);
  JobLimits jobs;
  jobs.store_bytes = *job_store_bytes;
  jobs.active_max = flags.jobs_max;
  jobs.ended_max = flags.job_history;
  auto worker = SiblingProgram("center-worker");
  if (!worker.ok()) return Fail(worker.status(), kExitFailure);

  ::umask(0077);
  std::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  rpc::InitServerPlugins();
  std::function<absl::StatusOr<Reloaded>()> read_again;
  if (!flags.config.empty()) {
    read_again = [&flags, argc, argv] { return ReadAgain(flags, argc, argv); };
  }
  auto coordinator = Coordinator::Create({.data_dir = flags.data_dir,
                                          .listen = *std::move(addresses),
                                          .worker_program = *std::move(worker),
                                          .log_format = flags.log_format,
                                          .log_level = flags.log_level,
                                          .events_max = flags.events_max,
                                          .stacks_program = "/proc/self/exe",
                                          .stacks_timeout = ToSteady(flags.stacks_timeout),
                                          .jobs = jobs,
                                          .read_again = std::move(read_again)});
  if (!coordinator.ok()) return Fail(coordinator.status(), kExitFailure);
  (*coordinator)->Run();
  return 0;
}

}  // namespace
}  // namespace center::coordinator

int main(int argc, char** argv) {
  center::coordinator::Flags flags;
  CLI::App app("Starts and looks after Center's workers, and serves the gRPC API");
  try {
    center::coordinator::Parse(app, flags, argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : center::coordinator::kExitUsage;
  }
  return center::coordinator::Run(flags, argc, argv);
}

// center-coordinator: flags, then the coordinator.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/common/clock.h"
#include "services/common/config/fleet_file.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/nearest.h"
#include "services/common/net_address.h"
#include "services/common/rpc/library_settings.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/tls.h"
#include "services/common/rpc/tls_flags.h"
#include "services/common/rpc/tls_log.h"
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
  std::string backend = "local";
  std::string kube_namespace;
  std::string kubeconfig;
  std::string http;  // "": the default
  bool insecure = false;
  rpc::TlsFiles tls;
  std::vector<std::string> tls_worker_names = {rpc::kWorkerName};
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
    if (!address.IsLocal() && !flags.insecure && !flags.tls.given()) {
      return absl::InvalidArgumentError(
          "--listen " + text +
          ": other machines can reach this address, and there is neither encryption nor "
          "authentication; give --tls-cert, --tls-key and --tls-ca, listen on a unix socket or on "
          "loopback, or say --insecure if everybody who can reach it may control this coordinator");
    }
    addresses.push_back(std::move(address));
  }
  // The processes that we launch have no certificates.
  const bool needs_socket =
      flags.tls.given() && std::none_of(addresses.begin(), addresses.end(),
                                        [](const NetAddress& one) { return one.is_unix; });
  if (needs_socket) {
    addresses.push_back({.is_unix = true, .path = flags.data_dir + "/run/coordinator.sock"});
  }
  return addresses;
}

// Null when it is not asked for.
absl::StatusOr<std::shared_ptr<const rpc::Tls>> LoadTls(const Flags& flags) {
  if (!flags.tls.given()) return nullptr;
  rpc::LogTlsFailures();
  return rpc::Tls::Load(flags.tls);
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
  app.add_option("--config", flags.config,
                 "Read settings from this TOML file: lines such as log-level = \"debug\", named as "
                 "the flags, which win over it; and the servers that are wanted, in tables such as "
                 "[servers.default] (centerctl export writes them). SIGHUP reads it again");
  app.add_option("--data-dir", flags.data_dir, "Where state and journals are kept")
      ->capture_default_str();
  app.add_option("--listen", flags.listen,
                 "Serve gRPC here: unix:/path or host:port (port 0: any). May be repeated")
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option(
         "--http", flags.http,
         "Serve /livez, /readyz and /metrics here: host:port (port 0: any), or off. Without "
         "encryption, to everybody who can reach it")
      ->default_str("127.0.0.1:7071 where that is free");
  app.add_flag("--insecure", flags.insecure,
               "Allow addresses beyond loopback without encryption or authentication");
  rpc::AddTlsFlags(app, &flags.tls);
  app.add_option("--tls-worker-name", flags.tls_worker_names,
                 "Who has one of these names in its certificate is a worker: it may register, and "
                 "nothing else. May be repeated")
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option("--log-format", flags.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warn, error or critical")
      ->capture_default_str();
  app.add_option("--backend", flags.backend,
                 "Where workers run: local (processes of this machine) or statefulset (pods of a "
                 "Kubernetes cluster)")
      ->check(CLI::IsMember({"local", "statefulset"}))
      ->capture_default_str();
  app.add_option("--kube-namespace", flags.kube_namespace,
                 "The namespace of the StatefulSets; default: that of the pod or the kubeconfig");
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "How to reach the cluster from outside; default: the pod's service account");
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
      "  SIGTERM, SIGINT  end clients, drain all workers, then end; a second one: at once\n"
      "  SIGUSR2          end and leave the workers serving: the next coordinator on the same\n"
      "                   --data-dir adopts them (centerctl coordinator restart)\n"
      "  SIGHUP           read --config again; log-level takes effect at once");
}

// A mistake in the command line is told by CLI11 in this one way. `args` are without the program's
// name.
void Parse(CLI::App& app, Flags& flags, std::vector<std::string> args) {
  AddFlags(app, flags);
  std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
  app.parse(std::move(args));
}

// The settings of the file that the command line does not have, as flags. `app` has parsed it.
absl::StatusOr<std::vector<std::string>> FlagsOfFile(const CLI::App& app, const FleetFile& file) {
  std::vector<std::string> flags;
  for (const TomlEntry& setting : file.settings) {
    const std::string place = TomlPlaceText(file.file, setting.place);
    const CLI::Option* option = app.get_option_no_throw("--" + setting.key);
    if (option == nullptr || option->get_group().empty() || setting.key == "config" ||
        setting.key == "help" || setting.key == "version") {
      std::vector<std::string> names;
      for (const CLI::Option* known : app.get_options()) {
        if (!known->get_group().empty() && !known->get_lnames().empty()) {
          names.push_back(known->get_lnames().front());
        }
      }
      const std::string nearest = Nearest(setting.key, names);
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": the coordinator has no setting \"", setting.key, "\"",
                       nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
    }
    auto words = FlagsOfSetting(setting);
    if (!words.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": ", words.status().message()));
    }
    // Alone first, so that what is wrong can be said with its place.
    CLI::App probe;
    Flags ignored;
    try {
      Parse(probe, ignored, *words);
    } catch (const CLI::Error& error) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": ", error.what()));
    }
    if (option->count() == 0) flags.insert(flags.end(), words->begin(), words->end());
  }
  return flags;
}

// What the command line says and, where it is silent, the file. Nothing of `flags` and `fleet` is
// touched when the file is wrong.
absl::Status AddFile(const CLI::App& app, const std::vector<std::string>& args, Flags& flags,
                     FleetFile& fleet) {
  ASSIGN_OR_RETURN(FleetFile file, ReadFleetFile(flags.config));
  ASSIGN_OR_RETURN(std::vector<std::string> more, FlagsOfFile(app, file));
  more.insert(more.begin(), args.begin(), args.end());
  CLI::App both;
  Flags all;
  try {
    Parse(both, all, std::move(more));
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(absl::StrCat(flags.config, ": ", error.what()));
  }
  flags = std::move(all);
  fleet = std::move(file);
  return absl::OkStatus();
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
  compare("backend", before.backend, after.backend);
  compare("kube-namespace", before.kube_namespace, after.kube_namespace);
  compare("kubeconfig", before.kubeconfig, after.kubeconfig);
  compare("insecure", before.insecure, after.insecure);
  compare("tls-cert", before.tls.cert, after.tls.cert);
  compare("tls-key", before.tls.key, after.tls.key);
  compare("tls-ca", before.tls.ca, after.tls.ca);
  compare("tls-worker-name", before.tls_worker_names, after.tls_worker_names);
  compare("log-format", before.log_format, after.log_format);
  compare("events-max", before.events_max, after.events_max);
  compare("stacks-timeout", before.stacks_timeout, after.stacks_timeout);
  compare("job-store-bytes", before.job_store_bytes, after.job_store_bytes);
  compare("jobs-max", before.jobs_max, after.jobs_max);
  compare("job-history", before.job_history, after.job_history);
  return names;
}

// Of the cluster whose pods the workers are; nothing with --backend local.
absl::StatusOr<absl::optional<kube::ClusterOptions>> ClusterOf(const Flags& flags) {
  if (flags.backend == "statefulset") {
    return kube::ClusterOptions{flags.kubeconfig, flags.kube_namespace};
  }
  if (flags.kubeconfig.empty() && flags.kube_namespace.empty()) return absl::nullopt;
  return absl::InvalidArgumentError(
      "--kubeconfig and --kube-namespace go with --backend statefulset");
}

// REQUIRES: `args` were parsed before.
absl::StatusOr<Reloaded> ReadAgain(const Flags& before, const std::vector<std::string>& args) {
  CLI::App app;
  Flags after;
  try {
    Parse(app, after, args);
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(error.what());
  }
  FleetFile fleet;
  RETURN_IF_ERROR(AddFile(app, args, after, fleet));
  RETURN_IF_ERROR(CheckLogLevel(after.log_level));
  return Reloaded{.log_level = after.log_level,
                  .need_restart = Differences(before, after),
                  .fleet = std::move(fleet)};
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

int Run(const Flags& flags, FleetFile fleet, const std::vector<std::string>& args) {
  if (flags.dump_stacks != 0) return DumpStacks(flags.dump_stacks);
  const absl::Status logging =
      InitLogging({.name = "coordinator", .format = flags.log_format, .level = flags.log_level});
  if (!logging.ok()) return Fail(logging, kExitUsage);
  auto addresses = ListenAddresses(flags);
  if (!addresses.ok()) return Fail(addresses.status(), kExitUsage);
  auto http = ParseHttpOptions(flags.http);
  if (!http.ok()) return Fail(http.status(), kExitUsage);
  auto tls = LoadTls(flags);
  if (!tls.ok()) return Fail(tls.status(), kExitUsage);
  auto job_store_bytes = ParseByteSize(flags.job_store_bytes);
  if (!job_store_bytes.ok()) return Fail(job_store_bytes.status(), kExitUsage);
  JobLimits jobs;
  jobs.store_bytes = *job_store_bytes;
  jobs.active_max = flags.jobs_max;
  jobs.ended_max = flags.job_history;
  auto worker = SiblingProgram("center-worker");
  if (!worker.ok()) return Fail(worker.status(), kExitFailure);
  // Where it is missing, clients cannot be started; servers can.
  const std::string client =
      std::filesystem::path(*worker).replace_filename("center-client").string();

  ::umask(0077);
  std::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  rpc::InitServerPlugins();
  std::function<absl::StatusOr<Reloaded>()> read_again;
  if (!flags.config.empty()) {
    read_again = [&flags, &args] { return ReadAgain(flags, args); };
  }
  auto cluster = ClusterOf(flags);
  if (!cluster.ok()) return Fail(cluster.status(), kExitUsage);
  auto coordinator = Coordinator::Create({.data_dir = flags.data_dir,
                                          .cluster = *std::move(cluster),
                                          .listen = *std::move(addresses),
                                          .http = *std::move(http),
                                          .tls = *std::move(tls),
                                          .rules = rpc::CoordinatorRules(flags.tls_worker_names),
                                          .worker_program = *std::move(worker),
                                          .client_program = client,
                                          .log_format = flags.log_format,
                                          .log_level = flags.log_level,
                                          .events_max = flags.events_max,
                                          .stacks_program = "/proc/self/exe",
                                          .stacks_timeout = ToSteady(flags.stacks_timeout),
                                          .jobs = jobs,
                                          .fleet = std::move(fleet),
                                          .read_again = std::move(read_again)});
  if (!coordinator.ok()) return Fail(coordinator.status(), kExitFailure);
  (*coordinator)->Run();
  return 0;
}

}  // namespace
}  // namespace center::coordinator

int main(int argc, char** argv) {
  using namespace center::coordinator;  // NOLINT(google-build-using-namespace): this is its main
  center::rpc::ApplyLibrarySettings();
  const std::vector<std::string> args(argv + 1, argv + argc);
  Flags flags;
  center::FleetFile fleet;
  CLI::App app("Starts and looks after Center's workers, and serves the gRPC API",
               "center-coordinator");
  try {
    Parse(app, flags, args);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : kExitUsage;
  }
  if (!flags.config.empty()) {
    // As CLI11 does: nobody has said yet how to log.
    if (absl::Status added = AddFile(app, args, flags, fleet); !added.ok()) {
      std::cerr << "center-coordinator: " << added.message() << "\n";
      return kExitUsage;
    }
  }
  return Run(flags, std::move(fleet), args);
}

#include "services/worker/api/flags.h"

#include <exception>
#include <functional>
#include <iostream>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/rpc/tls_flags.h"
#include "services/common/scoreboard.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::worker {
namespace {

constexpr int kExitUsage = 2;
// The least priority that a thread can have.
constexpr int kNiceMax = 19;

// An option whose text `parse` turns into *value; its default is shown as `default_text`.
template <typename T>
CLI::Option* AddParsed(CLI::App& app, const std::string& name, T* value,
                       std::function<absl::StatusOr<T>(const std::string&)> parse,
                       const std::string& help, const std::string& default_text) {
  auto* option = app.add_option_function<std::string>(
      name,
      [value, name, parse = std::move(parse)](const std::string& text) {
        auto parsed = parse(text);
        // The one way to tell CLI11 about a mistake.
        if (!parsed.ok()) throw CLI::ValidationError(name, std::string(parsed.status().message()));
        *value = *std::move(parsed);
      },
      help);
  if (!default_text.empty()) option->default_str(default_text);
  return option;
}

void AddDuration(CLI::App& app, const std::string& name, absl::Duration* value,
                 const std::string& help) {
  AddParsed<absl::Duration>(
      app, name, value, [](const std::string& text) { return ParseDurationFlag(text); }, help,
      FormatShortDuration(*value));
}

// CLI11 itself takes -1 for the largest number.
void AddBytes(CLI::App& app, const std::string& name, uint64_t* value, const std::string& help) {
  AddParsed<uint64_t>(
      app, name, value, [](const std::string& text) { return ParseByteSize(text); }, help,
      FormatByteSize(*value));
}

void AddIngestFlags(CLI::App& app, Flags* flags) {
  ingest::IngestOptions& ingest = flags->ingest;
  AddParsed<Framing>(
      app, "--framing", &ingest.framing, [](const std::string& text) { return ParseFraming(text); },
      "How a stream is cut into payloads: line, length, octet or chunk", "line");
  AddBytes(app, "--max-payload-bytes", &ingest.max_payload_bytes,
           "A longer payload closes its connection");
  app.add_option("--banner", ingest.banner, "Sent to each producer when it connects");
  app.add_option("--max-connections", ingest.max_connections, "Open connections at most")
      ->capture_default_str();
  app.add_option("--max-connections-per-peer", ingest.max_connections_per_peer,
                 "Open connections per peer address at most; 0: as --max-connections")
      ->capture_default_str();
  AddDuration(app, "--frame-timeout", &ingest.frame_timeout,
              "A partial payload older than this closes its connection; 0s: never");
  AddDuration(app, "--idle-timeout", &ingest.idle_timeout,
              "A connection that sends nothing for this long is closed; 0s: never");
  AddBytes(app, "--max-buffer-bytes", &ingest.max_buffer_bytes,
           "Memory for partial payloads of all connections");
}

void AddJournalFlags(CLI::App& app, Flags* flags) {
  journal::Options& journal = flags->journal;
  app.add_option(
      "--data-dir", journal.dir,
      "The folder of this worker's journal; made when missing. Needed without --no-listen");
  AddParsed<journal::Durability>(
      app, "--durability", &journal.durability,
      [](const std::string& text) -> absl::StatusOr<journal::Durability> {
        if (text == "written") return journal::Durability::kWritten;
        if (text == "synced") return journal::Durability::kSynced;
        return absl::InvalidArgumentError(absl::StrCat("'", text, "': use written or synced"));
      },
      "When payloads are visible and acknowledged: written (survives a crash of the process) or "
      "synced (survives a power loss)",
      "written");
  AddParsed<journal::Overflow>(
      app, "--overflow", &journal.overflow,
      [](const std::string& text) -> absl::StatusOr<journal::Overflow> {
        if (text == "block") return journal::Overflow::kBlock;
        if (text == "drop-oldest") return journal::Overflow::kDropOldest;
        return absl::InvalidArgumentError(absl::StrCat("'", text, "': use block or drop-oldest"));
      },
      "When the journal is full of payloads that a subscription has not committed: block (stop "
      "reading from producers) or drop-oldest",
      "block");
  AddBytes(app, "--retain-bytes", &journal.retain_bytes, "Journal bytes to keep; 0: no limit");
  AddDuration(app, "--retain-age", &journal.retain_age,
              "Payloads older than this may be deleted; 0s: no limit");
  AddBytes(app, "--segment-bytes", &journal.segment_bytes, "Size of a journal segment");
  AddDuration(app, "--sync-interval", &journal.sync_interval,
              "How often a 'written' journal is synced in the background");
}

void AddProcessFlags(CLI::App& app, Flags* flags) {
  const auto parse_address = [](const std::string& text) { return ParseNetAddress(text); };
  AddParsed<std::string>(
      app, "--name", &flags->name,
      [](const std::string& text) { return absl::StatusOr<std::string>(text); },
      "This worker: SERVER/SLOT, slot from 0", flags->name);
  AddParsed<NetAddress>(
      app, "--listen", &flags->listen, parse_address,
      "Where to serve gRPC (WorkerService): unix:/path or host:port (port 0: any)", "")
      ->required();
  AddParsed<absl::optional<NetAddress>>(
      app, "--coordinator", &flags->coordinator,
      [](const std::string& text) -> absl::StatusOr<absl::optional<NetAddress>> {
        ASSIGN_OR_RETURN(NetAddress address, ParseNetAddress(text));
        return absl::optional<NetAddress>(std::move(address));
      },
      "Where to register: unix:/path or host:port. Without it the worker stands alone", "");
  AddParsed<absl::optional<NetAddress>>(
      app, "--advertise", &flags->advertise,
      [](const std::string& text) -> absl::StatusOr<absl::optional<NetAddress>> {
        ASSIGN_OR_RETURN(NetAddress address, ParseNetAddress(text));
        return absl::optional<NetAddress>(std::move(address));
      },
      "Where the coordinator and readers reach --listen: host:port, when not under its own name "
      "(port 0: as --listen has)",
      "");
  AddParsed<absl::optional<NetAddress>>(
      app, "--http", &flags->http,
      [](const std::string& text) -> absl::StatusOr<absl::optional<NetAddress>> {
        if (text == "off") return absl::optional<NetAddress>();
        ASSIGN_OR_RETURN(NetAddress address, ParseNetAddress(text));
        if (address.is_unix) return absl::InvalidArgumentError("use host:port, or off");
        return absl::optional<NetAddress>(std::move(address));
      },
      "Serve /livez, /readyz and /metrics here: host:port (port 0: any), or off. Without "
      "encryption, to everybody who can reach it",
      "off");
  app.add_option("--host", flags->host, "Where to accept producers when no socket is inherited")
      ->capture_default_str();
  app.add_option("--port", flags->port,
                 "The TCP port when no socket is inherited; 0: any, the log says which")
      ->capture_default_str();
  app.add_option("--max-subscribers", flags->max_subscribers,
                 "Simultaneous payload streams at most")
      ->capture_default_str();
  AddDuration(app, "--drain-timeout", &flags->drain_timeout,
              "How long open connections may go on when the worker is asked to end");
  AddDuration(app, "--lame-duck", &flags->lame_duck,
              "On SIGTERM the worker is not ready at once, and accepts for so long still: until "
              "those who send producers here know");
  AddDuration(app, "--orphan-timeout", &flags->orphan_timeout,
              "Without a coordinator for this long the worker drains and ends; 0s: never");
  AddDuration(app, "--heartbeat-interval", &flags->heartbeat_interval,
              "How often the coordinator is told at least that this worker lives");
  app.add_option("--log-format", flags->log.format, "text or json")->capture_default_str();
  app.add_option("--log-level", flags->log.level, "trace, debug, info, warning, error or off")
      ->capture_default_str();
}

void AddTlsFlags(CLI::App& app, Flags* flags) {
  rpc::AddTlsFlags(app, &flags->tls);
  app.add_option("--tls-coordinator-name", flags->tls_coordinator_names,
                 "Who has one of these names in its certificate is the coordinator: it may do "
                 "everything. May be repeated")
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option("--tls-reader-name", flags->tls_reader_names,
                 "Who has one of these names may read payloads. May be repeated")
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_flag("--insecure", flags->insecure,
               "Allow addresses beyond loopback without encryption or authentication");
}

void AddComputeFlags(CLI::App& app, Flags* flags) {
  compute::Engine::Options& engine = flags->compute.engine;
  app.add_option("--compute-threads", engine.threads, "Threads that run tasks of jobs")
      ->check(CLI::Range(1u, FlightRecorder::kThreadsMax))
      ->capture_default_str();
  app.add_option("--compute-nice", engine.nice,
                 "Niceness of those threads: how much they give way to ingestion")
      ->check(CLI::Range(0, kNiceMax))
      ->capture_default_str();
  app.add_option("--task-module", flags->compute.modules,
                 "A shared library with tasks (see center/task.h); may be repeated")
      ->allow_extra_args(false);
  AddDuration(app, "--cancel-grace", &flags->cancel_grace,
              "How long a task may go on after it was told to stop, when the worker ends");
  AddDuration(app, "--archive-idle", &flags->archive_idle,
              "Takes no producers, deletes nothing, serves what the journal holds, and ends when "
              "nobody has read for so long; 0s: an ordinary worker");
  app.add_flag("--no-listen", flags->no_listen,
               "Takes no producers and keeps no journal: only runs tasks");
}

// "<server>/<slot>" -> slot.
absl::StatusOr<uint32_t> ParseSlot(const std::string& name) {
  const size_t slash = name.find('/');
  uint32_t slot = 0;
  if (slash == std::string::npos || !absl::SimpleAtoi(name.substr(slash + 1), &slot) ||
      slot >= Scoreboard::kSlotsMax || absl::StrCat(slot) != name.substr(slash + 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--name ", name, " is not SERVER/SLOT with a slot from 0 to ", Scoreboard::kSlotsMax - 1));
  }
  RETURN_IF_ERROR(ValidateName("--name: the server", name.substr(0, slash)));
  return slot;
}

// What concerns several flags.
absl::Status Complete(Flags* flags) {
  ASSIGN_OR_RETURN(flags->ingest.slot, ParseSlot(flags->name));
  flags->ingest.worker_name = flags->name;
  flags->log.name = flags->name;
  if (!flags->listen.IsLocal() && !flags->tls.given() && !flags->insecure) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen ", flags->listen.ToString(),
                     " can be reached from other machines: give --tls-cert, --tls-key and "
                     "--tls-ca, use a unix socket or a loopback address, or say --insecure if "
                     "everybody who can reach it may read what is received"));
  }
  if (!flags->no_listen && flags->journal.dir.empty()) {
    return absl::InvalidArgumentError("--data-dir is required (or --no-listen)");
  }
  if (flags->no_listen && flags->archive_idle > absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--archive-idle and --no-listen exclude each other");
  }
  if (flags->advertise.has_value() && flags->advertise->is_unix) {
    return absl::InvalidArgumentError("--advertise is host:port");
  }
  if (flags->compute.modules.size() > compute::kModulesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("--task-module: ", compute::kModulesMax, " at most"));
  }
  if (flags->journal.retain_bytes > 0 &&
      flags->journal.retain_bytes / 2 < flags->journal.segment_bytes) {
    return absl::InvalidArgumentError("--retain-bytes must be at least twice --segment-bytes");
  }
  return absl::OkStatus();
}

}  // namespace

ParsedFlags ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  CLI::App app(
      "center-worker: receives payloads over TCP, keeps them in a journal, and streams them over "
      "gRPC; runs tasks of jobs.\n"
      "Usually started by center-coordinator.");
  app.get_formatter()->column_width(36);
  app.set_version_flag("--version", "center-worker " CENTER_VERSION);
  AddProcessFlags(app, &flags);
  AddTlsFlags(app, &flags);
  AddIngestFlags(app, &flags);
  AddJournalFlags(app, &flags);
  AddComputeFlags(app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (const absl::Status status = Complete(&flags); !status.ok()) {
    std::cerr << status.message() << "\nRun with --help for more information.\n";
    return kExitUsage;
  }
  return flags;
}

}  // namespace center::worker

#include "cli/server_flags.h"

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/flags.h"
#include "cli/views.h"

namespace center::cli {
namespace {

using SpecPtr = std::shared_ptr<v1::ServerSpec>;

// Values that the user wrote, until the spec takes them over.
struct Words {
  std::string framing, durability, overflow, restart;
  uint64_t bytes = 0;
  absl::Duration duration;
};

void AddEnums(CLI::App& app, const SpecPtr& spec, const std::shared_ptr<Words>& words) {
  AddChoice(app, "--framing", &words->framing, {"line", "length", "octet", "chunk"},
            "How a stream is cut into payloads: line feeds, 4-byte big-endian lengths, RFC 6587 "
            "octet counting, or one payload per read (default line)");
  AddChoice(app, "--durability", &words->durability, {"written", "synced"},
            "When a payload counts as received: written survives any crash of a process, synced "
            "survives power loss (default written)");
  AddChoice(app, "--overflow", &words->overflow, {"block", "drop-oldest"},
            "When a journal is full of payloads that a subscription has not read: stop reading "
            "producers, or delete the oldest (default block)");
  AddChoice(app, "--restart", &words->restart, {"always", "on-failure", "never"},
            "Whether a worker that has ended by itself is started again: on-failure, unless it "
            "exited with code 0 (default always)");
  app.parse_complete_callback([spec, words] {
    // The words were checked against the choices, so each is known.
    const auto upper = [](const char* prefix, std::string word) {
      for (char& c : word) c = c == '-' ? '_' : absl::ascii_toupper(static_cast<unsigned char>(c));
      return absl::StrCat(prefix, word);
    };
    v1::Framing framing;
    if (v1::Framing_Parse(upper("FRAMING_", words->framing), &framing)) spec->set_framing(framing);
    v1::Durability durability;
    if (v1::Durability_Parse(upper("DURABILITY_", words->durability), &durability)) {
      spec->set_durability(durability);
    }
    v1::Overflow overflow;
    if (v1::Overflow_Parse(upper("OVERFLOW_", words->overflow), &overflow)) {
      spec->set_overflow(overflow);
    }
    v1::RestartPolicy restart;
    if (v1::RestartPolicy_Parse(upper("RESTART_POLICY_", words->restart), &restart)) {
      spec->set_restart(restart);
    }
  });
}

// The first of two steps (check, then callback) parses into `words`; the callback moves it on.
void AddSize(CLI::App& app, const SpecPtr& spec, const std::shared_ptr<Words>& words,
             const char* flag, void (v1::ServerSpec::*set)(uint64_t), const char* description) {
  AddByteSize(app, flag, &words->bytes, description)->each([spec, words, set](const std::string&) {
    (spec.get()->*set)(words->bytes);
  });
}

void AddTime(CLI::App& app, const SpecPtr& spec, const std::shared_ptr<Words>& words,
             const char* flag, google::protobuf::Duration* (v1::ServerSpec::*mutable_field)(),
             const char* description) {
  AddDuration(app, flag, &words->duration, description)
      ->each([spec, words, mutable_field](const std::string&) {
        *(spec.get()->*mutable_field)() = ToProto(words->duration);
      });
}

// How workers run as processes, and what they run.
void AddProcessFlags(CLI::App& app, const SpecPtr& spec, const std::shared_ptr<Words>& words) {
  using Spec = v1::ServerSpec;
  AddTime(app, spec, words, "--start-timeout", &Spec::mutable_start_timeout,
          "Kill a worker that is not ready so long after its launch (default 10s)");
  AddTime(app, spec, words, "--liveness-timeout", &Spec::mutable_liveness_timeout,
          "Kill a worker that gives no sign of life for so long (default 5s)");
  AddTime(app, spec, words, "--orphan-timeout", &Spec::mutable_orphan_timeout,
          "Workers end when they have had no coordinator for so long (default 0s: never)");
  app.add_flag_callback(
      "--no-listen", [spec] { spec->set_no_listen(true); },
      "Take no connections and keep no journal: a pure pool for jobs");
  app.add_option_function<uint32_t>(
         "--compute-threads", [spec](const uint32_t& n) { spec->set_compute_threads(n); },
         "Threads of each worker that run tasks, 1 to 16 (default 1)")
      ->type_name("N")
      ->check(WholeNumber(1, 16));
  app.add_option_function<std::vector<std::string>>(
         "--task-module",
         [spec](const std::vector<std::string>& paths) {
           spec->mutable_task_modules()->clear_paths();
           for (const std::string& path : paths) spec->mutable_task_modules()->add_paths(path);
         },
         "A shared library with tasks, as an absolute path. May be repeated")
      ->type_name("PATH")
      ->allow_extra_args(false)
      ->check([](const std::string& path) {
        return !path.empty() && path.front() == '/' ? std::string()
                                                    : absl::StrCat(path, " is no absolute path");
      });
  AddTime(app, spec, words, "--cancel-grace", &Spec::mutable_cancel_grace,
          "How long a task may go on after it was told to stop (default 1s)");
}

}  // namespace

void AddSpecFlags(CLI::App& app, const SpecPtr& spec) {
  auto words = std::make_shared<Words>();
  using Spec = v1::ServerSpec;
  app.add_option_function<std::string>(
         "--host", [spec](const std::string& host) { spec->set_host(host); },
         "Where to listen (default 127.0.0.1)")
      ->type_name("HOST");
  app.add_option_function<uint32_t>(
         "-p,--port", [spec](const uint32_t& port) { spec->set_port(port); },
         "TCP port; 0: the kernel chooses (default 5000)")
      ->type_name("PORT")
      ->check(WholeNumber(0, 65535));
  app.add_option_function<uint32_t>(
         "-n,--workers", [spec](const uint32_t& workers) { spec->set_workers(workers); },
         "Worker processes, 1 to 256 (default 1)")
      ->type_name("N")
      ->check(WholeNumber(1, 256));
  AddEnums(app, spec, words);
  AddSize(app, spec, words, "--max-payload-bytes", &Spec::set_max_payload_bytes,
          "The largest payload (default 1MiB, at most 64MiB)");
  app.add_option_function<std::string>(
         "--banner", [spec](const std::string& banner) { spec->set_banner(banner); },
         "Sent to each producer when it connects (default: nothing)")
      ->type_name("TEXT");
  app.add_option_function<uint32_t>(
         "--max-connections", [spec](const uint32_t& n) { spec->set_max_connections(n); },
         "Open connections per worker (default 10000)")
      ->type_name("N")
      ->check(WholeNumber(0, std::numeric_limits<uint32_t>::max()));
  app.add_option_function<uint32_t>(
         "--max-connections-per-peer",
         [spec](const uint32_t& n) { spec->set_max_connections_per_peer(n); },
         "Open connections per peer address and worker (default: as --max-connections)")
      ->type_name("N")
      ->check(WholeNumber(0, std::numeric_limits<uint32_t>::max()));
  AddTime(app, spec, words, "--frame-timeout", &Spec::mutable_frame_timeout,
          "Close a connection whose partial payload is older (default 30s)");
  AddTime(app, spec, words, "--idle-timeout", &Spec::mutable_idle_timeout,
          "Close a connection that sends nothing for so long (default 0s: never)");
  AddSize(app, spec, words, "--max-buffer-bytes", &Spec::set_max_buffer_bytes,
          "Memory for partial payloads per worker (default 64MiB)");
  AddSize(app, spec, words, "--retain-bytes", &Spec::set_retain_bytes,
          "Journal kept per worker (default 1GiB)");
  AddTime(app, spec, words, "--retain-age", &Spec::mutable_retain_age,
          "Payloads older than this may be deleted (default 0s: no limit)");
  AddSize(app, spec, words, "--segment-bytes", &Spec::set_segment_bytes,
          "Size of a journal file (default 64MiB)");
  AddTime(app, spec, words, "--sync-interval", &Spec::mutable_sync_interval,
          "How often a written journal is synced in the background (default 1s)");
  AddTime(app, spec, words, "--drain-timeout", &Spec::mutable_drain_timeout,
          "How long open connections may go on at a stop (default 10s)");
  AddProcessFlags(app, spec, words);
}

std::string FieldOfFlag(absl::string_view flag) {
  if (flag == "task-module") return "task_modules";
  return absl::StrReplaceAll(flag, {{"-", "_"}});
}

std::string FlagOfField(absl::string_view field) {
  if (field == "task_modules") return "task-module";
  return absl::StrReplaceAll(field, {{"_", "-"}});
}

}  // namespace center::cli

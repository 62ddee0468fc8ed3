// `bench ingest|latency|compute`: how fast this installation is, measured through its real paths.
#include "cli/bench.h"

#include <algorithm>
#include <memory>
#include <thread>

#include "cli/bench_compute.h"
#include "cli/commands.h"
#include "cli/flags.h"

namespace center::cli {
namespace {

constexpr uint32_t kConnectionsMax = 20'000;
constexpr uint32_t kSubscribersMax = 256;
constexpr uint64_t kPayloadBytesMax = 64 << 20;
constexpr uint64_t kRecordBytesLimit = 4 << 20;

void AddDirect(CLI::App& command, bool* direct) {
  command.add_flag("--direct", *direct,
                   "Subscribers read from the workers themselves, not through the coordinator");
}

void AddIngest(CLI::App* noun, Selection& selection) {
  CLI::App* ingest = noun->add_subcommand(
      "ingest", "Send as fast as the server takes it, and count at every station");
  auto options = std::make_shared<BenchIngestOptions>();
  options->threads = std::max(1u, std::min(4u, std::thread::hardware_concurrency()));
  ingest->add_option("--server", options->server, "The server (default: \"default\")")
      ->type_name("NAME");
  ingest
      ->add_option("--to", options->to,
                   "Send here instead of the server's own address; without --server nothing but "
                   "the sending is measured")
      ->type_name("HOST:PORT");
  ingest->add_option("--connections", options->connections, "Producer connections (default 4)")
      ->type_name("N")
      ->check(WholeNumber(1, kConnectionsMax));
  ingest
      ->add_option("--threads", options->threads, "Sender threads (default: one a core, at most 4)")
      ->type_name("N")
      ->check(WholeNumber(1, 64));
  AddByteSize(*ingest, "--payload-bytes", &options->payload_bytes,
              "Bytes of each payload, without its delimiter (default 100)");
  AddDuration(*ingest, "--duration", &options->duration, "How long to send (default 5s)");
  ingest->add_option("--count", options->count, "Send so many payloads instead")
      ->type_name("N")
      ->check(WholeNumber());
  ingest
      ->add_option("--subscribers", options->subscribers,
                   "Readers that receive and count everything meanwhile (default 0)")
      ->type_name("N")
      ->check(WholeNumber(0, kSubscribersMax));
  AddDirect(*ingest, &options->direct);
  ingest->footer(
      "The payloads are stored in the server's journal like any others. Exit code 1 when the "
      "counts\n"
      "sent, journalled and received differ. What retention deletes before a subscriber reads it\n"
      "(a Gap in its stream) counts as accounted for, and is told.\n"
      "\n"
      "Examples:\n"
      "  centerctl bench ingest --duration 10s --subscribers 1\n"
      "  centerctl bench ingest --subscribers 1 --direct");
  OnSelected(ingest, selection, [options](Context& context) -> absl::Status {
    if (options->payload_bytes == 0 || options->payload_bytes > kPayloadBytesMax) {
      return UsageError("--payload-bytes must be 1 to 64MiB");
    }
    return BenchIngest(context, *options);
  });
}

void AddLatency(CLI::App* noun, Selection& selection) {
  CLI::App* latency =
      noun->add_subcommand("latency", "Time from a producer's send to a subscriber's receipt");
  auto options = std::make_shared<BenchLatencyOptions>();
  latency->add_option("--server", options->server, "The server (default: \"default\")")
      ->type_name("NAME");
  latency->add_option("--rate", options->rate, "Payloads a second (default 10000)")
      ->type_name("N")
      ->check(WholeNumber(1, 1'000'000));
  AddByteSize(*latency, "--payload-bytes", &options->payload_bytes,
              "Bytes of each payload, at least 16 (default 100)");
  AddDuration(*latency, "--duration", &options->duration, "How long to send (default 5s)");
  AddDirect(*latency, &options->direct);
  latency->footer("Examples:\n  centerctl bench latency --rate 1000 -o json");
  OnSelected(latency, selection, [options](Context& context) -> absl::Status {
    if (options->payload_bytes < 16 || options->payload_bytes > kPayloadBytesMax) {
      return UsageError("--payload-bytes must be 16 to 64MiB");
    }
    if (options->duration > absl::Hours(1)) return UsageError("--duration is at most 1h");
    return BenchLatency(context, *options);
  });
}

void AddCompute(CLI::App* noun, Selection& selection) {
  CLI::App* compute =
      noun->add_subcommand("compute", "What jobs cost beyond the work itself: times and rates");
  auto options = std::make_shared<BenchComputeOptions>();
  const auto add_count = [&](const char* name, uint64_t* count, uint64_t least, uint64_t most,
                             const char* description) {
    compute->add_option(name, *count, description)->type_name("N")->check(WholeNumber(least, most));
  };
  compute
      ->add_option("--server", options->server,
                   "Use the workers of this server, not a private pool")
      ->type_name("NAME");
  compute->add_option("--workers", options->workers, "Workers of the private pool (default 1)")
      ->type_name("N")
      ->check(WholeNumber(1, 256));
  add_count("--round-trips", &options->round_trips, 0, 10'000'000,
            "Jobs of one input, one after the other; 0 leaves them out (default 2000)");
  add_count("--range", &options->range, 0, 10'000'000'000,
            "Inputs of a job that has nothing to do; 0 leaves it out (default 10000000)");
  add_count("--records", &options->records, 0, 10'000'000,
            "Inputs of a job that returns each as it is; 0 leaves it out (default 200000)");
  AddByteSize(*compute, "--record-bytes", &options->record_bytes,
              "Bytes of each of those, at least 1 (default 100)");
  add_count("--jobs", &options->jobs, 0, 100'000,
            "Small jobs, all submitted at once; 0 leaves them out (default 1000)");
  add_count("--job-inputs", &options->job_inputs, 1, 1'000'000, "Inputs of each (default 10)");
  compute->footer(
      "Every result is counted. The private pool is a coordinator and workers of its own, started\n"
      "before and ended after the measurement.\n"
      "\n"
      "Examples:\n"
      "  centerctl bench compute\n"
      "  centerctl bench compute --workers 2 --round-trips 0 --jobs 0 -o json");
  OnSelected(compute, selection, [options](Context& context) -> absl::Status {
    if (options->record_bytes < 1 || options->record_bytes > kRecordBytesLimit) {
      return UsageError("--record-bytes must be 1 to 4MiB");
    }
    return BenchCompute(context, *options);
  });
}

}  // namespace

void AddBenchCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun = root.add_subcommand("bench", "Measure throughput and latency");
  noun->require_subcommand(0, 1);
  AddIngest(noun, selection);
  AddLatency(noun, selection);
  AddCompute(noun, selection);
}

}  // namespace center::cli

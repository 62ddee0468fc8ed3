// `experiment`: measures the four ways in turn, several rounds, and checks every result.
#include "cli/experiment.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/pool.h"
#include "cli/records.h"
#include "services/common/countdown.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

double SecondsSince(SteadyTime start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The sum of what the workers answer: each input's result is counted.
absl::StatusOr<int64_t> CountInProcesses(Pool& pool, const Countdowns& work) {
  v1::JobSpec spec;
  spec.set_task("countdown");
  spec.add_args(absl::StrCat(work.from));
  spec.mutable_range()->set_count(work.tasks);
  const std::string expected = absl::StrCat(-work.from);
  uint64_t right = 0;
  const auto job = pool.Run(std::move(spec), nullptr, [&](const v1::ResultBatch& batch) {
    if (!RecordsAreSound(batch.results())) return absl::DataLossError("a malformed batch");
    ForEachRecord(batch.results(),
                  [&](uint64_t, absl::string_view result) { right += result == expected ? 1 : 0; });
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(job.status());
  return -static_cast<int64_t>(right) * work.from;
}

// One mode once; its time.
absl::StatusOr<double> MeasureMode(Mode mode, Pool& pool, const Countdowns& work,
                                   uint32_t threads) {
  double seconds = 0;
  int64_t sum = 0;
  const SteadyTime start = std::chrono::steady_clock::now();
  switch (mode) {
    case Mode::kSequential:
      sum = CountSequentially(work);
      break;
    case Mode::kMultiProcess: {
      ASSIGN_OR_RETURN(sum, CountInProcesses(pool, work));
      break;
    }
    case Mode::kAsync:
      sum = CountAsync(work);
      break;
    case Mode::kMultiThread:
      sum = CountInThreads(work, threads, &seconds);
      break;
  }
  if (mode != Mode::kMultiThread) seconds = SecondsSince(start);
  if (work.stopped->load()) return QuietExit(kExitInterrupted);
  const int64_t expected = -static_cast<int64_t>(work.tasks) * work.from;
  if (sum == expected) return seconds;
  return absl::DataLossError(absl::StrCat("wrong result: ", ModeName(mode), " counted to ", sum,
                                          " in all, not to ", expected));
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  return file ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("write ", path));
}

absl::StatusOr<std::unique_ptr<Pool>> OpenPool(Context& context, const ExperimentOptions& options) {
  if (!options.server.empty()) return Pool::UseServer(context, options.server);
  context.Say(absl::StrCat("starting a private pool of ", options.processes,
                           options.processes == 1 ? " worker process" : " worker processes",
                           " ..."));
  return Pool::StartPrivate(context, options.processes);
}

absl::StatusOr<Measurement> Measure(Pool& pool, const ExperimentOptions& options,
                                    const std::atomic<bool>& stopped) {
  const Countdowns work{options.tasks, kExperimentCountdown * static_cast<int64_t>(options.scale),
                        &stopped};
  Measurement measurement;
  measurement.tasks = options.tasks;
  measurement.from = work.from;
  measurement.cores = std::max(1U, std::thread::hardware_concurrency());
  measurement.processes = pool.workers();
  measurement.threads = options.threads;
  measurement.seconds.resize(std::size(kModes));
  for (uint32_t round = 0; round < options.rounds; ++round) {
    for (const Mode mode : kModes) {
      ASSIGN_OR_RETURN(const double seconds, MeasureMode(mode, pool, work, options.threads));
      measurement.seconds[static_cast<size_t>(mode)].push_back(seconds);
    }
  }
  return measurement;
}

absl::Status RunExperiment(Context& context, const ExperimentOptions& options) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kJson}));
  PoolInterrupt interrupt;  // before the first channel
  ASSIGN_OR_RETURN(const std::unique_ptr<Pool> pool, OpenPool(context, options));
  const PoolInterrupt::Scope scope(interrupt, *pool);
  const auto measurement = Measure(*pool, options, interrupt.stopped());
  RETURN_IF_ERROR(measurement.status());
  context.out().Append(context.globals().format == Format::kJson
                           ? ExperimentJson(*measurement)
                           : ExperimentText(*measurement, context.out_style()));
  RETURN_IF_ERROR(context.out().Flush());
  if (options.svg_path.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(WriteFile(options.svg_path, ExperimentSvg(*measurement)));
  context.Say(absl::StrCat("\nthe picture is in ", options.svg_path));
  return absl::OkStatus();
}

}  // namespace

void AddExperimentCommand(CLI::App& root, Selection& selection) {
  CLI::App* experiment = root.add_subcommand(
      "experiment", "Countdowns one by one, in processes, async and in threads: which is faster?");
  auto options = std::make_shared<ExperimentOptions>();
  experiment->add_option("--tasks", options->tasks, "Countdowns (default 20000)")
      ->type_name("N")
      ->check(WholeNumber(1, 100'000'000));
  experiment->add_option("--processes", options->processes, "Worker processes (default 10)")
      ->type_name("N")
      ->check(WholeNumber(1, 256));
  experiment->add_option("--threads", options->threads, "Threads (default 10)")
      ->type_name("N")
      ->check(WholeNumber(1, 1000));
  experiment
      ->add_option("--rounds", options->rounds,
                   "How often each is measured; the best counts (default 5)")
      ->type_name("N")
      ->check(WholeNumber(1, 1000));
  experiment
      ->add_option("--scale", options->scale,
                   "How many times as long a countdown is; one is about 5 us (default 1)")
      ->type_name("N")
      ->check(WholeNumber(1, 100'000));
  experiment
      ->add_option("--server", options->server,
                   "Use the workers of this server, not a private pool")
      ->type_name("NAME");
  experiment->add_option("--svg", options->svg_path, "Draw a picture, too")->type_name("FILE");
  experiment->footer(
      "The processes are a coordinator and workers of its own, which are started before and ended\n"
      "after the measurement; threads, too, are started before it. Every result is checked.\n"
      "\n"
      "Examples:\n"
      "  centerctl experiment\n"
      "  centerctl experiment --processes 2 --threads 2 --scale 10 --svg experiment.svg");
  OnSelected(experiment, selection,
             [options](Context& context) { return RunExperiment(context, *options); });
}

}  // namespace center::cli

// The ancestor's experiment: the same countdowns one after the other, in processes, as coroutines
// and in threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/output.h"

namespace center::cli {

struct ExperimentOptions {
  uint64_t tasks = 20'000;
  uint32_t processes = 10;
  uint32_t threads = 10;
  uint32_t rounds = 5;
  uint64_t scale = 1;  // how many times as long a task is
  std::string server;  // empty: a private pool
  std::string svg_path;
};

enum class Mode { kSequential, kMultiProcess, kAsync, kMultiThread };
inline constexpr Mode kModes[] = {Mode::kSequential, Mode::kMultiProcess, Mode::kAsync,
                                  Mode::kMultiThread};
// "multi-process"
absl::string_view ModeName(Mode mode);

// What a mode has to do.
struct Countdowns {
  uint64_t tasks = 0;
  int64_t from = 0;                            // each counts from here down to minus that
  const std::atomic<bool>* stopped = nullptr;  // set: end now, with a wrong result
};

// Each returns the sum of the tasks' results: -tasks * from when everything was done.
int64_t CountSequentially(const Countdowns& work);
int64_t CountAsync(const Countdowns& work);
// `*seconds` begins when the threads have been started and wait for work, as the processes do.
int64_t CountInThreads(const Countdowns& work, uint32_t threads, double* seconds);

// Times of the rounds, for each mode in the order of kModes.
struct Measurement {
  uint64_t tasks = 0;
  int64_t from = 0;
  uint32_t cores = 0;
  uint32_t processes = 0;
  uint32_t threads = 0;
  std::vector<std::vector<double>> seconds;

  double Best(Mode mode) const;
  double Median(Mode mode) const;
  // How many times as fast as one after the other, and how much of the cores' power that is.
  double SpeedUp(Mode mode) const;
  double Efficiency(Mode mode) const { return SpeedUp(mode) / cores; }
};

// A table with bars, then what the reader sees and why.
std::string ExperimentText(const Measurement& measurement, const Style& style);
std::string ExperimentJson(const Measurement& measurement);
std::string ExperimentSvg(const Measurement& measurement);
// Two sentences, from the figures: who was how fast, and why.
std::string ExperimentSentences(const Measurement& measurement);

}  // namespace center::cli

// What the experiment has shown, as text and JSON.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/experiment.h"
#include "cli/text_width.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr size_t kBarColumns = 40;
// From here on a difference is one: a machine's own noise is smaller.
constexpr double kNoise = 0.10;

std::string Times(double factor) { return absl::StrFormat("%.2f times", factor); }

std::string Percent(double share) { return absl::StrFormat("%.0f %%", share * 100); }

std::string Bar(double share) {
  // Eighths of a column: U+2588 (full) to U+258F.
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths =
      static_cast<size_t>(std::lround(std::clamp(share, 0.0, 1.0) * kBarColumns * 8));
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kEighths[eighths % 8];
}

// "10 worker processes did …": how far several processors were used.
std::string ParallelSentence(const Measurement& m) {
  const double processes = m.SpeedUp(Mode::kMultiProcess);
  const double threads = m.SpeedUp(Mode::kMultiThread);
  std::string text = absl::StrCat(
      m.processes, m.processes == 1 ? " worker process was " : " worker processes were ",
      Times(processes), " as fast as one task after the other and ", m.threads,
      m.threads == 1 ? " thread " : " threads ", Times(threads), ", which is ",
      Percent(m.Efficiency(Mode::kMultiProcess)), " and ",
      Percent(m.Efficiency(Mode::kMultiThread)), " of what ", m.cores,
      m.cores == 1 ? " core" : " cores", " can do: ");
  if (m.cores == 1 || (m.processes == 1 && m.threads == 1)) {
    return text + "where only one task can run at a time, nobody gains by sharing the work.";
  }
  const double best = std::max(processes, threads);
  if (best < 1 + kNoise) {
    return text + "nothing was gained, so the cores were busy with something else.";
  }
  if (best / m.cores > 1 + kNoise || threads < processes * (1 - kNoise)) {
    return text +
           "no cores give that, so other programs took them from some of the measurements: repeat "
           "it when the machine is idle.";
  }
  if (processes < threads * (1 - kNoise)) {
    return text + absl::StrCat(
                      "counting needs nothing but a processor, and both use several, but "
                      "to hand tasks to other processes and take results back cost ",
                      Percent(1 - processes / threads), " here.");
  }
  return text +
         (best / m.cores > 1 - 2 * kNoise
              ? "counting needs nothing but a processor, and several tasks at a time use all of "
                "them."
              : "counting needs nothing but a processor, but they did not get all of them.");
}

std::string AsyncSentence(const Measurement& m) {
  const double slower = m.Best(Mode::kAsync) / m.Best(Mode::kSequential);
  std::string text = "Coroutines on one thread took ";
  if (std::abs(slower - 1) < kNoise) {
    absl::StrAppend(&text, "as long as one after the other (", Times(slower), ")");
  } else {
    absl::StrAppend(&text, Times(slower), " as long as one after the other");
  }
  absl::StrAppend(&text, ": they take turns on one core, which helps who waits, not who counts");
  if (m.SpeedUp(Mode::kMultiThread) > 1 + kNoise) {
    absl::StrAppend(&text,
                    "; these threads did better than a Python program's, which a lock lets run one "
                    "at a time");
  }
  return text + ".";
}

}  // namespace

absl::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kSequential:
      return "sequential";
    case Mode::kMultiProcess:
      return "multi-process";
    case Mode::kAsync:
      return "async";
    case Mode::kMultiThread:
      return "multi-thread";
  }
  return "";
}

double Measurement::Best(Mode mode) const {
  const auto& times = seconds[static_cast<size_t>(mode)];
  return std::max(1e-9, *std::min_element(times.begin(), times.end()));
}

double Measurement::Median(Mode mode) const {
  std::vector<double> times = seconds[static_cast<size_t>(mode)];
  std::sort(times.begin(), times.end());
  const size_t half = times.size() / 2;
  return times.size() % 2 == 1 ? times[half] : (times[half - 1] + times[half]) / 2;
}

double Measurement::SpeedUp(Mode mode) const { return Best(Mode::kSequential) / Best(mode); }

std::string ExperimentSentences(const Measurement& measurement) {
  return absl::StrCat(ParallelSentence(measurement), " ", AsyncSentence(measurement));
}

std::string ExperimentText(const Measurement& m, const Style& style) {
  double longest = 0;
  for (const Mode mode : kModes) longest = std::max(longest, m.Best(mode));
  using Align = Table::Align;
  Table table({{"MODE"},
               {"BEST", Align::kRight},
               {"MEDIAN", Align::kRight, 2},
               {"SPEED-UP", Align::kRight},
               {"EFFICIENCY", Align::kRight, 1},
               {"", Align::kLeft, 3}});
  for (const Mode mode : kModes) {
    const bool helps = m.SpeedUp(mode) > 1 + kNoise;
    table.AddRow({std::string(ModeName(mode)),
                  FormatShortDuration(absl::Seconds(m.Best(mode))),
                  FormatShortDuration(absl::Seconds(m.Median(mode))),
                  absl::StrFormat("%.2f x", m.SpeedUp(mode)),
                  Percent(m.Efficiency(mode)),
                  {Bar(m.Best(mode) / longest), helps ? Color::kGreen : Color::kNone}});
  }
  const size_t rounds = m.seconds.front().size();
  std::string sentences = ExperimentSentences(m);
  if (style.columns() > 0) sentences = absl::StrJoin(WrapWords(sentences, style.columns()), "\n");
  return absl::StrCat(FormatCount(m.tasks), m.tasks == 1 ? " countdown from " : " countdowns from ",
                      FormatCount(static_cast<uint64_t>(m.from)), " to -",
                      FormatCount(static_cast<uint64_t>(m.from)), " on ", m.cores,
                      m.cores == 1 ? " core" : " cores", ", ", rounds,
                      rounds == 1 ? " round" : " rounds", "\n\n", table.Render(style), "\n",
                      sentences, "\n");
}

std::string ExperimentJson(const Measurement& m) {
  std::string results;
  for (const Mode mode : kModes) {
    absl::StrAppendFormat(
        &results,
        "%s{\"mode\": \"%s\", \"seconds\": %.6f, \"speedup\": %.3f, \"efficiency\": %.3f}",
        results.empty() ? "" : ", ", ModeName(mode), m.Best(mode), m.SpeedUp(mode),
        m.Efficiency(mode));
  }
  return absl::StrCat("{\"tasks\": ", m.tasks, ", \"cores\": ", m.cores, ", \"results\": [",
                      results, "]}\n");
}

}  // namespace center::cli

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/bench.h"
#include "cli/bench_compute.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

double Micros(const std::vector<uint64_t>& sorted_ns, double share) {
  return static_cast<double>(Percentile(sorted_ns, share)) / 1e3;
}

double PerSecondOf(uint64_t count, double seconds) {
  return static_cast<double>(count) / std::max(seconds, 1e-9);
}

double NanosEach(uint64_t count, double seconds) {
  return seconds * 1e9 / static_cast<double>(std::max<uint64_t>(count, 1));
}

}  // namespace

std::string ComputeText(const BenchComputeOptions& options, const ComputeReport& report) {
  std::string text = absl::StrCat(report.workers, report.workers == 1 ? " worker\n" : " workers\n");
  if (options.round_trips > 0) {
    absl::StrAppendFormat(&text,
                          "round trip of a job of one input    p50 %.0f us  p99 %.0f us  max %.0f "
                          "us  (%s jobs)\n",
                          Micros(report.round_trip_ns, 0.5), Micros(report.round_trip_ns, 0.99),
                          Micros(report.round_trip_ns, 1), FormatCount(options.round_trips));
  }
  if (options.range > 0) {
    absl::StrAppendFormat(&text,
                          "numbers of a range, nothing to do   %.1f ns each  (%s in %.3f s)\n",
                          NanosEach(options.range, report.range_seconds),
                          FormatCount(options.range), report.range_seconds);
  }
  if (options.records > 0) {
    absl::StrAppendFormat(&text, "records of %s from a file and back  %s/s  (%s in %.3f s)\n",
                          FormatBytes(options.record_bytes),
                          FormatSi(PerSecondOf(options.records, report.records_seconds)),
                          FormatCount(options.records), report.records_seconds);
  }
  if (options.jobs > 0) {
    absl::StrAppendFormat(
        &text,
        "%s jobs of %d inputs at once   %s jobs/s, the first ended after %s, the last after %s\n",
        FormatCount(options.jobs), options.job_inputs,
        FormatSi(PerSecondOf(options.jobs, report.jobs_seconds)),
        FormatShortDuration(absl::Microseconds(Micros(report.job_ns, 0))),
        FormatShortDuration(absl::Microseconds(Micros(report.job_ns, 1))));
  }
  return text;
}

std::string ComputeJson(const BenchComputeOptions& options, const ComputeReport& report) {
  std::string text = absl::StrCat("{\"workers\": ", report.workers);
  if (options.round_trips > 0) {
    absl::StrAppendFormat(
        &text,
        ", \"roundTrip\": {\"jobs\": \"%d\", \"p50Us\": %.1f, \"p99Us\": %.1f, \"maxUs\": %.1f}",
        options.round_trips, Micros(report.round_trip_ns, 0.5), Micros(report.round_trip_ns, 0.99),
        Micros(report.round_trip_ns, 1));
  }
  if (options.range > 0) {
    absl::StrAppendFormat(
        &text, ", \"range\": {\"inputs\": \"%d\", \"seconds\": %.6f, \"nanosPerInput\": %.2f}",
        options.range, report.range_seconds, NanosEach(options.range, report.range_seconds));
  }
  if (options.records > 0) {
    absl::StrAppendFormat(&text,
                          ", \"records\": {\"inputs\": \"%d\", \"bytes\": \"%d\", \"seconds\": "
                          "%.6f, \"inputsPerSecond\": %.1f}",
                          options.records, options.record_bytes, report.records_seconds,
                          PerSecondOf(options.records, report.records_seconds));
  }
  if (options.jobs > 0) {
    absl::StrAppendFormat(
        &text,
        ", \"manyJobs\": {\"jobs\": \"%d\", \"inputsEach\": \"%d\", \"seconds\": %.6f, "
        "\"jobsPerSecond\": %.1f, \"p50Us\": %.1f, \"maxUs\": %.1f}",
        options.jobs, options.job_inputs, report.jobs_seconds,
        PerSecondOf(options.jobs, report.jobs_seconds), Micros(report.job_ns, 0.5),
        Micros(report.job_ns, 1));
  }
  return text + "}\n";
}

}  // namespace center::cli

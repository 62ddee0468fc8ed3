#include "cli/bench_compute.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/commands.h"
#include "cli/pool.h"
#include "cli/records.h"
#include "cli/signals.h"
#include "cli/small_jobs.h"
#include "services/common/fd.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// Runs jobs and looks at how many results of how many bytes came.
class Measured {
 public:
  explicit Measured(Pool& pool) : pool_(pool) {}

  // Nanoseconds from the submission to the end; DataLoss when other results come than are expected.
  absl::StatusOr<uint64_t> Run(v1::JobSpec spec, RecordReader* inputs, uint64_t results,
                               uint64_t bytes) {
    uint64_t came = 0;
    uint64_t came_bytes = 0;
    const auto start = std::chrono::steady_clock::now();
    const auto job = pool_.Run(std::move(spec), inputs, [&](const v1::ResultBatch& batch) {
      came += RecordCount(batch.results());
      came_bytes += batch.results().data().size();
      return absl::OkStatus();
    });
    const auto nanos = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
    RETURN_IF_ERROR(job.status());
    if (came == results && came_bytes == bytes) return static_cast<uint64_t>(nanos);
    return absl::DataLossError(absl::StrCat("job ", job->id(), " has ", came, " results of ",
                                            came_bytes, " bytes, not ", results, " of ", bytes));
  }

 private:
  Pool& pool_;
};

v1::JobSpec EchoOf(uint64_t count) {
  v1::JobSpec spec;
  spec.set_task("echo");
  spec.mutable_range()->set_count(count);
  return spec;
}

// Digits of the numbers from 0 to count - 1, together.
uint64_t DigitsBelow(uint64_t count) {
  uint64_t digits = count > 0 ? 1 : 0;  // of the 0
  uint64_t width = 1;
  for (uint64_t low = 1; low < count; low *= 10, ++width) {
    digits += (std::min(low * 10, count) - low) * width;
  }
  return digits;
}

// A file in memory: `count` lines of `bytes`.
absl::StatusOr<ScopedFd> LinesFile(uint64_t count, uint64_t bytes) {
  ScopedFd fd(::memfd_create("records", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "memfd_create");
  Writer writer(fd.get());
  for (uint64_t i = 0; i < count; ++i) {
    std::string line = absl::StrFormat("%0*d", bytes, i);
    line.resize(bytes);
    writer.Append(line);
    writer.Append("\n");
  }
  RETURN_IF_ERROR(writer.Flush());
  if (::lseek(fd.get(), 0, SEEK_SET) != 0) return ErrnoStatus(errno, "lseek");
  return fd;
}

absl::StatusOr<double> MeasureRecords(Measured& measured, const BenchComputeOptions& options) {
  ASSIGN_OR_RETURN(const ScopedFd file, LinesFile(options.records, options.record_bytes));
  RecordReader reader(file.get(), '\n', "records");
  v1::JobSpec spec;
  spec.set_task("echo");
  spec.mutable_records();
  ASSIGN_OR_RETURN(const uint64_t nanos, measured.Run(std::move(spec), &reader, options.records,
                                                      options.records * options.record_bytes));
  return static_cast<double>(nanos) / 1e9;
}

absl::StatusOr<ComputeReport> Measure(Pool& pool, const BenchComputeOptions& options) {
  ComputeReport report;
  report.workers = pool.workers();
  Measured measured(pool);
  for (uint64_t i = 0; i < options.round_trips; ++i) {
    ASSIGN_OR_RETURN(const uint64_t nanos, measured.Run(EchoOf(1), nullptr, 1, 1));
    report.round_trip_ns.push_back(nanos);
  }
  std::sort(report.round_trip_ns.begin(), report.round_trip_ns.end());
  if (options.range > 0) {
    ASSIGN_OR_RETURN(const uint64_t nanos, measured.Run(EchoOf(options.range), nullptr,
                                                        options.range, DigitsBelow(options.range)));
    report.range_seconds = static_cast<double>(nanos) / 1e9;
  }
  if (options.records > 0) {
    ASSIGN_OR_RETURN(report.records_seconds, MeasureRecords(measured, options));
  }
  if (options.jobs > 0) {
    const SmallJobsOptions small{pool.server(), options.jobs, options.job_inputs};
    ASSIGN_OR_RETURN(report.job_ns, RunSmallJobs(pool.context(), small));
    std::sort(report.job_ns.begin(), report.job_ns.end());
    report.jobs_seconds = static_cast<double>(report.job_ns.back()) / 1e9;
  }
  return report;
}

}  // namespace

absl::Status BenchCompute(Context& context, const BenchComputeOptions& options) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kTable, Format::kJson}));
  PoolInterrupt interrupt;  // before the first channel
  std::unique_ptr<Pool> pool;
  if (options.server.empty()) {
    context.Say("starting a private pool ...");
    ASSIGN_OR_RETURN(pool, Pool::StartPrivate(context, options.workers));
  } else {
    ASSIGN_OR_RETURN(pool, Pool::UseServer(context, options.server));
  }
  const PoolInterrupt::Scope scope(interrupt, *pool);
  ASSIGN_OR_RETURN(const ComputeReport report, Measure(*pool, options));
  context.out().Append(context.globals().format == Format::kJson ? ComputeJson(options, report)
                                                                 : ComputeText(options, report));
  return context.out().Flush();
}

}  // namespace center::cli

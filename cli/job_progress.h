// How far a job is, while a person waits for it.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/v1/job.pb.h"
#include "cli/context.h"

namespace center::cli {

// "52%  5,200 of 10,000 inputs  1.20 k/s  ETA 4s  3 failed" after `elapsed`; at most `width`
// columns with a bar before it; without `width` no bar.
std::string JobProgressLine(const v1::Job& job, absl::Duration elapsed,
                            absl::optional<size_t> width);

// On a terminal a bar on stderr, drawn over itself at most every 100 ms; elsewhere a line when
// something has changed, after 1 s, and ever more rarely. Nothing with -q. One thread.
class JobProgress {
 public:
  explicit JobProgress(Context& context);
  JobProgress(const JobProgress&) = delete;
  JobProgress& operator=(const JobProgress&) = delete;
  ~JobProgress() { Hide(); }

  void Update(const v1::Job& job);
  // Removes the bar, so that something else can be printed; the next update draws it again.
  void Hide();

 private:
  Context& context_;
  const bool bar_;
  const SteadyTime start_;
  absl::optional<SteadyTime> last_;
  std::string last_line_;
  bool drawn_ = false;
};

}  // namespace center::cli

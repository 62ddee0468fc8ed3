// `drill chaos`: what the rows do one after the other, at random, and some of it at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/drill_faults.h"

namespace center::cli {

// One row of it. Main's thread, and one on which the server changes meanwhile.
class Chaos {
 public:
  explicit Chaos(DrillStage& stage) : stage_(stage) {}
  virtual ~Chaos() { JoinChange(); }
  Chaos(const Chaos&) = delete;
  Chaos& operator=(const Chaos&) = delete;

  // For as long as the stage's duration; then everything must be in place again.
  absl::Status Play();

 protected:
  virtual absl::Status Step() = 0;
  // Waits for as many workers as are wanted, all READY, and nothing besides.
  virtual absl::Status CheckInPlace() = 0;
  // Everything that was ended must have been told.
  virtual absl::Status CheckEvents() = 0;

  // Scales to so many workers, or, with 0, replaces all, beside what else happens; one at a time.
  void BeginChange(uint32_t workers);
  void JoinChange();

  DrillStage& stage() { return stage_; }
  absl::Duration UpTo(absl::Duration most) {
    return most * std::uniform_real_distribution<double>(0, 1)(stage_.random);
  }
  uint32_t Below(uint32_t end) {
    return std::uniform_int_distribution<uint32_t>(0, end - 1)(stage_.random);
  }
  // Beside what the line to the coordinator says: a local fleet's into the drill's log.
  void Log(absl::string_view text);

 private:
  DrillStage& stage_;
  std::unique_ptr<Context> change_context_;
  std::thread change_;
};

}  // namespace center::cli

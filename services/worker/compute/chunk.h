// A chunk of a job as the engine runs it, and what became of it: the messages of worker.proto as
// plain structs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/worker/compute/inputs.h"
#include "services/worker/compute/result_packer.h"

namespace center::compute {

// What is kept of an error message, and of an input that failed.
inline constexpr size_t kMessageBytesMax = 4096;
inline constexpr size_t kInputShownBytesMax = 256;
// The largest result of one input.
inline constexpr size_t kResultBytesMax = size_t{16} << 20;
// A chunk whose results and failures exceed this ends early: what is left is cancelled, and the
// coordinator hands it out again. So a message of results never comes near rpc::kMaxMessageBytes.
inline constexpr size_t kChunkResultBytesMax = size_t{32} << 20;

struct Chunk {
  uint64_t id = 0;
  std::string job;
  std::string task;
  std::vector<std::string> args;
  uint64_t first_index = 0;
  Inputs inputs;
  absl::Duration input_timeout = absl::InfiniteDuration();
};

struct Failure {
  enum class Cause { kTaskError, kException, kTimeout, kResultTooLarge };
  uint64_t index = 0;  // in the job
  Cause cause = Cause::kTaskError;
  std::string message;
  std::string input;  // its beginning
};

struct ChunkResult {
  uint64_t chunk_id = 0;
  PackedRecords results;          // one for each input that was finished; empty for a failure
  std::vector<Failure> failures;  // by index
  bool cancelled = false;         // results end before the first input that was not finished
  absl::Duration task_time;
  absl::Duration wait_time;

  // Roughly what it holds.
  size_t bytes() const;
};

}  // namespace center::compute

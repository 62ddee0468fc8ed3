#include "services/worker/api/compute_messages.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/status_macros.h"
#include "services/common/utf8.h"
#include "services/worker/api/worker_messages.h"

namespace center::worker {
namespace {

v1::InputFailure::Cause CauseOf(compute::Failure::Cause cause) {
  switch (cause) {
    case compute::Failure::Cause::kTaskError:
      return v1::InputFailure::CAUSE_TASK_ERROR;
    case compute::Failure::Cause::kException:
      return v1::InputFailure::CAUSE_EXCEPTION;
    case compute::Failure::Cause::kTimeout:
      return v1::InputFailure::CAUSE_TIMEOUT;
    case compute::Failure::Cause::kResultTooLarge:
      return v1::InputFailure::CAUSE_RESULT_TOO_LARGE;
  }
  return v1::InputFailure::CAUSE_UNSPECIFIED;
}

absl::StatusOr<compute::Inputs> InputsFromProto(v1::Inputs* inputs) {
  switch (inputs->inputs_case()) {
    case v1::Inputs::kRange:
      return compute::Inputs::Range(inputs->range().first(), inputs->range().count());
    case v1::Inputs::kRecords: {
      // The message stays whole, and is what the inputs point into.
      auto owner = std::make_shared<v1::Records>(std::move(*inputs->mutable_records()));
      const compute::Inputs::Packed packed{
          .sizes = absl::MakeConstSpan(owner->sizes().data(),
                                       static_cast<size_t>(owner->sizes().size())),
          .data = owner->data(),
          .uniform_size = owner->uniform_size(),
          .count = owner->count()};
      return compute::Inputs::Records(packed, std::move(owner));
    }
    case v1::Inputs::INPUTS_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("inputs: none");
}

absl::StatusOr<absl::Duration> TimeoutFromProto(const google::protobuf::Duration& proto) {
  const absl::Duration timeout = absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
  if (timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("input_timeout must be positive");
  }
  return timeout;
}

}  // namespace

absl::StatusOr<compute::Chunk> ChunkFromProto(v1::RunChunk run) {
  compute::Chunk chunk;
  chunk.id = run.chunk_id();
  // 0 means idle in the flight recorder.
  if (chunk.id == 0) return absl::InvalidArgumentError("chunk_id must not be 0");
  ASSIGN_OR_RETURN(chunk.inputs, InputsFromProto(run.mutable_inputs()));
  chunk.first_index = run.first_index();
  if (chunk.first_index + chunk.inputs.count() < chunk.first_index) {
    return absl::InvalidArgumentError("first_index: the last input's index exceeds 64 bits");
  }
  if (run.has_input_timeout()) {
    ASSIGN_OR_RETURN(chunk.input_timeout, TimeoutFromProto(run.input_timeout()));
  }
  chunk.job = std::move(*run.mutable_job());
  chunk.task = std::move(*run.mutable_task());
  chunk.args.reserve(static_cast<size_t>(run.args_size()));
  for (std::string& arg : *run.mutable_args()) chunk.args.push_back(std::move(arg));
  return chunk;
}

v1::ChunkResult ChunkResultToProto(compute::ChunkResult result, absl::string_view worker) {
  v1::ChunkResult proto;
  proto.set_chunk_id(result.chunk_id);
  proto.set_cancelled(result.cancelled);
  SetDuration(result.task_time, proto.mutable_task_time());
  SetDuration(result.wait_time, proto.mutable_wait_time());
  v1::Records& records = *proto.mutable_results();
  *records.mutable_data() = std::move(result.results.data);
  if (result.results.uniform()) {
    records.set_uniform_size(result.results.uniform_size);
    records.set_count(result.results.count);
  } else {
    records.mutable_sizes()->Add(result.results.sizes.begin(), result.results.sizes.end());
  }
  for (compute::Failure& failure : result.failures) {
    v1::InputFailure& to = *proto.add_failures();
    to.set_index(failure.index);
    to.set_cause(CauseOf(failure.cause));
    to.set_message(ValidUtf8(failure.message));
    to.set_input(std::move(failure.input));
    to.set_worker(std::string(worker));
  }
  return proto;
}

v1::ComputeHello MakeComputeHello(const compute::TaskRegistry& tasks, uint32_t threads) {
  v1::ComputeHello hello;
  hello.set_threads(threads);
  for (const auto& [name, entry] : tasks.entries()) {
    v1::TaskInfo& info = *hello.add_tasks();
    info.set_name(name);
    info.set_summary(ValidUtf8(entry.task.summary));
    info.set_help(ValidUtf8(entry.task.help));
    info.set_module(ValidUtf8(entry.module));
  }
  return hello;
}

}  // namespace center::worker

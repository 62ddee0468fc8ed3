#include "services/coordinator/api/job_messages.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/payload_batch.h"
#include "services/common/utf8.h"

namespace center::coordinator {
namespace {

constexpr size_t kFailureMessageBytesMax = 4096;
constexpr size_t kPreviewBytesMax = 256;
constexpr char kLengthDelimited = 2;

char Tag(int field, char wire_type) { return static_cast<char>(field << 3 | wire_type); }

// The bytes of each result of an answer, whichever way they are told; false when they do not add
// up.
bool ResultSizes(const v1::Records& results, uint64_t most, uint64_t* count) {
  uint64_t bytes = 0;
  if (results.sizes_size() > 0) {
    *count = static_cast<uint64_t>(results.sizes_size());
    for (const uint32_t size : results.sizes()) bytes += size;
    if (results.count() != 0) return false;
  } else {
    *count = results.count();
    if (*count > most) return false;
    bytes = *count * results.uniform_size();
  }
  return *count <= most && bytes == results.data().size();
}

jobs::ResultPart MakePart(uint64_t first, uint64_t count, v1::ResultBatch* batch) {
  jobs::ResultPart part{.first = first, .count = count};
  for (const v1::InputFailure& failure : batch->failures()) {
    part.failures.push_back(FromProto(failure));
  }
  part.body = std::make_shared<const std::string>(batch->SerializeAsString());
  return part;
}

// The beginning of an input of a chunk.
std::string Preview(const jobs::Chunk& chunk, uint64_t index) {
  uint64_t at = index - chunk.first;
  if (chunk.inputs.is_range) {
    return absl::StrCat(chunk.inputs.range_first + static_cast<int64_t>(at));
  }
  for (const jobs::InputSlice& slice : chunk.inputs.slices) {
    if (at < slice.count) {
      return std::string(slice.block->Get(slice.first + at).substr(0, kPreviewBytesMax));
    }
    at -= slice.count;
  }
  return "";
}

// Failures of inputs that the answer speaks of, ascending, complete.
std::vector<v1::InputFailure> CompleteFailures(v1::ChunkResult* result, uint64_t count,
                                               const jobs::Chunk& chunk,
                                               const std::string& worker) {
  std::vector<v1::InputFailure> failures;
  for (v1::InputFailure& failure : *result->mutable_failures()) {
    if (failure.index() < chunk.first || failure.index() - chunk.first >= count) continue;
    failure.set_attempts(chunk.attempt);
    failure.set_worker(worker);
    if (failure.message().size() > kFailureMessageBytesMax) {
      failure.set_message(ValidUtf8(failure.message().substr(0, kFailureMessageBytesMax)));
    }
    if (failure.input().empty()) failure.set_input(Preview(chunk, failure.index()));
    failures.push_back(std::move(failure));
  }
  const auto index = [](const v1::InputFailure& failure) { return failure.index(); };
  std::sort(failures.begin(), failures.end(),
            [&](const auto& a, const auto& b) { return index(a) < index(b); });
  failures.erase(std::unique(failures.begin(), failures.end(),
                             [&](const auto& a, const auto& b) { return index(a) == index(b); }),
                 failures.end());
  return failures;
}

}  // namespace

std::string JobName(jobs::JobId id) { return absl::StrCat("j", id); }

jobs::JobId ParseJobName(absl::string_view name) {
  jobs::JobId id = 0;
  if (!absl::ConsumePrefix(&name, "j") || !absl::SimpleAtoi(name, &id)) return 0;
  return absl::StrCat(id) == name ? id : 0;
}

absl::StatusOr<std::shared_ptr<const jobs::RecordBlock>> ToBlock(v1::Records* records) {
  return jobs::RecordBlock::Make(
      {.sizes = {records->sizes().data(), static_cast<size_t>(records->sizes_size())},
       .uniform_size = records->uniform_size(),
       .count = records->count(),
       .data = std::move(*records->mutable_data())});
}

v1::InputFailure ToProto(const jobs::Failure& failure) {
  v1::InputFailure proto;
  proto.set_index(failure.index);
  proto.set_cause(static_cast<v1::InputFailure::Cause>(failure.cause));
  proto.set_message(ValidUtf8(failure.message.substr(0, kFailureMessageBytesMax)));
  proto.set_input(failure.input);
  proto.set_attempts(failure.attempts);
  proto.set_worker(failure.worker);
  return proto;
}

jobs::Failure FromProto(const v1::InputFailure& failure) {
  return {.index = failure.index(),
          .cause = static_cast<jobs::FailureCause>(failure.cause()),
          .message = failure.message(),
          .input = failure.input(),
          .attempts = failure.attempts(),
          .worker = failure.worker()};
}

v1::RunChunk ChunkTemplate(jobs::JobId id, const v1::JobSpec& spec) {
  v1::RunChunk common;
  common.set_job(JobName(id));
  common.set_task(spec.task());
  *common.mutable_args() = spec.args();
  if (spec.has_input_timeout()) *common.mutable_input_timeout() = spec.input_timeout();
  return common;
}

v1::ComputeRequest ToRequest(const v1::RunChunk& common, const jobs::Chunk& chunk) {
  v1::ComputeRequest request;
  v1::RunChunk& run = *request.mutable_run();
  run = common;
  run.set_chunk_id(chunk.id);
  run.set_first_index(chunk.first);
  if (chunk.inputs.is_range) {
    run.mutable_inputs()->mutable_range()->set_first(chunk.inputs.range_first);
    run.mutable_inputs()->mutable_range()->set_count(chunk.count);
    return request;
  }
  v1::Records& records = *run.mutable_inputs()->mutable_records();
  const auto& slices = chunk.inputs.slices;
  const bool uniform = std::all_of(slices.begin(), slices.end(), [&](const auto& slice) {
    return slice.block->uniform() &&
           slice.block->uniform_size() == slices.front().block->uniform_size();
  });
  size_t bytes = 0;
  for (const jobs::InputSlice& slice : slices) {
    bytes += slice.block->Bytes(slice.first, slice.count).size();
  }
  records.mutable_data()->reserve(bytes);
  if (uniform && !slices.empty()) {
    records.set_uniform_size(slices.front().block->uniform_size());
    records.set_count(chunk.count);
  } else {
    records.mutable_sizes()->Reserve(static_cast<int>(chunk.count));
  }
  for (const jobs::InputSlice& slice : slices) {
    const absl::string_view data = slice.block->Bytes(slice.first, slice.count);
    records.mutable_data()->append(data.data(), data.size());
    for (uint64_t i = 0; !uniform && i < slice.count; ++i) {
      const uint64_t at = slice.first + i;
      records.add_sizes(
          static_cast<uint32_t>(slice.block->OffsetOf(at + 1) - slice.block->OffsetOf(at)));
    }
  }
  return request;
}

jobs::ChunkOutcome ToOutcome(v1::ChunkResult* result, const jobs::Chunk& chunk,
                             const std::string& worker) {
  jobs::ChunkOutcome outcome;
  outcome.cancelled = result->cancelled();
  outcome.task_time = std::chrono::seconds(result->task_time().seconds()) +
                      std::chrono::nanoseconds(result->task_time().nanos());
  const v1::Records& results = result->results();
  uint64_t count = 0;
  if (!ResultSizes(results, chunk.count, &count) || count == 0) return outcome;
  std::vector<v1::InputFailure> failures = CompleteFailures(result, count, chunk, worker);
  auto failure = failures.begin();
  if (results.data().size() <= kBatchBytes) {
    v1::ResultBatch batch;
    batch.mutable_results()->Swap(result->mutable_results());
    for (; failure != failures.end(); ++failure) *batch.add_failures() = std::move(*failure);
    outcome.parts.push_back(MakePart(chunk.first, count, &batch));
    return outcome;
  }
  size_t offset = 0;
  for (uint64_t at = 0; at < count;) {
    v1::ResultBatch batch;
    v1::Records& some = *batch.mutable_results();
    const uint64_t first = at;
    size_t bytes = 0;
    for (; at < count; ++at) {
      const uint32_t size =
          results.sizes_size() > 0 ? results.sizes(static_cast<int>(at)) : results.uniform_size();
      if (at > first && bytes + size > kBatchBytes) break;
      some.add_sizes(size);
      bytes += size;
    }
    some.set_data(results.data().substr(offset, bytes));
    offset += bytes;
    for (; failure != failures.end() && failure->index() < chunk.first + at; ++failure) {
      *batch.add_failures() = std::move(*failure);
    }
    outcome.parts.push_back(MakePart(chunk.first + first, at - first, &batch));
  }
  return outcome;
}

std::shared_ptr<const std::string> FailureBody(const std::vector<jobs::Failure>& failures) {
  v1::ResultBatch batch;
  batch.mutable_results()->set_count(failures.size());
  for (const jobs::Failure& failure : failures) *batch.add_failures() = ToProto(failure);
  return std::make_shared<const std::string>(batch.SerializeAsString());
}

std::vector<jobs::Failure> FailuresOfBody(const std::string& body) {
  std::vector<jobs::Failure> failures;
  v1::ResultBatch batch;
  if (!batch.ParseFromString(body)) return failures;
  for (const v1::InputFailure& failure : batch.failures()) failures.push_back(FromProto(failure));
  return failures;
}

grpc::ByteBuffer BatchMessage(int field, uint64_t first, jobs::Position next,
                              std::shared_ptr<const std::string> body) {
  std::string front;
  std::string place;
  if (first != 0) {
    place.push_back(Tag(v1::ResultBatch::kFirstIndexFieldNumber, 0));
    AppendVarint(first, &place);
  }
  std::string back(1, Tag(v1::ResultBatch::kNextPositionFieldNumber, 0));
  AppendVarint(next.Encode(), &back);
  front.push_back(Tag(field, kLengthDelimited));
  AppendVarint(place.size() + body->size() + back.size(), &front);
  front += place;
  auto* const held = new std::shared_ptr<const std::string>(std::move(body));
  const grpc::Slice slices[] = {
      grpc::Slice(front),
      grpc::Slice(
          const_cast<char*>((*held)->data()), (*held)->size(),
          [](void* owner) { delete static_cast<std::shared_ptr<const std::string>*>(owner); },
          held),
      grpc::Slice(back)};
  return grpc::ByteBuffer(slices, 3);
}

grpc::ByteBuffer FieldMessage(int field, const google::protobuf::Message& message) {
  const std::string body = message.SerializeAsString();
  std::string bytes(1, Tag(field, kLengthDelimited));
  AppendVarint(body.size(), &bytes);
  bytes += body;
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace center::coordinator

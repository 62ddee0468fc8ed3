// Jobs between the API's messages and the scheduler.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "center/v1/job.pb.h"
#include "center/v1/worker.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/coordinator/jobs/result_index.h"
#include "services/coordinator/jobs/types.h"

namespace center::coordinator {

// "j7" and 7. 0 when the text is no id.
std::string JobName(jobs::JobId id);
jobs::JobId ParseJobName(absl::string_view name);

// InvalidArgument when the sizes do not add up. Takes the data out of `records`.
absl::StatusOr<std::shared_ptr<const jobs::RecordBlock>> ToBlock(v1::Records* records);

v1::InputFailure ToProto(const jobs::Failure& failure);
jobs::Failure FromProto(const v1::InputFailure& failure);

// What all chunks of a job have in common.
v1::RunChunk ChunkTemplate(jobs::JobId id, const v1::JobSpec& spec);
// What a worker is sent.
v1::ComputeRequest ToRequest(const v1::RunChunk& common, const jobs::Chunk& chunk);

// A worker's answer as parts that are stored and sent as they are: `body` is a ResultBatch without
// its place. Large answers are cut so that a message stays below kBatchBytes where a single result
// allows it. An answer that does not fit its chunk has no parts.
inline constexpr size_t kBatchBytes = 3 << 20;
jobs::ChunkOutcome ToOutcome(v1::ChunkResult* result, const jobs::Chunk& chunk,
                             const std::string& worker);
// The body of a part that consists of failures.
std::shared_ptr<const std::string> FailureBody(const std::vector<jobs::Failure>& failures);

// The failures of a stored body.
std::vector<jobs::Failure> FailuresOfBody(const std::string& body);

// A response whose field `field` is the ResultBatch of this part: the body itself is not copied.
grpc::ByteBuffer BatchMessage(int field, uint64_t first, jobs::Position next,
                              std::shared_ptr<const std::string> body);
// A response whose field `field` is this message.
grpc::ByteBuffer FieldMessage(int field, const google::protobuf::Message& message);

}  // namespace center::coordinator

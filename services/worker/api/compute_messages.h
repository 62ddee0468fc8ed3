// Between chunks as the engine runs them and the messages of worker.proto.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "center/v1/worker.pb.h"
#include "services/worker/compute/chunk.h"
#include "services/worker/compute/task_registry.h"

namespace center::worker {

// Takes the inputs out of the message; nothing is copied per input. InvalidArgument, naming the
// field, when it is malformed.
absl::StatusOr<compute::Chunk> ChunkFromProto(v1::RunChunk run);
v1::ChunkResult ChunkResultToProto(compute::ChunkResult result, absl::string_view worker);
v1::ComputeHello MakeComputeHello(const compute::TaskRegistry& tasks, uint32_t threads);

}  // namespace center::worker

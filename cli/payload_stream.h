// A server's payloads as fast as they can be read: messages are taken as bytes and their
// batches are looked at in place.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "center/v1/payload.pb.h"
#include "cli/payload_source.h"
#include "grpcpp/grpcpp.h"
#include "services/common/payload_batch.h"

namespace center::cli {

// One StreamPayloadsResponse. The batches point into the bytes that it was parsed from.
struct StreamMessage {
  std::vector<BatchView> batches;
  absl::optional<v1::Gap> gap;
  absl::optional<v1::Progress> progress;
};

// InvalidArgument or DataLoss when `bytes` is no StreamPayloadsResponse.
absl::Status ParseStreamMessage(absl::string_view bytes, StreamMessage* message);

// What a subscriber that only counts needs to know of a message.
struct StreamCounts {
  uint64_t payloads = 0;
  uint64_t bytes = 0;
};

// One stream. Read and Finish on one thread; Cancel on any.
class PayloadStream {
 public:
  explicit PayloadStream(std::unique_ptr<PayloadSource> source) : source_(std::move(source)) {}
  PayloadStream(std::shared_ptr<grpc::Channel> channel, const v1::StreamPayloadsRequest& request)
      : PayloadStream(RelayedPayloads(std::move(channel), request)) {}
  PayloadStream(const PayloadStream&) = delete;
  PayloadStream& operator=(const PayloadStream&) = delete;

  // The next message, valid until the next call; false: the stream has ended, call Finish.
  bool Read(StreamMessage* message);
  // The same, but adds up the sizes without touching the payloads' bytes; gap and progress
  // are put into *rest.
  bool ReadCounts(StreamCounts* counts, StreamMessage* rest);
  // How the stream ended, as it was said there (not yet passed through FromRpc).
  absl::Status Finish();
  void Cancel() { source_->Cancel(); }

 private:
  const std::unique_ptr<PayloadSource> source_;
  std::string bytes_;
  absl::Status malformed_;
};

}  // namespace center::cli

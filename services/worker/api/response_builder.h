// Puts a StreamPayloadsResponse together around payload bytes that stay where they are.
//
// The response is protobuf's encoding, made by hand: field 1 (`batches`) is a tag, a length and the
// record's bytes as they came from the journal. Tag and length are written into the record's own
// header space in the buffer, so a large record costs nothing but a slice that points to it. Small
// neighbours are moved together inside the buffer, over their own headers: gRPC's cost per slice
// would be more than that of moving them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "center/v1/payload.pb.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/worker/journal/reader.h"

namespace center::worker {

// Use once: add in the order in which the client shall see it, then Build.
class ResponseBuilder {
 public:
  // A smaller record is moved behind its predecessor.
  static constexpr size_t kGatherBytesMax = 4096;

  // `buffer` is what the records added next lie in; it is kept until gRPC has sent them, and
  // overwritten between them.
  explicit ResponseBuilder(std::shared_ptr<journal::Buffer> buffer) : buffer_(std::move(buffer)) {}

  // One batch, as the journal has it. REQUIRES: record.slack_before >= 11 unless bytes are fewer
  // than 2^28.
  void AddRecord(const journal::RecordView& record);
  // Ready encoded fields of the response.
  void AddEncoded(std::string fields);
  void SetGap(const v1::Gap& gap);
  void SetProgress(const v1::Progress& progress);

  bool empty() const { return parts_.empty(); }
  grpc::ByteBuffer Build();

 private:
  // Either a stretch of buffer_ (data != nullptr) or bytes of its own.
  struct Part {
    char* data = nullptr;
    size_t size = 0;
    std::string own;
  };

  std::shared_ptr<journal::Buffer> buffer_;
  std::vector<Part> parts_;
};

}  // namespace center::worker

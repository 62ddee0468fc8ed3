#include "cli/payload_stream.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "absl/strings/str_cat.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t LengthTag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}
constexpr uint32_t kBatchesTag = LengthTag(v1::StreamPayloadsResponse::kBatchesFieldNumber);
constexpr uint32_t kGapTag = LengthTag(v1::StreamPayloadsResponse::kGapFieldNumber);
constexpr uint32_t kProgressTag = LengthTag(v1::StreamPayloadsResponse::kProgressFieldNumber);
constexpr uint32_t kSizesTag = LengthTag(v1::PayloadBatch::kSizesFieldNumber);
constexpr uint32_t kDataTag = LengthTag(v1::PayloadBatch::kDataFieldNumber);

absl::Status Malformed() {
  return absl::DataLossError("a message was received that is no StreamPayloadsResponse");
}

// Adds one batch to `counts` and leaves the input after it.
bool CountBatch(CodedInputStream& input, uint32_t length, StreamCounts* counts) {
  const auto limit = input.PushLimit(static_cast<int>(length));
  while (const uint32_t tag = input.ReadTag()) {
    uint32_t size = 0;
    if (tag == kSizesTag) {
      if (!input.ReadVarint32(&size)) return false;
      const auto sizes = input.PushLimit(static_cast<int>(size));
      uint64_t payloads = 0;
      uint32_t payload_bytes = 0;
      while (input.BytesUntilLimit() > 0) {
        if (!input.ReadVarint32(&payload_bytes)) return false;
        counts->bytes += payload_bytes;
        ++payloads;
      }
      counts->payloads += payloads;
      input.PopLimit(sizes);
    } else if (tag == kDataTag) {
      if (!input.ReadVarint32(&size) || !input.Skip(static_cast<int>(size))) return false;
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return false;
    }
  }
  const bool whole = input.ConsumedEntireMessage();
  input.PopLimit(limit);
  return whole;
}

// Reads the bytes of a small submessage.
template <typename Message>
bool ReadSubmessage(CodedInputStream& input, absl::optional<Message>* message) {
  uint32_t length = 0;
  std::string bytes;
  if (!input.ReadVarint32(&length) || !input.ReadString(&bytes, static_cast<int>(length))) {
    return false;
  }
  return message->emplace().ParseFromString(bytes);
}

}  // namespace

absl::Status ParseStreamMessage(absl::string_view bytes, StreamMessage* message) {
  message->batches.clear();
  message->gap.reset();
  message->progress.reset();
  CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                         static_cast<int>(bytes.size()));
  while (const uint32_t tag = input.ReadTag()) {
    if (tag == kBatchesTag) {
      uint32_t length = 0;
      if (!input.ReadVarint32(&length)) return Malformed();
      const auto at = static_cast<size_t>(input.CurrentPosition());
      if (length > bytes.size() - at) return Malformed();
      ASSIGN_OR_RETURN(BatchView batch, BatchView::Parse(bytes.substr(at, length)));
      message->batches.push_back(batch);
      if (!input.Skip(static_cast<int>(length))) return Malformed();
    } else if (tag == kGapTag) {
      if (!ReadSubmessage(input, &message->gap)) return Malformed();
    } else if (tag == kProgressTag) {
      if (!ReadSubmessage(input, &message->progress)) return Malformed();
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return Malformed();
    }
  }
  return input.ConsumedEntireMessage() ? absl::OkStatus() : Malformed();
}

bool PayloadStream::Read(StreamMessage* message) {
  grpc::ByteBuffer buffer;
  if (!source_->Next(&buffer)) return false;
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) {
    malformed_ = Malformed();
    return false;
  }
  bytes_.clear();
  bytes_.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes_.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  malformed_ = ParseStreamMessage(bytes_, message);
  return malformed_.ok();
}

bool PayloadStream::ReadCounts(StreamCounts* counts, StreamMessage* rest) {
  grpc::ByteBuffer buffer;
  rest->batches.clear();
  rest->gap.reset();
  rest->progress.reset();
  if (!source_->Next(&buffer)) return false;
  grpc::ProtoBufferReader source(&buffer);
  CodedInputStream input(&source);
  malformed_ = Malformed();
  while (const uint32_t tag = input.ReadTag()) {
    uint32_t length = 0;
    if (tag == kBatchesTag) {
      if (!input.ReadVarint32(&length) || !CountBatch(input, length, counts)) return false;
    } else if (tag == kGapTag) {
      if (!ReadSubmessage(input, &rest->gap)) return false;
    } else if (tag == kProgressTag) {
      if (!ReadSubmessage(input, &rest->progress)) return false;
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return false;
    }
  }
  if (!input.ConsumedEntireMessage()) return false;
  malformed_ = absl::OkStatus();
  return true;
}

absl::Status PayloadStream::Finish() {
  if (!malformed_.ok()) source_->Cancel();
  const absl::Status status = source_->Finish();
  return malformed_.ok() ? status : malformed_;
}

}  // namespace center::cli

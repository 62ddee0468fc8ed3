#include "services/coordinator/relay/message_position.h"

#include <algorithm>

#include "center/v1/payload.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "services/common/status_macros.h"

namespace center::relay {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t LengthDelimited(int field) {
  return static_cast<uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
}
constexpr uint32_t Varint(int field) {
  return static_cast<uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_VARINT;
}

absl::Status MalformedMessage() {
  return absl::InvalidArgumentError("not a StreamPayloadsResponse");
}

// What the top level of a message says.
struct Outline {
  uint32_t last_batch_at = 0;  // where its bytes start; a message never starts with one at 0
  uint32_t last_batch_bytes = 0;
  absl::optional<uint64_t> after;  // the last gap's or progress's
};

bool ReadLength(CodedInputStream& in, uint32_t* length) {
  return in.ReadVarint32(length) && *length <= INT32_MAX;
}

template <typename Message>
bool ReadMessage(CodedInputStream& in, Message* message) {
  uint32_t length = 0;
  if (!ReadLength(in, &length)) return false;
  const auto limit = in.PushLimit(static_cast<int>(length));
  const bool ok = message->ParseFromCodedStream(&in) && in.BytesUntilLimit() == 0;
  in.PopLimit(limit);
  return ok;
}

bool ReadOutline(CodedInputStream& in, Outline* outline) {
  while (const uint32_t tag = in.ReadTag()) {
    if (tag == LengthDelimited(v1::StreamPayloadsResponse::kBatchesFieldNumber)) {
      uint32_t length = 0;
      if (!ReadLength(in, &length)) return false;
      outline->last_batch_at = static_cast<uint32_t>(in.CurrentPosition());
      outline->last_batch_bytes = length;
      if (!in.Skip(static_cast<int>(length))) return false;
    } else if (tag == LengthDelimited(v1::StreamPayloadsResponse::kGapFieldNumber)) {
      v1::Gap gap;
      if (!ReadMessage(in, &gap)) return false;
      outline->after = gap.to_offset();
    } else if (tag == LengthDelimited(v1::StreamPayloadsResponse::kProgressFieldNumber)) {
      v1::Progress progress;
      if (!ReadMessage(in, &progress)) return false;
      outline->after = progress.next_offset();
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      return false;
    }
  }
  return in.ConsumedEntireMessage();
}

// How many varints the next `length` bytes hold: those bytes that end one.
bool CountVarints(CodedInputStream& in, uint32_t length, uint64_t* count) {
  while (length > 0) {
    const void* data = nullptr;
    int size = 0;
    if (!in.GetDirectBufferPointer(&data, &size)) return false;
    const int take = static_cast<int>(std::min<uint32_t>(length, static_cast<uint32_t>(size)));
    const auto* bytes = static_cast<const signed char*>(data);
    *count +=
        static_cast<uint64_t>(std::count_if(bytes, bytes + take, [](auto b) { return b >= 0; }));
    if (!in.Skip(take)) return false;
    length -= static_cast<uint32_t>(take);
  }
  return true;
}

// Reads a batch up to its data, which come last.
bool ReadEndOfBatch(CodedInputStream& in, uint32_t bytes, uint64_t* end) {
  const auto limit = in.PushLimit(static_cast<int>(bytes));
  uint64_t first_offset = 0;
  uint64_t count = 0;
  bool ok = true;
  while (ok) {
    const uint32_t tag = in.ReadTag();
    if (tag == 0 || tag == LengthDelimited(v1::PayloadBatch::kDataFieldNumber)) break;
    uint32_t value = 0;
    if (tag == Varint(v1::PayloadBatch::kFirstOffsetFieldNumber)) {
      ok = in.ReadVarint64(&first_offset);
    } else if (tag == LengthDelimited(v1::PayloadBatch::kSizesFieldNumber)) {
      ok = ReadLength(in, &value) && CountVarints(in, value, &count);
    } else if (tag == Varint(v1::PayloadBatch::kSizesFieldNumber)) {
      ok = in.ReadVarint32(&value);
      ++count;
    } else {
      ok = WireFormatLite::SkipField(&in, tag);
    }
  }
  in.PopLimit(limit);
  *end = first_offset + count;
  return ok;
}

}  // namespace

absl::StatusOr<absl::optional<uint64_t>> NextOffsetAfter(const grpc::ByteBuffer& message) {
  if (!message.Valid() || message.Length() == 0) return absl::optional<uint64_t>();
  // The reader does not change the buffer; its interface only predates const.
  auto* buffer = const_cast<grpc::ByteBuffer*>(&message);
  Outline outline;
  {
    grpc::ProtoBufferReader reader(buffer);
    CodedInputStream in(&reader);
    if (!reader.status().ok() || !ReadOutline(in, &outline)) return MalformedMessage();
  }
  if (outline.after.has_value() || outline.last_batch_at == 0) return outline.after;
  grpc::ProtoBufferReader reader(buffer);
  CodedInputStream in(&reader);
  uint64_t end = 0;
  if (!reader.status().ok() || !in.Skip(static_cast<int>(outline.last_batch_at)) ||
      !ReadEndOfBatch(in, outline.last_batch_bytes, &end)) {
    return MalformedMessage();
  }
  return absl::optional<uint64_t>(end);
}

}  // namespace center::relay

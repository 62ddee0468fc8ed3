#include "services/coordinator/relay/tail_items.h"

#include <string>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "services/common/kind.h"
#include "services/common/status_macros.h"

namespace center::relay {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t Tag(int field) {
  return static_cast<uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
}

absl::Status Malformed() { return absl::InvalidArgumentError("not a StreamPayloadsResponse"); }

// The bytes of a length-delimited field.
bool ReadView(CodedInputStream& in, absl::string_view all, absl::string_view* view) {
  uint32_t length = 0;
  if (!in.ReadVarint32(&length)) return false;
  const auto at = static_cast<size_t>(in.CurrentPosition());
  if (length > all.size() - at || !in.Skip(static_cast<int>(length))) return false;
  *view = all.substr(at, length);
  return true;
}

void SetContent(absl::string_view payload, v1::Payload* out) {
  switch (ClassifyPayload(payload)) {
    case PayloadKind::kText:
      out->set_kind(v1::PAYLOAD_KIND_TEXT);
      out->set_text(payload.data(), payload.size());
      break;
    case PayloadKind::kJson: {
      const absl::string_view json = JsonText(payload);
      out->set_kind(v1::PAYLOAD_KIND_JSON);
      out->set_json(json.data(), json.size());
      break;
    }
    case PayloadKind::kBinary:
      out->set_kind(v1::PAYLOAD_KIND_BINARY);
      out->set_data(payload.data(), payload.size());
      break;
  }
}

}  // namespace

absl::Status TailItems::Load(const grpc::ByteBuffer& message) {
  batches_.clear();
  batch_ = 0;
  sizes_.clear();
  index_ = 0;
  gap_.reset();
  if (!message.Valid() || message.Length() == 0) return absl::OkStatus();
  if (!message.DumpToSingleSlice(&bytes_).ok()) return Malformed();
  const absl::string_view all(reinterpret_cast<const char*>(bytes_.begin()), bytes_.size());
  CodedInputStream in(bytes_.begin(), static_cast<int>(bytes_.size()));
  absl::string_view field;
  while (const uint32_t tag = in.ReadTag()) {
    if (tag == Tag(v1::StreamPayloadsResponse::kBatchesFieldNumber)) {
      if (!ReadView(in, all, &field)) return Malformed();
      ASSIGN_OR_RETURN(const BatchView batch, BatchView::Parse(field));
      batches_.push_back(batch);
    } else if (tag == Tag(v1::StreamPayloadsResponse::kGapFieldNumber)) {
      if (!ReadView(in, all, &field)) return Malformed();
      if (!gap_.emplace().ParseFromArray(field.data(), static_cast<int>(field.size()))) {
        return Malformed();
      }
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      return Malformed();
    }
  }
  if (!in.ConsumedEntireMessage()) return Malformed();
  OpenBatch();
  return absl::OkStatus();
}

void TailItems::OpenBatch() {
  index_ = 0;
  data_at_ = 0;
  sizes_.clear();
  while (batch_ < batches_.size() && batches_[batch_].count() == 0) ++batch_;
  if (batch_ == batches_.size()) return;
  sizes_.reserve(batches_[batch_].count());
  batches_[batch_].ForEach([this](uint32_t, absl::string_view payload) {
    sizes_.push_back(static_cast<uint32_t>(payload.size()));
  });
}

bool TailItems::HasNext() const { return batch_ < batches_.size() || gap_.has_value(); }

bool TailItems::Next(v1::TailPayloadsResponse* item) {
  item->Clear();
  if (batch_ == batches_.size()) {
    if (!gap_.has_value()) return false;
    *item->mutable_gap() = *std::exchange(gap_, absl::nullopt);
    return true;
  }
  const BatchView& batch = batches_[batch_];
  const BatchHeader& header = batch.header();
  v1::Payload* payload = item->mutable_payload();
  payload->set_worker(header.worker.data(), header.worker.size());
  payload->set_offset(header.first_offset + index_);
  payload->mutable_receive_time()->set_seconds(header.receive_time_ns / 1'000'000'000);
  payload->mutable_receive_time()->set_nanos(
      static_cast<int32_t>(header.receive_time_ns % 1'000'000'000));
  payload->set_peer(header.peer.data(), header.peer.size());
  SetContent(batch.data().substr(data_at_, sizes_[index_]), payload);
  data_at_ += sizes_[index_];
  if (++index_ == sizes_.size()) {
    ++batch_;
    OpenBatch();
  }
  return true;
}

}  // namespace center::relay

#include "services/worker/api/response_builder.h"

#include <cstring>
#include <utility>

#include "grpcpp/support/slice.h"

namespace center::worker {
namespace {

constexpr char kBatchesTag = 1 << 3 | 2;
constexpr size_t kPrefixBytesMax = 11;  // a tag and the longest varint

// Writes tag and length of field 1 to `out`; returns their size.
size_t WritePrefix(uint64_t length, char* out) {
  char* p = out;
  *p++ = kBatchesTag;
  for (; length >= 0x80; length >>= 7) *p++ = static_cast<char>(length | 0x80);
  *p++ = static_cast<char>(length);
  return static_cast<size_t>(p - out);
}

void ReleaseBuffer(void* owner) { delete static_cast<std::shared_ptr<journal::Buffer>*>(owner); }

void ReleaseString(void* owner) { delete static_cast<std::string*>(owner); }

}  // namespace

void ResponseBuilder::AddRecord(const journal::RecordView& record) {
  char prefix[kPrefixBytesMax];
  const size_t prefix_bytes = WritePrefix(record.bytes.size(), prefix);
  // The bytes lie in buffer_, which is ours to write to.
  char* const bytes = buffer_->data() + (record.bytes.data() - buffer_->data());
  const size_t size = record.bytes.size();
  if (size < kGatherBytesMax && !parts_.empty() && parts_.back().data != nullptr) {
    // The target ends before the record's bytes begin, because its header is longer than the
    // prefix: the prefix does not overwrite what is moved afterwards.
    char* const to = parts_.back().data + parts_.back().size;
    std::memcpy(to, prefix, prefix_bytes);
    std::memmove(to + prefix_bytes, bytes, size);
    parts_.back().size += prefix_bytes + size;
    return;
  }
  std::memcpy(bytes - prefix_bytes, prefix, prefix_bytes);
  parts_.push_back({.data = bytes - prefix_bytes, .size = prefix_bytes + size, .own = {}});
}

void ResponseBuilder::AddEncoded(std::string fields) {
  if (!fields.empty()) parts_.push_back({.data = nullptr, .size = 0, .own = std::move(fields)});
}

void ResponseBuilder::SetGap(const v1::Gap& gap) {
  v1::StreamPayloadsResponse response;
  *response.mutable_gap() = gap;
  AddEncoded(response.SerializeAsString());
}

void ResponseBuilder::SetProgress(const v1::Progress& progress) {
  v1::StreamPayloadsResponse response;
  *response.mutable_progress() = progress;
  AddEncoded(response.SerializeAsString());
}

grpc::ByteBuffer ResponseBuilder::Build() {
  std::vector<grpc::Slice> slices;
  slices.reserve(parts_.size());
  for (Part& part : parts_) {
    if (part.data != nullptr) {
      slices.emplace_back(part.data, part.size, &ReleaseBuffer,
                          new std::shared_ptr<journal::Buffer>(buffer_));
    } else {
      auto* own = new std::string(std::move(part.own));
      slices.emplace_back(own->data(), own->size(), &ReleaseString, own);
    }
  }
  parts_.clear();
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace center::worker

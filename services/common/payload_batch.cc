#include "services/common/payload_batch.h"

#include <limits>

#include "absl/strings/str_cat.h"

namespace center {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

constexpr uint64_t Tag(uint32_t field, WireType type) { return field << 3 | type; }

void AppendBytesField(uint32_t field, absl::string_view value, std::string* out) {
  AppendVarint(Tag(field, kBytes), out);
  AppendVarint(value.size(), out);
  out->append(value.data(), value.size());
}

// Reads a varint from the front of `in`. False when it does not end within `in` or within 10 bytes.
bool ReadVarint(absl::string_view* in, uint64_t* value) {
  uint64_t result = 0;
  for (size_t i = 0; i < in->size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>((*in)[i]);
    result |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      in->remove_prefix(i + 1);
      *value = result;
      return true;
    }
  }
  return false;
}

bool ReadBytes(absl::string_view* in, absl::string_view* value) {
  uint64_t length = 0;
  if (!ReadVarint(in, &length) || length > in->size()) return false;
  *value = in->substr(0, length);
  in->remove_prefix(length);
  return true;
}

bool SkipField(uint32_t wire_type, absl::string_view* in) {
  uint64_t ignored = 0;
  absl::string_view ignored_bytes;
  switch (wire_type) {
    case kVarint:
      return ReadVarint(in, &ignored);
    case kBytes:
      return ReadBytes(in, &ignored_bytes);
    case kFixed64:
    case kFixed32: {
      const size_t width = wire_type == kFixed64 ? 8 : 4;
      if (in->size() < width) return false;
      in->remove_prefix(width);
      return true;
    }
    default:
      return false;
  }
}

// google.protobuf.Timestamp: 1 = seconds, 2 = nanos, both varints.
bool ReadTimestamp(absl::string_view in, int64_t* nanos_since_epoch) {
  uint64_t seconds = 0;
  uint64_t nanos = 0;
  while (!in.empty()) {
    uint64_t tag = 0;
    if (!ReadVarint(&in, &tag)) return false;
    if (tag == Tag(1, kVarint)) {
      if (!ReadVarint(&in, &seconds)) return false;
    } else if (tag == Tag(2, kVarint)) {
      if (!ReadVarint(&in, &nanos)) return false;
    } else if (!SkipField(static_cast<uint32_t>(tag & 7), &in)) {
      return false;
    }
  }
  // Unsigned arithmetic: what comes from a damaged disk must not overflow.
  *nanos_since_epoch = static_cast<int64_t>(seconds * 1'000'000'000ULL + nanos);
  return true;
}

}  // namespace

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

void AppendBatchPrefix(const BatchHeader& header, std::span<const uint32_t> sizes,
                       uint64_t data_bytes, std::string* out) {
  AppendBytesField(1, header.worker, out);
  if (header.first_offset != 0) {  // proto3 leaves zeros out
    AppendVarint(Tag(2, kVarint), out);
    AppendVarint(header.first_offset, out);
  }
  const auto seconds = static_cast<uint64_t>(header.receive_time_ns / 1'000'000'000);
  const auto nanos = static_cast<uint64_t>(header.receive_time_ns % 1'000'000'000);
  AppendVarint(Tag(3, kBytes), out);
  AppendVarint(2 + VarintSize(seconds) + VarintSize(nanos), out);
  AppendVarint(Tag(1, kVarint), out);
  AppendVarint(seconds, out);
  AppendVarint(Tag(2, kVarint), out);
  AppendVarint(nanos, out);
  AppendBytesField(4, header.peer, out);

  size_t sizes_bytes = 0;
  for (const uint32_t size : sizes) sizes_bytes += VarintSize(size);
  AppendVarint(Tag(5, kBytes), out);
  AppendVarint(sizes_bytes, out);
  const size_t at = out->size();
  out->resize(at + sizes_bytes);
  char* p = out->data() + at;
  for (uint32_t size : sizes) {
    for (; size >= 0x80; size >>= 7) *p++ = static_cast<char>(size | 0x80);
    *p++ = static_cast<char>(size);
  }
  AppendVarint(Tag(6, kBytes), out);
  AppendVarint(data_bytes, out);
}

uint64_t BatchView::NextSize(absl::string_view* sizes) {
  uint64_t size = 0;
  ReadVarint(sizes, &size);
  return size;
}

absl::StatusOr<BatchView> BatchView::Parse(absl::string_view bytes) {
  const auto bad = [](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("not a PayloadBatch: ", why));
  };
  BatchView view;
  absl::string_view in = bytes;
  while (!in.empty()) {
    uint64_t tag = 0;
    if (!ReadVarint(&in, &tag)) return bad("truncated tag");
    absl::string_view timestamp;
    bool ok = true;
    switch (tag) {
      case Tag(1, kBytes):
        ok = ReadBytes(&in, &view.header_.worker);
        break;
      case Tag(2, kVarint):
        ok = ReadVarint(&in, &view.header_.first_offset);
        break;
      case Tag(3, kBytes):
        ok = ReadBytes(&in, &timestamp) && ReadTimestamp(timestamp, &view.header_.receive_time_ns);
        break;
      case Tag(4, kBytes):
        ok = ReadBytes(&in, &view.header_.peer);
        break;
      case Tag(5, kBytes):
        ok = ReadBytes(&in, &view.sizes_);
        break;
      case Tag(6, kBytes):
        ok = ReadBytes(&in, &view.data_);
        break;
      default:
        ok = SkipField(static_cast<uint32_t>(tag & 7), &in);
    }
    if (!ok) return bad(absl::StrCat("field ", tag >> 3, " is malformed"));
  }
  uint64_t total = 0;
  for (absl::string_view sizes = view.sizes_; !sizes.empty(); ++view.count_) {
    uint64_t size = 0;
    if (!ReadVarint(&sizes, &size)) return bad("truncated size");
    if (size > view.data_.size() - total) return bad("the sizes exceed the data");
    total += size;
  }
  if (total != view.data_.size()) return bad("the sizes do not add up to the data");
  return view;
}

}  // namespace center

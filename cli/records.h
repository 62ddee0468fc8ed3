// Records: byte strings, packed; how inputs are sent and results come back.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "center/v1/job.pb.h"

namespace center::cli {

// How many records there are.
uint64_t RecordCount(const v1::Records& records);
// False when the sizes and the bytes do not agree: then nothing may be read.
bool RecordsAreSound(const v1::Records& records);

// Calls visit(index, bytes) for each record. REQUIRES: RecordsAreSound.
template <typename Visit>
void ForEachRecord(const v1::Records& records, Visit visit) {
  const absl::string_view data = records.data();
  const uint64_t count = RecordCount(records);
  const bool uniform = records.count() > 0;
  size_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const size_t size = uniform ? records.uniform_size() : records.sizes(static_cast<int>(i));
    visit(i, data.substr(at, size));
    at += size;
  }
}

// Packs records one by one; those of one size cost nothing but their bytes.
class RecordPacker {
 public:
  explicit RecordPacker(v1::Records* records) : records_(records) { records_->Clear(); }
  void Add(absl::string_view record);
  // The bytes that the message will take, about.
  size_t bytes() const {
    return records_->data().size() + 5 * static_cast<size_t>(records_->sizes_size());
  }

 private:
  v1::Records* records_;
};

}  // namespace center::cli

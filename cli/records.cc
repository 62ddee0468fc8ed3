#include "cli/records.h"

namespace center::cli {

uint64_t RecordCount(const v1::Records& records) {
  return records.count() > 0 ? records.count() : static_cast<uint64_t>(records.sizes_size());
}

bool RecordsAreSound(const v1::Records& records) {
  const uint64_t bytes = records.data().size();
  if (records.count() > 0) {
    if (records.sizes_size() > 0) return false;
    if (records.uniform_size() == 0) return bytes == 0;
    return bytes % records.uniform_size() == 0 && bytes / records.uniform_size() == records.count();
  }
  uint64_t sum = 0;
  for (const uint32_t size : records.sizes()) sum += size;
  return sum == bytes;
}

void RecordPacker::Add(absl::string_view record) {
  const auto size = static_cast<uint32_t>(record.size());
  const bool first = records_->count() == 0 && records_->sizes_size() == 0;
  if (first) records_->set_uniform_size(size);
  if (first || (records_->count() > 0 && records_->uniform_size() == size)) {
    records_->set_count(records_->count() + 1);
  } else {
    if (records_->count() > 0) {
      // The first of another size: from here on each is written down.
      records_->mutable_sizes()->Resize(static_cast<int>(records_->count()),
                                        records_->uniform_size());
      records_->clear_count();
      records_->clear_uniform_size();
    }
    records_->add_sizes(size);
  }
  records_->mutable_data()->append(record.data(), record.size());
}

}  // namespace center::cli

// Any bytes: BatchView::Parse must refuse or understand them without reading outside, and what it
// understands must survive being written again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "services/common/payload_batch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of exactly this size: a sanitizer sees any access beyond it.
  const std::vector<char> bytes(data, data + size);
  const auto view = center::BatchView::Parse({bytes.data(), bytes.size()});
  if (!view.ok()) return 0;
  std::vector<uint32_t> sizes;
  uint64_t total = 0;
  view->ForEach([&](uint32_t index, absl::string_view payload) {
    if (index != sizes.size()) std::abort();
    sizes.push_back(static_cast<uint32_t>(payload.size()));
    total += payload.size();
  });
  if (sizes.size() != view->count() || total != view->data().size()) std::abort();
  if (view->header().receive_time_ns < 0) return 0;  // times before 1970 are never written
  std::string again;
  center::AppendBatchPrefix(view->header(), sizes, total, &again);
  again.append(view->data().data(), view->data().size());
  const auto second = center::BatchView::Parse(again);
  if (!second.ok() || second->count() != view->count() || second->data() != view->data() ||
      second->header().first_offset != view->header().first_offset ||
      second->header().receive_time_ns != view->header().receive_time_ns) {
    std::abort();
  }
  return 0;
}

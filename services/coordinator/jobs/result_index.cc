#include "services/coordinator/jobs/result_index.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace center::jobs {

void ResultIndex::Add(const StoredPart& part, std::shared_ptr<const std::string> body) {
  if (order_.has_value()) order_->emplace(part.first, dropped_ + entries_.size());
  entries_.push_back({part, results_, std::move(body)});
  results_ += part.count;
  bytes_ += part.bytes;
}

ResultIndex::Entry* ResultIndex::Find(const Position& position, bool skip_holes) {
  if (position.ordered) return FindOrdered(position.at, skip_holes);
  auto after = std::upper_bound(entries_.begin(), entries_.end(), position.at,
                                [](uint64_t at, const Entry& entry) { return at < entry.before; });
  if (after == entries_.begin()) return nullptr;
  --after;
  return after->before == position.at ? &*after : nullptr;
}

ResultIndex::Entry* ResultIndex::FindOrdered(uint64_t index, bool skip_holes) {
  if (!order_.has_value()) BuildOrder();
  const auto next = order_->lower_bound(index);
  if (next == order_->end() || (next->first != index && !skip_holes)) return nullptr;
  return &entries_[next->second - dropped_];
}

void ResultIndex::BuildOrder() {
  order_.emplace();
  for (size_t i = 0; i < entries_.size(); ++i) {
    order_->emplace(entries_[i].part.first, dropped_ + i);
  }
}

Position ResultIndex::After(const Entry& entry, bool ordered) const {
  return {.ordered = ordered,
          .at = ordered ? entry.part.first + entry.part.count : entry.before + entry.part.count};
}

bool ResultIndex::IsBoundary(const Position& position) const {
  if (position.at == 0) return true;
  if (!position.ordered) {
    const auto at =
        std::lower_bound(entries_.begin(), entries_.end(), position.at,
                         [](const Entry& entry, uint64_t value) { return entry.before < value; });
    return at == entries_.end() ? position.at == results_ : at->before == position.at;
  }
  return std::none_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.part.first < position.at && position.at < entry.part.first + entry.part.count;
  });
}

void ResultIndex::ForgetBefore(const Position& position) {
  while (!entries_.empty()) {
    const Entry& front = entries_.front();
    const uint64_t end = After(front, position.ordered).at;
    if (end > position.at) return;
    if (order_.has_value()) order_->erase(front.part.first);
    entries_.pop_front();
    ++dropped_;
  }
}

}  // namespace center::jobs

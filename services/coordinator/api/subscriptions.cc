#include "services/coordinator/api/subscriptions.h"

#include <utility>

#include "services/common/status_macros.h"

namespace center::coordinator {
namespace {

relay::SubscriptionStore::Entry ToRelay(state::SubscriptionRecord record) {
  return {.server = std::move(record.server),
          .name = std::move(record.name),
          .next_offsets = std::move(record.next_offsets),
          .commit_time = record.commit_time};
}

}  // namespace

relay::SubscriptionStore MakeSubscriptionStore(state::Store& store, Clock& clock) {
  using Entry = relay::SubscriptionStore::Entry;
  relay::SubscriptionStore result;
  result.commit = [&store, &clock](absl::string_view server, absl::string_view subscription,
                                   const relay::Offsets& offsets, bool rewind) {
    return store.CommitCursor({.server = std::string(server),
                               .subscription = std::string(subscription),
                               .offsets = offsets,
                               .rewind = rewind,
                               .time = clock.Wall()});
  };
  result.get = [&store](absl::string_view server,
                        absl::string_view subscription) -> absl::StatusOr<Entry> {
    ASSIGN_OR_RETURN(state::SubscriptionRecord record, store.GetCursor(server, subscription));
    return ToRelay(std::move(record));
  };
  result.list = [&store](absl::string_view server, absl::string_view after_name,
                         uint32_t limit) -> absl::StatusOr<std::vector<Entry>> {
    ASSIGN_OR_RETURN(auto records, store.ListSubscriptions(server, after_name, limit));
    std::vector<Entry> entries;
    entries.reserve(records.size());
    for (auto& record : records) entries.push_back(ToRelay(std::move(record)));
    return entries;
  };
  result.remove = [&store](absl::string_view server, absl::string_view subscription) {
    return store.DeleteSubscription(server, subscription);
  };
  return result;
}

}  // namespace center::coordinator

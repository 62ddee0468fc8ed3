// The part of PayloadRelay that keeps subscriptions: runs on the relay's own thread, because the
// store may wait for a disk.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"
#include "services/coordinator/relay/payload_relay.h"

namespace center::relay {
namespace {

constexpr uint32_t kPageSizeDefault = 100;
constexpr uint32_t kPageSizeMax = 1000;
// What the store can keep.
constexpr uint64_t kOffsetMax = std::numeric_limits<int64_t>::max();

absl::Status CheckSubscriptionName(absl::string_view name) {
  absl::Status status = ValidateName("subscription name", name);
  if (status.ok()) return status;
  return rpc::InvalidFields({{"subscription", std::string(status.message())}});
}

void ToCursor(const Offsets& offsets, v1::Cursor* cursor) {
  cursor->mutable_next_offsets()->insert(offsets.begin(), offsets.end());
}

absl::Status SubscriptionNotFound(absl::string_view server, absl::string_view name) {
  return rpc::WithReason(absl::NotFoundError(absl::StrCat("server \"", server,
                                                          "\" has no subscription \"", name, "\"")),
                         "SUBSCRIPTION_NOT_FOUND", {{"server", server}, {"subscription", name}});
}

}  // namespace

// A worker is known when the server has it now, or when the subscription has committed it before: a
// server that was scaled down does not make a reader's cursor wrong.
absl::Status PayloadRelay::CheckWorkers(absl::string_view server,
                                        const v1::CommitCursorRequest& request) const {
  ASSIGN_OR_RETURN(const WorkerDirectory::Snapshot snapshot, directory_.Get(server));
  const auto before = store_.get(server, request.subscription());
  std::vector<rpc::FieldViolation> violations;
  for (const auto& [worker, offset] : request.cursor().next_offsets()) {
    const std::string field = absl::StrCat("cursor.next_offsets[\"", worker, "\"]");
    const bool listed =
        std::any_of(snapshot.workers.begin(), snapshot.workers.end(),
                    [&name = worker](const WorkerEndpoint& known) { return known.worker == name; });
    if (!listed && !(before.ok() && before->next_offsets.count(worker) > 0)) {
      violations.push_back({field, absl::StrCat("server \"", server, "\" has no such worker")});
    } else if (offset > kOffsetMax) {
      violations.push_back({field, absl::StrCat("must be at most ", kOffsetMax)});
    }
  }
  return violations.empty() ? absl::OkStatus() : rpc::InvalidFields(violations);
}

absl::Status PayloadRelay::DoCommit(const v1::CommitCursorRequest& request,
                                    v1::CommitCursorResponse* response) {
  const std::string server = ServerName(request.server());
  RETURN_IF_ERROR(CheckSubscriptionName(request.subscription()));
  RETURN_IF_ERROR(CheckWorkers(server, request));
  const auto& asked = request.cursor().next_offsets();
  ASSIGN_OR_RETURN(const Offsets stored,
                   store_.commit(server, request.subscription(),
                                 Offsets(asked.begin(), asked.end()), request.rewind()));
  ToCursor(stored, response->mutable_cursor());
  if (on_committed_) on_committed_(server);
  return absl::OkStatus();
}

absl::Status PayloadRelay::DoList(const v1::ListSubscriptionsRequest& request,
                                  v1::ListSubscriptionsResponse* response) const {
  const std::string server = ServerName(request.server());
  RETURN_IF_ERROR(directory_.Get(server).status());
  // The token is the last name of the page before: it stays valid whatever happens between.
  if (!request.page_token().empty() && !ValidateName("token", request.page_token()).ok()) {
    return rpc::InvalidFields({{"page_token", "is not one that this list gave"}});
  }
  const uint32_t page_size =
      request.page_size() == 0 ? kPageSizeDefault : std::min(request.page_size(), kPageSizeMax);
  ASSIGN_OR_RETURN(auto entries, store_.list(server, request.page_token(), page_size + 1));
  const bool more = entries.size() > page_size;
  if (more) entries.resize(page_size);
  for (const SubscriptionStore::Entry& entry : entries) {
    v1::Subscription* out = response->add_subscriptions();
    out->set_name(entry.name);
    out->set_server(server);
    ToCursor(entry.next_offsets, out->mutable_cursor());
    const int64_t nanos = absl::ToUnixNanos(entry.commit_time);
    out->mutable_commit_time()->set_seconds(nanos / 1'000'000'000);
    out->mutable_commit_time()->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  }
  if (more) response->set_next_page_token(entries.back().name);
  return absl::OkStatus();
}

absl::Status PayloadRelay::DoDelete(const v1::DeleteSubscriptionRequest& request) {
  const std::string server = ServerName(request.server());
  RETURN_IF_ERROR(directory_.Get(server).status());
  const absl::Status status = store_.remove(server, request.subscription());
  if (absl::IsNotFound(status)) return SubscriptionNotFound(server, request.subscription());
  RETURN_IF_ERROR(status);
  if (on_committed_) on_committed_(server);
  return absl::OkStatus();
}

}  // namespace center::relay

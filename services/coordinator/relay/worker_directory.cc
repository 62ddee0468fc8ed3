#include "services/coordinator/relay/worker_directory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"

namespace center::relay {

WorkerDirectory::Watch::Watch(Watch&& other) noexcept
    : directory_(std::exchange(other.directory_, nullptr)), id_(other.id_) {}

WorkerDirectory::Watch& WorkerDirectory::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    if (directory_ != nullptr) directory_->RemoveWatch(id_);
    directory_ = std::exchange(other.directory_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

WorkerDirectory::Watch::~Watch() {
  if (directory_ != nullptr) directory_->RemoveWatch(id_);
}

void WorkerDirectory::SetServer(absl::string_view server, std::vector<WorkerEndpoint> workers,
                                bool running) {
  std::vector<Callback> watchers;
  {
    absl::MutexLock lock(&mutex_);
    const auto [entry, is_new] = servers_.try_emplace(std::string(server));
    Snapshot snapshot{.workers = std::move(workers), .running = running};
    if (!is_new && entry->second == snapshot) return;
    entry->second = std::move(snapshot);
    watchers = WatchersOf(server);
  }
  for (const Callback& watcher : watchers) (*watcher)();
}

void WorkerDirectory::SetOnWanted(std::function<void(const std::string& server)> on_wanted) {
  on_wanted_ = std::move(on_wanted);
}

void WorkerDirectory::Want(const std::string& server) const {
  if (on_wanted_) on_wanted_(server);
}

void WorkerDirectory::RemoveServer(absl::string_view server) {
  std::vector<Callback> watchers;
  {
    absl::MutexLock lock(&mutex_);
    if (servers_.erase(std::string(server)) == 0) return;
    watchers = WatchersOf(server);
  }
  for (const Callback& watcher : watchers) (*watcher)();
}

absl::StatusOr<WorkerDirectory::Snapshot> WorkerDirectory::Get(absl::string_view server) const {
  {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = servers_.find(server);
    if (found != servers_.end()) return found->second;
  }
  return rpc::WithReason(absl::NotFoundError(absl::StrCat("there is no server \"", server, "\"")),
                         "SERVER_NOT_FOUND", {{"server", server}});
}

WorkerDirectory::Watch WorkerDirectory::AddWatch(absl::string_view server,
                                                 std::function<void()> on_change) {
  absl::MutexLock lock(&mutex_);
  const uint64_t id = next_watch_id_++;
  watchers_[id] = {std::string(server),
                   std::make_shared<const std::function<void()>>(std::move(on_change))};
  return Watch(this, id);
}

void WorkerDirectory::RemoveWatch(uint64_t id) {
  Callback keep;  // destroyed after the lock is released: it may own what calls back here
  absl::MutexLock lock(&mutex_);
  const auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  keep = std::move(found->second.on_change);
  watchers_.erase(found);
}

std::vector<WorkerDirectory::Callback> WorkerDirectory::WatchersOf(absl::string_view server) const {
  std::vector<Callback> callbacks;
  for (const auto& [id, watcher] : watchers_) {
    if (watcher.server == server) callbacks.push_back(watcher.on_change);
  }
  return callbacks;
}

}  // namespace center::relay

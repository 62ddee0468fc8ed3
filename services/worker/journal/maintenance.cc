#include "services/worker/journal/maintenance.h"

#include <algorithm>
#include <utility>

#include "services/common/log.h"
#include "services/common/status_macros.h"
#include "services/worker/journal/layout.h"

namespace center::journal {
namespace {

// Age is looked at no more often than this, whatever the sync interval is.
constexpr absl::Duration kIdleRoundMax = absl::Seconds(1);

}  // namespace

Maintenance::Maintenance(const Options& options, const Dependencies& dependencies, Writer* writer,
                         Retention* retention, std::shared_ptr<SegmentSet> segments,
                         std::vector<std::string> inherited)
    : options_(options),
      dependencies_(dependencies),
      writer_(writer),
      retention_(retention),
      segments_(std::move(segments)),
      inherited_(std::move(inherited)),
      synced_end_(segments_->synced_end()),
      thread_([this] { Run(); }) {}

Maintenance::~Maintenance() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void Maintenance::Notify() {
  const bool sync = options_.durability == Durability::kSynced;
  const bool retention = retention_->OverSize();
  if (!sync && !retention) return;
  absl::MutexLock lock(&mutex_);
  sync_wanted_ |= sync;
  retention_wanted_ |= retention;
}

void Maintenance::NotifyRetention() {
  absl::MutexLock lock(&mutex_);
  retention_wanted_ = true;
}

absl::Status Maintenance::AwaitSynced(uint64_t offset) {
  {
    absl::MutexLock lock(&mutex_);
    if (synced_end_ < offset) sync_wanted_ = true;
    auto done = [this, offset]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return synced_end_ >= offset || failed_ || stop_;
    };
    mutex_.Await(absl::Condition(&done));
    if (synced_end_ >= offset) return absl::OkStatus();
  }
  RETURN_IF_ERROR(writer_->failure());
  return absl::CancelledError("the journal was closed");
}

SyncStats Maintenance::sync_stats() const {
  absl::MutexLock lock(&mutex_);
  return sync_stats_;
}

void Maintenance::Run() {
  absl::Time next_sync = absl::Now() + options_.sync_interval;
  for (;;) {
    bool sync = false;
    {
      absl::MutexLock lock(&mutex_);
      auto work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stop_ || sync_wanted_ || retention_wanted_;
      };
      mutex_.AwaitWithDeadline(absl::Condition(&work),
                               std::min(next_sync, absl::Now() + kIdleRoundMax));
      if (stop_) return;
      sync = std::exchange(sync_wanted_, false);
      retention_wanted_ = false;
    }
    if (sync || absl::Now() >= next_sync) {
      Sync();
      next_sync = absl::Now() + options_.sync_interval;
    }
    Retain();
  }
}

void Maintenance::Sync() {
  if (!writer_->failure().ok()) {  // a failed sync is never repeated
    absl::MutexLock lock(&mutex_);
    failed_ = true;
    return;
  }
  const Writer::Unsynced unsynced = writer_->TakeUnsynced();
  const SteadyTime start = dependencies_.clock->Steady();
  if (absl::Status status = SyncFiles(unsynced); !status.ok()) {
    writer_->Fail(status);
    absl::MutexLock lock(&mutex_);
    failed_ = true;
    return;
  }
  const absl::Duration took = absl::FromChrono(dependencies_.clock->Steady() - start);
  segments_->set_synced_end(unsynced.end_offset);
  const bool publish =
      options_.durability == Durability::kSynced && segments_->visible_end() < unsynced.end_offset;
  if (publish) {
    segments_->set_visible_end(unsynced.end_offset);
    if (dependencies_.on_visible) dependencies_.on_visible(unsynced.end_offset);
  }
  absl::MutexLock lock(&mutex_);
  if (!unsynced.files.empty()) {
    ++sync_stats_.rounds;
    sync_stats_.time += took;
  }
  synced_end_ = unsynced.end_offset;
}

absl::Status Maintenance::SyncFiles(const Writer::Unsynced& unsynced) {
  for (const std::string& name : std::exchange(inherited_, {})) {
    RETURN_IF_ERROR(SyncExisting(*dependencies_.fs, JoinPath(options_.dir, name)));
  }
  for (const auto& file : unsynced.files) {
    RETURN_IF_ERROR(file->Sync());
    // A round takes long when the disk is slow, and then what is too old must go during it.
    if (retention_->OverSize()) Retain();
  }
  if (unsynced.directory) RETURN_IF_ERROR(dependencies_.fs->SyncDirectory(options_.dir));
  return absl::OkStatus();
}

void Maintenance::Retain() {
  if (!writer_->failure().ok()) return;
  if (options_.retain_age > absl::ZeroDuration()) {
    writer_->RollIfBefore(dependencies_.clock->WallNanos() -
                          absl::ToInt64Nanoseconds(options_.retain_age));
  }
  const absl::Status status = retention_->Enforce();
  if (!status.ok() && status.message() != last_complaint_) {
    spdlog::warn("journal: cannot delete old segments: {}", status);
  }
  last_complaint_ = std::string(status.message());
}

absl::Status SyncExisting(FileSystem& fs, const std::string& path) {
  auto file = fs.OpenForWrite(path);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();  // deleted by retention meanwhile
  if (!file.ok()) return file.status();
  return (*file)->Sync();
}

}  // namespace center::journal

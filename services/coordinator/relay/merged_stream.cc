#include "services/coordinator/relay/merged_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/coordinator/relay/message_position.h"

namespace center::relay {
namespace {

absl::Status ServerStopped(absl::string_view server) {
  return rpc::WithReason(
      absl::FailedPreconditionError(absl::StrCat("server \"", server,
                                                 "\" has no running worker: start it with "
                                                 "`centerctl server start ",
                                                 server, "`")),
      "SERVER_STOPPED", {{"server", server}});
}

absl::Status WorkerNotFound(absl::string_view server, absl::string_view worker) {
  return rpc::WithReason(
      absl::NotFoundError(absl::StrCat("server \"", server, "\" has no worker \"", worker, "\"")),
      "WORKER_NOT_FOUND", {{"server", server}, {"worker", worker}});
}

}  // namespace

MergedStream::MergedStream(WorkerDirectory& directory, ChannelCache& channels,
                           std::function<void()> wake, Archives archives)
    : directory_(directory), channels_(channels), wake_(std::move(wake)), archives_(archives) {}

MergedStream::~MergedStream() {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    waiting_ = false;
    EndWith(absl::CancelledError("the stream is gone"), &actions);
  }
  Perform(actions);
}

void MergedStream::SetOnReach(OnReach on_reach) { on_reach_ = std::move(on_reach); }

void MergedStream::Start(StreamPlan plan) {
  plan_ = std::move(plan);
  WorkerDirectory::Watch watch = directory_.AddWatch(plan_.server, [weak = weak_from_this()] {
    if (auto stream = weak.lock()) stream->OnDirectoryChanged();
  });
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    if (end_.has_value()) return;
    watch_ = std::move(watch);
    const absl::Status status = Open(&actions);
    opened_ = true;
    if (status.ok()) {
      EndIfOver(&actions);
    } else {
      EndWith(status, &actions);
    }
  }
  Perform(actions);
}

absl::Status MergedStream::Open(Actions* actions) {
  ASSIGN_OR_RETURN(const WorkerDirectory::Snapshot snapshot, directory_.Get(plan_.server));
  size_t up = 0;
  size_t archived = 0;
  std::string down;
  bool named = plan_.worker.empty();
  for (const WorkerEndpoint& endpoint : snapshot.workers) {
    if (!plan_.worker.empty() && endpoint.worker != plan_.worker) continue;
    named = true;
    if (endpoint.archived) {
      ++archived;
    } else if (endpoint.address.empty()) {
      down = endpoint.worker;
    } else {
      ++up;
    }
  }
  if (!named) return WorkerNotFound(plan_.server, plan_.worker);
  if (up == 0 && !snapshot.running) return ServerStopped(plan_.server);
  if (!plan_.follow) {
    if (up + archived == 0 && down.empty()) return ServerStopped(plan_.server);
    if (archived > 0 && !snapshot.running && WantsThePast(plan_)) {
      return ServerStopped(plan_.server);
    }
    if (!down.empty()) {
      return snapshot.running ? WorkerUnavailable(down, "it is not running at the moment")
                              : ServerStopped(plan_.server);
    }
  }
  Refresh(snapshot, actions);
  return absl::OkStatus();
}

MergedStream::Next MergedStream::Poll() {
  // Once `waiting_` is set and the lock is free, the subscriber may be woken, end, and drop the
  // stream before this returns.
  const std::shared_ptr<MergedStream> self = shared_from_this();
  Next next;
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    for (size_t i = 0; i < lanes_.size(); ++i) {
      const size_t index = (turn_ + i) % lanes_.size();
      Lane& lane = lanes_[index];
      if (!lane.held.has_value()) continue;
      next.what = Next::kMessage;
      next.message.Swap(&*lane.held);
      lane.held.reset();
      turn_ = index + 1;
      if (lane.upstream != nullptr) {
        actions.read = lane.upstream;
      } else {
        CallIfDue(index, &actions);
      }
      break;
    }
    if (next.what != Next::kMessage) {
      if (end_.has_value()) {
        next.what = Next::kEnd;
        next.status = *end_;
      } else {
        waiting_ = true;
      }
    }
  }
  Perform(actions);
  return next;
}

void MergedStream::End(const absl::Status& status) {
  Actions actions;
  std::vector<grpc::ByteBuffer> dropped;  // freed after the lock is released
  {
    absl::MutexLock lock(&mutex_);
    for (Lane& lane : lanes_) {
      if (lane.held.has_value()) dropped.push_back(*std::exchange(lane.held, absl::nullopt));
    }
    EndWith(status, &actions);
  }
  Perform(actions);
}

void MergedStream::OnUpstreamMessage(const Upstream* from, size_t lane_index,
                                     grpc::ByteBuffer* message) {
  absl::StatusOr<absl::optional<uint64_t>> next_offset = absl::optional<uint64_t>();
  // Without follow no call is ever resumed: nothing of the message needs to be looked at.
  if (plan_.follow) next_offset = NextOffsetAfter(*message);
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    Lane& lane = lanes_[lane_index];
    if (lane.upstream.get() != from) return;
    if (!next_offset.ok()) {
      EndWith(absl::InternalError(absl::StrCat("worker ", lane.endpoint.worker, " sent what is ",
                                               next_offset.status().message())),
              &actions);
    } else {
      if (next_offset->has_value()) lane.next_offset = *next_offset;
      lane.failures = 0;
      if (std::exchange(lane.trouble_told, false)) {
        actions.reach = {lane.endpoint, absl::OkStatus()};
      }
      lane.held.emplace().Swap(message);
      Wake(&actions);
    }
  }
  Perform(actions);
}

void MergedStream::OnUpstreamDone(const Upstream* from, size_t lane_index,
                                  const absl::Status& status) {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    Lane& lane = lanes_[lane_index];
    if (lane.upstream.get() != from) return;
    lane.upstream.reset();
    lane.ended = status.ok();
    const bool complete = status.ok() && (!plan_.follow || lane.called.archived);
    if (!complete) AfterFailure(lane_index, status, &actions);
    EndIfOver(&actions);
  }
  Perform(actions);
}

void MergedStream::OnDirectoryChanged() {
  Actions actions;
  {
    absl::MutexLock lock(&mutex_);
    if (!opened_ || end_.has_value()) return;
    // Read under the lock, so that two changes are never applied in the wrong order. A server that
    // is gone is one without workers.
    Refresh(directory_.Get(plan_.server).value_or(WorkerDirectory::Snapshot{}), &actions);
    EndIfOver(&actions);
  }
  Perform(actions);
}

void MergedStream::Refresh(const WorkerDirectory::Snapshot& snapshot, Actions* actions) {
  running_ = snapshot.running;
  for (Lane& lane : lanes_) lane.listed = false;
  for (const WorkerEndpoint& endpoint : snapshot.workers) {
    if (plan_.worker.empty() || endpoint.worker == plan_.worker) RefreshLane(endpoint, actions);
  }
}

void MergedStream::RefreshLane(const WorkerEndpoint& endpoint, Actions* actions) {
  size_t index = 0;
  while (index < lanes_.size() && lanes_[index].endpoint.worker != endpoint.worker) ++index;
  // Without follow, those count that were there at the beginning, and each is called once.
  if (opened_ && !plan_.follow && (index == lanes_.size() || !lanes_[index].awaited)) return;
  if (index == lanes_.size()) lanes_.emplace_back();
  Lane& lane = lanes_[index];
  lane.listed = true;
  lane.endpoint = endpoint;
  if (endpoint.archived && (lane.ended || lane.upstream != nullptr)) return;
  if (endpoint.archived) return AwaitArchived(index, actions);
  if (!endpoint.address.empty() && endpoint != lane.called) {
    // Another process. What the old one's call has not delivered yet, the new one sends again.
    if (lane.upstream != nullptr) actions->close.push_back(std::move(lane.upstream));
    lane.upstream.reset();
    lane.pause.reset();
    lane.failures = 0;
    lane.ended = false;
    lane.awaited = false;
  }
  if (lane.upstream == nullptr && lane.pause == nullptr) lane.wanted = true;
  CallIfDue(index, actions);
}

// Nothing new comes from an archived worker: it is read once, to its end.
void MergedStream::AwaitArchived(size_t index, Actions* actions) {
  Lane& lane = lanes_[index];
  if (!WantsThePast(plan_) && lane.called.address.empty()) {
    lane.ended = true;
    return;
  }
  if (!running_) return;
  if (!lane.awaited) {
    lane.awaited = true;
    actions->want_archived = true;
  } else if (!lane.endpoint.error.empty()) {
    return EndWith(WorkerUnavailable(lane.endpoint.worker, lane.endpoint.error), actions);
  }
  if (lane.endpoint.address.empty()) return;
  lane.awaited = false;
  lane.wanted = true;
  lane.pause.reset();
  CallIfDue(index, actions);
}

void MergedStream::CallIfDue(size_t index, Actions* actions) {
  Lane& lane = lanes_[index];
  if (end_.has_value() || !lane.wanted || lane.upstream != nullptr || lane.held.has_value() ||
      lane.endpoint.address.empty()) {
    return;
  }
  // A stopping server's workers were called when the stream began, or not at all.
  if (opened_ && !running_) return;
  lane.wanted = false;
  lane.called = lane.endpoint;
  lane.upstream = std::make_shared<Upstream>(
      weak_from_this(), index, lane.endpoint,
      RequestFor(plan_, lane.endpoint.worker, lane.next_offset, /*joins_late=*/opened_,
                 /*follow=*/plan_.follow && !lane.endpoint.archived),
      lane.endpoint.archived && archives_ == Archives::kRelayed ? Upstream::Service::kRelay
                                                                : Upstream::Service::kWorker);
  actions->start.push_back(lane.upstream);
}

void MergedStream::EndIfOver(Actions* actions) {
  if (end_.has_value()) return;
  const auto has_ended = [](const Lane& lane) { return lane.ended; };
  const bool all_ended = !lanes_.empty() && std::all_of(lanes_.begin(), lanes_.end(), has_ended);
  if (!plan_.follow) {
    const auto is_awaited = [](const Lane& lane) { return lane.awaited; };
    if (all_ended) {
      EndWith(absl::OkStatus(), actions);
    } else if (!running_ && std::any_of(lanes_.begin(), lanes_.end(), is_awaited)) {
      EndWith(ServerStopped(plan_.server), actions);
    }
    return;
  }
  const auto has_call = [](const Lane& lane) { return lane.upstream != nullptr; };
  if (std::any_of(lanes_.begin(), lanes_.end(), has_call)) return;
  if (!running_) {
    EndWith(all_ended ? absl::OkStatus() : ServerStopped(plan_.server), actions);
  } else if (!plan_.worker.empty() && !lanes_[0].listed) {
    EndWith(WorkerNotFound(plan_.server, plan_.worker), actions);
  }
}

void MergedStream::EndWith(const absl::Status& status, Actions* actions) {
  if (!end_.has_value()) end_ = status;
  for (Lane& lane : lanes_) {
    if (lane.upstream != nullptr) actions->close.push_back(std::move(lane.upstream));
    lane.upstream.reset();
    lane.pause.reset();
  }
  watch_ = WorkerDirectory::Watch();
  Wake(actions);
}

void MergedStream::Wake(Actions* actions) {
  actions->wake = actions->wake || waiting_;
  waiting_ = false;
}

void MergedStream::Perform(const Actions& actions) {
  if (actions.want_archived) directory_.Want(plan_.server);
  for (const auto& upstream : actions.close) upstream->Close();
  for (const auto& upstream : actions.start) upstream->Start(channels_);
  if (actions.read != nullptr) actions.read->Read();
  for (const PauseAction& pause : actions.pause) Pause(pause);
  if (actions.reach.has_value() && on_reach_) {
    on_reach_(actions.reach->first, actions.reach->second);
  }
  if (actions.wake) wake_();
}

}  // namespace center::relay

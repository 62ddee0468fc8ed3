#include "services/coordinator/api/payload_feed.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/payload_batch.h"
#include "services/coordinator/api/job_manager.h"
#include "services/coordinator/api/job_messages.h"

namespace center::coordinator {
namespace {

constexpr SteadyDuration kFeedRetryPause = std::chrono::milliseconds(200);
constexpr uint32_t kFeedMessageBytes = 1 << 20;

}  // namespace

// A cursor of the next offsets ("begun" ones only), its length before it, and one of the ends.
std::string PayloadPlace::Encode() const {
  v1::Cursor next;
  v1::Cursor ends;
  for (const Part& part : parts) {
    if (part.begun) (*next.mutable_next_offsets())[part.worker] = part.next;
    (*ends.mutable_next_offsets())[part.worker] = part.end;
  }
  std::string bytes;
  const std::string front = next.SerializeAsString();
  AppendVarint(front.size(), &bytes);
  return absl::StrCat(bytes, front, ends.SerializeAsString());
}

absl::StatusOr<PayloadPlace> PayloadPlace::Decode(const std::string& bytes) {
  const absl::Status damaged = absl::DataLossError("a job's place in the payloads is damaged");
  uint64_t size = 0;
  size_t at = 0;
  for (int shift = 0;; shift += 7) {
    if (at == bytes.size() || shift > 28) return damaged;
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    size |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  v1::Cursor next;
  v1::Cursor ends;
  if (size > bytes.size() - at || !next.ParseFromString(bytes.substr(at, size)) ||
      !ends.ParseFromString(bytes.substr(at + size))) {
    return damaged;
  }
  PayloadPlace place;
  for (const auto& [worker, end] : ends.next_offsets()) {
    const auto found = next.next_offsets().find(worker);
    const bool begun = found != next.next_offsets().end();
    place.parts.push_back(
        {.worker = worker, .next = begun ? found->second : 0, .begun = begun, .end = end});
  }
  std::sort(place.parts.begin(), place.parts.end(), [](const Part& a, const Part& b) {
    // "s/10" after "s/9".
    return std::pair(a.worker.size(), a.worker) < std::pair(b.worker.size(), b.worker);
  });
  return place;
}

PayloadFeed::PayloadFeed(Dependencies dependencies, jobs::JobId job,
                         const v1::PayloadSource& source, const std::string& place)
    : deps_(std::move(dependencies)), job_(job), source_(source) {
  if (place.empty()) return;
  auto decoded = PayloadPlace::Decode(place);
  if (!decoded.ok()) {
    spdlog::error("job {}: {}", JobName(job), decoded.status());
    return;
  }
  place_ = *std::move(decoded);
  snapshot_ = false;
}

PayloadFeed::~PayloadFeed() {
  if (upstream_ != nullptr) upstream_->Close();
}

JobEntry* PayloadFeed::Job() const {
  JobEntry* job = deps_.manager->Find(JobName(job_));
  return job != nullptr && job->feed.get() == this ? job : nullptr;
}

void PayloadFeed::OnWanted() {
  JobEntry* job = Job();
  if (job == nullptr || reading_ || over_ || deps_.clock->Steady() < retry_at_) return;
  if (upstream_ != nullptr) {
    reading_ = true;
    return upstream_->Read();
  }
  if (Prepare(*job)) Call(*job);
}

// Whether a worker can be called now.
bool PayloadFeed::Prepare(JobEntry& job) {
  const auto snapshot = deps_.directory->Get(source_.server());
  if (!snapshot.ok()) return Retry(job, snapshot.status()), false;
  if (place_.parts.empty()) {
    for (const relay::WorkerEndpoint& worker : snapshot->workers) {
      place_.parts.push_back({.worker = worker.worker});
    }
  }
  if (at_ >= place_.parts.size()) return Advance(job), false;
  return true;
}

void PayloadFeed::Call(JobEntry& job) {
  const PayloadPlace::Part& part = place_.parts[at_];
  const auto snapshot = deps_.directory->Get(source_.server());
  if (!snapshot.ok()) return Retry(job, snapshot.status());
  for (const relay::WorkerEndpoint& worker : snapshot->workers) {
    if (worker.worker != part.worker || worker.address.empty()) continue;
    reading_ = true;
    upstream_ = std::make_shared<relay::Upstream>(weak_from_this(), snapshot_ ? SIZE_MAX : part.end,
                                                  worker, RequestOf(part).SerializeAsString());
    return upstream_->Start(*deps_.channels);
  }
  Retry(job, absl::UnavailableError(absl::StrCat("worker ", part.worker, " is not up")));
}

v1::StreamPayloadsRequest PayloadFeed::RequestOf(const PayloadPlace::Part& part) const {
  v1::StreamPayloadsRequest request;
  request.set_server(source_.server());
  request.set_worker(part.worker);
  request.set_max_message_bytes(kFeedMessageBytes);
  v1::StartPosition& start = *request.mutable_start();
  if (snapshot_) {
    start.set_place(v1::StartPosition::PLACE_LATEST);
    return request;
  }
  if (source_.has_filter()) *request.mutable_filter() = source_.filter();
  if (part.begun) {
    (*start.mutable_cursor()->mutable_next_offsets())[part.worker] = part.next;
  } else if (source_.has_start() && source_.start().position_case() != 0) {
    start = source_.start();
  } else {
    start.set_place(v1::StartPosition::PLACE_EARLIEST);
  }
  return request;
}

// ---- gRPC's threads -------------------------------------------------------------------------

PayloadFeed::Arrived PayloadFeed::Parse(grpc::ByteBuffer* message, uint64_t end) {
  Arrived arrived;
  v1::StreamPayloadsResponse response;
  if (!grpc::SerializationTraits<v1::StreamPayloadsResponse>::Deserialize(message, &response)
           .ok()) {
    arrived.error = absl::InternalError("a worker sent what is no message of payloads");
    return arrived;
  }
  std::vector<uint32_t> sizes;
  std::string data;
  const auto advance = [&arrived](uint64_t next) {
    arrived.next = std::max(arrived.next, next);
    arrived.has_next = true;
  };
  for (const v1::PayloadBatch& batch : response.batches()) {
    if (batch.first_offset() >= end) {
      advance(end);
      break;
    }
    // What came after the job was submitted is cut off.
    const auto count = std::min<uint64_t>(batch.sizes_size(), end - batch.first_offset());
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < count; ++i) {
      sizes.push_back(batch.sizes(static_cast<int>(i)));
      bytes += sizes.back();
    }
    data.append(batch.data(), 0, bytes);
    advance(batch.first_offset() + count);
  }
  if (response.has_gap()) advance(response.gap().to_offset());
  if (response.has_progress()) {
    advance(response.progress().next_offset());
    arrived.journal_end = response.progress().end_offset();
  }
  auto block = jobs::RecordBlock::Make({.sizes = sizes, .data = std::move(data)});
  if (block.ok()) {
    arrived.block = *std::move(block);
  } else {
    arrived.error = block.status();
  }
  return arrived;
}

// The lane is the offset where its part ends.
void PayloadFeed::OnUpstreamMessage(const relay::Upstream* from, size_t lane,
                                    grpc::ByteBuffer* message) {
  deps_.post([weak = weak_from_this(), from, arrived = Parse(message, lane)]() mutable {
    if (auto self = weak.lock()) self->HandleMessage(from, std::move(arrived));
  });
}

void PayloadFeed::OnUpstreamDone(const relay::Upstream* from, size_t /*lane*/,
                                 const absl::Status& status) {
  deps_.post([weak = weak_from_this(), from, status] {
    if (auto self = weak.lock()) self->HandleDone(from, status);
  });
}

// ---- Control thread -------------------------------------------------------------------------

void PayloadFeed::HandleMessage(const relay::Upstream* from, Arrived arrived) {
  JobEntry* job = Job();
  if (job == nullptr || upstream_.get() != from) return;
  reading_ = false;
  if (!arrived.error.ok()) return Retry(*job, arrived.error);
  if (snapshot_) return HandleSnapshot(*job, arrived);
  PayloadPlace::Part& part = place_.parts[at_];
  if (arrived.has_next) {
    part.next = arrived.next;
    part.begun = true;
  }
  std::shared_ptr<const jobs::RecordBlock> block = std::move(arrived.block);
  const uint64_t had = deps_.manager->InputsOf(*job);
  if (source_.limit() != 0 && had + block->count() >= source_.limit()) {
    block = jobs::RecordBlock::Front(*block, source_.limit() - had);
    over_ = true;
  } else if (part.begun && part.next >= part.end) {
    std::exchange(upstream_, nullptr)->Close();
    ++at_;
  }
  const auto self = shared_from_this();  // the job may let go of it
  if (block->count() > 0) {
    deps_.manager->AddInputs(*job, std::move(block), /*store=*/true, place_.Encode());
  }
  if (job->feed.get() != this) return;
  if (over_ || at_ >= place_.parts.size()) return Advance(*job);
  if (deps_.manager->WantsInputs(*job)) OnWanted();
}

void PayloadFeed::HandleSnapshot(JobEntry& job, const Arrived& arrived) {
  place_.parts[at_].end = std::max(arrived.journal_end, arrived.next);
  std::exchange(upstream_, nullptr)->Close();
  if (++at_ < place_.parts.size()) return OnWanted();
  snapshot_ = false;
  at_ = 0;
  // Nothing has been read, and where it ends is known from now on.
  auto nothing = jobs::RecordBlock::Make({});
  deps_.manager->AddInputs(job, *std::move(nothing), /*store=*/true, place_.Encode());
  if (Job() != nullptr && deps_.manager->WantsInputs(job)) OnWanted();
}

void PayloadFeed::HandleDone(const relay::Upstream* from, const absl::Status& status) {
  JobEntry* job = Job();
  if (job == nullptr || upstream_.get() != from) return;
  reading_ = false;
  upstream_.reset();
  if (!status.ok() || snapshot_) return Retry(*job, status);
  // Everything that is kept was sent.
  ++at_;
  OnWanted();
}

// All has been read.
void PayloadFeed::Advance(JobEntry& job) {
  over_ = true;
  const auto self = shared_from_this();
  if (upstream_ != nullptr) std::exchange(upstream_, nullptr)->Close();
  job.feed.reset();
  deps_.manager->CompleteInputs(job);
}

void PayloadFeed::Retry(JobEntry& job, const absl::Status& status) {
  if (upstream_ != nullptr) std::exchange(upstream_, nullptr)->Close();
  reading_ = false;
  if (absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status) ||
      absl::IsUnimplemented(status) || absl::IsDataLoss(status)) {
    const auto self = shared_from_this();
    return deps_.manager->EndJob(job, jobs::JobState::kFailed,
                                 absl::StrCat("its payloads cannot be read: ", status.message()));
  }
  spdlog::debug("job {}: payloads: {}", JobName(job_), status);
  retry_at_ = deps_.clock->Steady() + kFeedRetryPause;
  deps_.manager->WakeLater(job, retry_at_);
}

}  // namespace center::coordinator

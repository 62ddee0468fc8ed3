// Stored payloads as the inputs of a job.
//
// What is there when the job is submitted is read worker after worker, in the order of offsets,
// with the streams that subscribers read. What was read is stored with the place where it ended, so
// that indexes stay what they are, whatever retention deletes meanwhile; a restarted coordinator
// goes on at that place.
//
//     kSnapshot ── every worker has said where its journal ends ──▶ kReading ── all read ──▶ done
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "center/v1/payload.pb.h"
#include "services/coordinator/api/job_entry.h"
#include "services/coordinator/relay/channel_cache.h"
#include "services/coordinator/relay/upstream.h"
#include "services/coordinator/relay/worker_directory.h"

namespace center::coordinator {

class JobManager;

// Where a feed is: for each worker the next offset and the one where it ends.
struct PayloadPlace {
  struct Part {
    std::string worker;
    uint64_t next = 0;
    bool begun = false;  // `next` counts; otherwise the job's start does
    uint64_t end = 0;
  };
  std::vector<Part> parts;  // in the order in which they are read

  std::string Encode() const;
  static absl::StatusOr<PayloadPlace> Decode(const std::string& bytes);
};

// Control thread, but for the callbacks of gRPC, which only parse and post. Held by its job.
class PayloadFeed final : public InputFeed,
                          public relay::Upstream::Listener,
                          public std::enable_shared_from_this<PayloadFeed> {
 public:
  struct Dependencies {
    JobManager* manager;
    relay::WorkerDirectory* directory;
    relay::ChannelCache* channels;
    std::function<void(std::function<void()>)> post;
    Clock* clock;
  };
  // `place`: where an earlier coordinator was; empty: at the beginning.
  PayloadFeed(Dependencies dependencies, jobs::JobId job, const v1::PayloadSource& source,
              const std::string& place);
  ~PayloadFeed() override;

  void OnWanted() override;

 private:
  // What one message held, or that a stream has ended.
  struct Arrived {
    std::shared_ptr<const jobs::RecordBlock> block;
    uint64_t next = 0;  // offset
    bool has_next = false;
    uint64_t journal_end = 0;  // of a snapshot
    absl::Status error;
  };

  // gRPC's threads.
  void OnUpstreamMessage(const relay::Upstream* from, size_t lane,
                         grpc::ByteBuffer* message) override;
  void OnUpstreamDone(const relay::Upstream* from, size_t lane,
                      const absl::Status& status) override;
  static Arrived Parse(grpc::ByteBuffer* message, uint64_t end);

  // Control thread.
  JobEntry* Job() const;
  bool Prepare(JobEntry& job);
  void Call(JobEntry& job);
  v1::StreamPayloadsRequest RequestOf(const PayloadPlace::Part& part) const;
  void HandleMessage(const relay::Upstream* from, Arrived arrived);
  void HandleDone(const relay::Upstream* from, const absl::Status& status);
  void HandleSnapshot(JobEntry& job, const Arrived& arrived);
  void Advance(JobEntry& job);
  void Retry(JobEntry& job, const absl::Status& status);

  const Dependencies deps_;
  const jobs::JobId job_;
  const v1::PayloadSource source_;
  PayloadPlace place_;
  bool snapshot_ = true;  // the ends are being asked for
  size_t at_ = 0;         // the part that is read
  std::shared_ptr<relay::Upstream> upstream_;
  bool reading_ = false;  // a message is on its way
  SteadyTime retry_at_;
  bool over_ = false;
};

}  // namespace center::coordinator

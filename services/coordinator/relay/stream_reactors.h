// The subscriber's side of a stream: gRPC's reactors for StreamPayloads and TailPayloads.
//
// One write is outstanding at a time. The right to act for the subscriber passes from the reactor's
// own callbacks to the merged stream (Poll said kWait) and back (`wake`), and to gRPC (StartWrite)
// and back (OnWriteDone): whoever has it is alone, so no lock is needed here, and Finish is called
// exactly once. gRPC calls OnDone, which deletes the reactor, only after Finish.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "center/v1/payload.pb.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/relay/merged_stream.h"
#include "services/coordinator/relay/stream_registry.h"
#include "services/coordinator/relay/tail_items.h"

namespace center::relay {

// What both have in common. Made by the rpc's handler, which then has the right to act: it calls
// Admit at most once, and then Begin once.
template <typename Response>
class StreamReactor : public grpc::ServerWriteReactor<Response> {
 public:
  StreamReactor(WorkerDirectory& directory, ChannelCache& channels)
      : stream_(std::make_shared<MergedStream>(directory, channels, [this] { GoOn(); })) {}

  const std::shared_ptr<MergedStream>& stream() const { return stream_; }
  void Admit(StreamRegistry::Ticket ticket) { ticket_ = std::move(ticket); }

  // Starts the stream, or finishes the call with the error. The reactor may be gone afterwards.
  void Begin(absl::StatusOr<StreamPlan> plan);

 protected:
  // Writes the next message, finishes, or leaves the turn to the stream.
  virtual void GoOn() = 0;
  void FinishWith(const absl::Status& status);

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  const std::shared_ptr<MergedStream> stream_;
  StreamRegistry::Ticket ticket_;
};

// StreamPayloads: the workers' messages as they are.
class RawStreamReactor final : public StreamReactor<grpc::ByteBuffer> {
 public:
  using StreamReactor::StreamReactor;

 private:
  void GoOn() override;

  grpc::ByteBuffer message_;  // being written
};

// TailPayloads: a message for each payload.
class TailStreamReactor final : public StreamReactor<v1::TailPayloadsResponse> {
 public:
  using StreamReactor::StreamReactor;
  // 0: no limit. Before Begin.
  void set_limit(uint64_t limit) { limit_ = limit; }

 private:
  void GoOn() override;
  void WriteNext();

  TailItems items_;
  v1::TailPayloadsResponse response_;  // being written
  uint64_t limit_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace center::relay

// One subscriber's stream: reads the journal and writes messages, one at a time, for as long as the
// reader keeps up or waits.
//
//                     ┌───────────── OnWriteDone ─────────────┐
//                     ▼                                       │
//   Start ────────▶ RUN ── something to send ──▶ WRITING ─────┘── ok == false ──▶ FINISHED
//                   ▲ │ └─ end, error, cancelled ───────────────────────────────▶ FINISHED
//           Resume  │ ├─ all read ──▶ WAITING (scheduler) ── OnCancel ──────────▶ FINISHED
//                   └─┴─ a slice searched in vain ──▶ YIELDED (scheduler)
//
// Memory: at most one message is under way, and it holds one journal buffer. Exactly one thread,
// gRPC or the scheduler has the stream at a time (see stream_scheduler.h), so it needs no lock of
// its own. It deletes itself in OnDone.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "grpcpp/grpcpp.h"
#include "services/common/clock.h"
#include "services/worker/api/response_builder.h"
#include "services/worker/api/stream_plan.h"
#include "services/worker/api/stream_scheduler.h"
#include "services/worker/journal/journal.h"

namespace center::worker {

class PayloadStream : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                      private StreamScheduler::Stream {
 public:
  // All outlive the stream.
  struct Dependencies {
    const std::string& worker;
    const journal::Journal& journal;
    StreamScheduler& scheduler;
    Clock& clock;
    std::atomic<uint64_t>& streams;  // decremented at the end
  };

  PayloadStream(StreamPlan plan, const Dependencies& dependencies);
  // Once, from the rpc's handler.
  void Start() { Run(); }

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // What a turn of Run leads to.
  enum class Next { kAgain, kLeave };

  void Resume() override { Run(); }
  void Run();
  Next Turn(size_t* searched);
  Next NothingToSend(bool caught_up, size_t searched);
  // Adds what the plan wants of the records.
  absl::Status Collect(const journal::Reader::Result& result, ResponseBuilder* builder);
  void AddProgress(ResponseBuilder* builder);
  void Send(ResponseBuilder builder);
  bool AtStop() const { return !plan_.follow && reader_->next_offset() >= plan_.stop; }

  const StreamPlan plan_;
  const Dependencies dependencies_;
  const std::unique_ptr<journal::Reader> reader_;
  grpc::ByteBuffer message_;  // being written
  SteadyTime last_sent_;
  uint64_t progress_offset_ = UINT64_MAX;  // next_offset as the subscriber was told it last
};

}  // namespace center::worker

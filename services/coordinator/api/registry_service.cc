#include "services/coordinator/api/registry_service.h"

#include <unistd.h>

#include <memory>
#include <string>

#include "absl/types/optional.h"
#include "services/common/rpc/status.h"

namespace center::coordinator {

// One worker's stream. gRPC's threads only post what happened; everything else, every operation on
// the stream too, is the control thread's, so there is no lock.
//
// What is to be written is state, not a queue: a later committed offset replaces an earlier one, so
// a worker that does not read costs nothing. One read is outstanding, and the next begins when the
// control thread has dealt with the one before.
//
// It keeps itself alive until gRPC is done with it.
class RegistryServiceImpl::Line final
    : public WorkerLine,
      public grpc::ServerBidiReactor<v1::RegisterRequest, v1::RegisterResponse>,
      public std::enable_shared_from_this<Line> {
 public:
  Line(Fleet& fleet, const std::function<void(std::function<void()>)>& post)
      : fleet_(fleet), post_(post) {}

  void Begin() {
    self_ = shared_from_this();
    StartRead(&request_);
  }

  // WorkerLine.
  void SendWelcome(const std::string& handover_address) override {
    welcome_ = handover_address;
    Write();
  }
  void SendDrain(bool now) override {
    drain_now_ = now || drain_now_.value_or(false);
    Write();
  }
  void SendCommitted(absl::optional<uint64_t> offset) override {
    committed_ = offset;
    Write();
  }
  void Close(const absl::Status& status) override { End(status); }

  // gRPC's threads.
  void OnReadDone(bool ok) override {
    post_([self = shared_from_this(), ok] { self->HandleRead(ok); });
  }
  void OnWriteDone(bool ok) override {
    post_([self = shared_from_this(), ok] { self->HandleWritten(ok); });
  }
  void OnCancel() override {
    post_([self = shared_from_this()] { self->End(absl::CancelledError("the line broke")); });
  }
  // Nothing of ours may touch the stream any more; the object goes with its last posted task.
  void OnDone() override { self_.reset(); }

 private:
  void HandleRead(bool ok) {
    if (ended_) return;
    if (!ok) return End(absl::OkStatus());
    if (worker_.empty()) {
      if (absl::Status status = Hello(); !status.ok()) return End(status);
    } else if (request_.has_heartbeat()) {
      fleet_.OnHeartbeat(worker_, this, request_.heartbeat());
    } else if (request_.has_event()) {
      fleet_.OnWorkerEvent(worker_, this, request_.event());
    }
    // Dealing with it may have closed the line.
    if (!ended_) StartRead(&request_);
  }

  absl::Status Hello() {
    if (!request_.has_hello() || request_.hello().worker().empty()) {
      return rpc::WithReason(
          rpc::InvalidFields({{"hello", "the first request must be one, with the worker's name"}}),
          "HELLO_MISSING");
    }
    // Set first: registering may answer on this line, or close it.
    worker_ = request_.hello().worker();
    return fleet_.Register(request_.hello(), shared_from_this());
  }

  void HandleWritten(bool ok) {
    writing_ = false;
    // A write that fails is followed by OnCancel, which ends the line.
    if (ok) Write();
  }

  void Write() {
    if (writing_ || ended_) return;
    response_.Clear();
    if (welcome_.has_value()) {
      v1::Welcome& welcome = *response_.mutable_welcome();
      welcome.set_handover_address(*welcome_);
      welcome.set_coordinator_pid(::getpid());
      welcome_.reset();
    } else if (committed_.has_value()) {
      auto* committed = response_.mutable_committed_offset();
      committed->set_has_subscriptions(committed_->has_value());
      committed->set_offset(committed_->value_or(0));
      committed_.reset();
    } else if (drain_now_.has_value()) {
      response_.mutable_drain()->set_now(*drain_now_);
      drain_now_.reset();
    } else {
      return;
    }
    writing_ = true;
    StartWrite(&response_);
  }

  void End(const absl::Status& status) {
    if (ended_) return;
    ended_ = true;
    Finish(rpc::ToGrpc(status));
    if (!worker_.empty()) fleet_.OnLineClosed(worker_, this);
  }

  Fleet& fleet_;
  const std::function<void(std::function<void()>)>& post_;  // the service's
  std::shared_ptr<Line> self_;                              // until OnDone

  // Control thread.
  v1::RegisterRequest request_;
  v1::RegisterResponse response_;
  std::string worker_;  // "": no hello yet
  bool ended_ = false;
  bool writing_ = false;
  absl::optional<std::string> welcome_;  // with the handover address; not sent yet
  absl::optional<bool> drain_now_;
  absl::optional<absl::optional<uint64_t>> committed_;  // not sent yet
};

grpc::ServerBidiReactor<v1::RegisterRequest, v1::RegisterResponse>* RegistryServiceImpl::Register(
    grpc::CallbackServerContext* /*context*/) {
  auto line = std::make_shared<Line>(fleet_, post_);
  line->Begin();
  return line.get();
}

}  // namespace center::coordinator

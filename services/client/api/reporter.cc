#include "services/client/api/reporter.h"

#include <chrono>
#include <utility>

#include "grpcpp/grpcpp.h"
#include "services/common/log.h"
#include "services/common/rpc/status.h"

namespace center::client {
namespace {

// A coordinator that is being restarted is waited for; one that does not answer is asked anew.
constexpr std::chrono::seconds kReportTimeout{5};

}  // namespace

struct Reporter::Call {
  grpc::ClientContext context;
  v1::ReportClientRequest request;
  v1::ReportClientResponse response;
};

Reporter::Reporter(std::shared_ptr<grpc::ChannelInterface> channel, Listener listener)
    : stub_(v1::ClientRegistryService::NewStub(channel)), listener_(std::move(listener)) {}

Reporter::~Reporter() { Flush(absl::ZeroDuration()); }

void Reporter::Report(v1::ReportClientRequest report) {
  Call* call = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    next_ = std::move(report);
    waiting_ = true;
    if (!busy_) call = TakeNext();
  }
  if (call != nullptr) Send(call);
}

Reporter::Call* Reporter::TakeNext() {
  call_.reset();
  busy_ = waiting_ && !unknown_;
  if (!busy_) return nullptr;
  waiting_ = false;
  call_ = std::make_unique<Call>();
  call_->request = std::move(next_);
  return call_.get();
}

void Reporter::Send(Call* call) {
  call->context.set_wait_for_ready(true);
  call->context.set_deadline(std::chrono::system_clock::now() + kReportTimeout);
  stub_->async()->ReportClient(&call->context, &call->request, &call->response,
                               [this, call](const grpc::Status& status) {
                                 // The next call takes the place of this one only in OnAnswer.
                                 if (status.ok()) listener_.on_answer(call->response);
                                 OnAnswer(rpc::FromGrpc(status));
                               });
}

void Reporter::OnAnswer(const absl::Status& status) {
  bool tell = false;
  {
    absl::MutexLock lock(&mutex_);
    if (absl::IsFailedPrecondition(status)) {
      tell = !std::exchange(unknown_, true);
    } else if (!status.ok() && !waiting_) {
      // Not taken: it goes again with the next report (or Flush), not at once.
      next_ = std::move(call_->request);
      waiting_ = true;
      call_.reset();
      busy_ = false;
      return;
    }
  }
  if (tell) {
    spdlog::error("the coordinator does not know this process: {}", status);
    listener_.on_unknown();
  }
  Call* next = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    next = TakeNext();
  }
  // Where there is none, this may be gone by now.
  if (next != nullptr) Send(next);
}

void Reporter::Flush(absl::Duration timeout) {
  Call* call = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    if (!busy_) call = TakeNext();
  }
  if (call != nullptr) Send(call);
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !busy_; };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&idle), timeout);
  unknown_ = true;  // nothing more is sent
  if (call_ != nullptr) call_->context.TryCancel();
  mutex_.Await(absl::Condition(&idle));
}

}  // namespace center::client

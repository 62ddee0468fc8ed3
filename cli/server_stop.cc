#include "cli/server_stop.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/request_id.h"
#include "cli/signals.h"
#include "cli/views.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

// The two calls that may be under way: the gentle stop, and after a second Ctrl-C the hard one.
// Created by main's thread; callbacks come from gRPC's, Interrupt from the signal thread's.
class Stopping {
 public:
  Stopping(Context& context, std::shared_ptr<grpc::Channel> channel, std::string name,
           absl::Duration timeout)
      : context_(context),
        stub_(v1::ServerService::NewStub(channel)),
        name_(std::move(name)),
        timeout_(timeout) {}

  void Send(bool now) ABSL_LOCKS_EXCLUDED(mutex_) {
    Attempt& attempt = now ? hard_ : gentle_;
    {
      absl::MutexLock lock(&mutex_);
      if (attempt.sent || finished_) return;
      attempt.sent = true;
      ++pending_;
    }
    attempt.request.set_name(name_);
    attempt.request.set_now(now);
    attempt.request.set_request_id(NewRequestId());
    Context::SetDeadline(attempt.call, timeout_);
    stub_->async()->StopServer(
        &attempt.call, &attempt.request, &attempt.response,
        [this, &attempt](const grpc::Status& status) { OnDone(attempt, rpc::FromGrpc(status)); });
  }

  void Interrupt(int count) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (count == 1) {
      context_.Warn("\nopen connections may still finish; Ctrl-C again closes them now");
    } else if (count == 2) {
      context_.Warn("\nclosing open connections now; Ctrl-C again leaves the server stopping");
      Send(/*now=*/true);
    } else {
      absl::MutexLock lock(&mutex_);
      interrupted_ = true;
    }
  }

  absl::StatusOr<v1::Server> Wait() ABSL_LOCKS_EXCLUDED(mutex_) {
    const auto done = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return finished_ || interrupted_ || pending_ == 0;
    };
    mutex_.LockWhen(absl::Condition(&done));
    finished_ = true;  // no further call is sent
    mutex_.Unlock();
    gentle_.call.TryCancel();
    hard_.call.TryCancel();
    // The callbacks point here: none may be left.
    const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return pending_ == 0; };
    absl::MutexLock lock(&mutex_, absl::Condition(&idle));
    if (result_.ok()) return server_;
    return interrupted_ ? QuietExit(kExitInterrupted) : result_;
  }

 private:
  struct Attempt {
    grpc::ClientContext call;
    v1::StopServerRequest request;
    v1::StopServerResponse response;
    bool sent = false;
  };

  void OnDone(Attempt& attempt, absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    --pending_;
    if (status.ok()) {
      server_ = attempt.response.server();
      result_ = absl::OkStatus();
      finished_ = true;
    } else if (!finished_) {
      result_ = FromRpc(std::move(status), context_.address());
    }
  }

  Context& context_;
  const std::unique_ptr<v1::ServerService::Stub> stub_;
  const std::string name_;
  const absl::Duration timeout_;
  Attempt gentle_;
  Attempt hard_;
  absl::Mutex mutex_;
  int pending_ ABSL_GUARDED_BY(mutex_) = 0;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status result_ ABSL_GUARDED_BY(mutex_) = absl::UnknownError("no answer");
  v1::Server server_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<v1::Server> StopServer(Context& context, const std::string& name, bool now) {
  std::unique_ptr<Stopping> stopping;
  std::atomic<Stopping*> published{nullptr};
  // Before the first channel: its threads must not take the signals.
  SignalWatcher watcher([&](int count) {
    Stopping* current = published.load();
    if (current == nullptr) std::_Exit(kExitInterrupted);  // nothing was asked for yet
    current->Interrupt(count);
  });
  v1::GetServerRequest get;
  get.set_name(name);
  ASSIGN_OR_RETURN(const auto before,
                   context.Call<v1::ServerService>(&v1::ServerService::Stub::GetServer, get));
  const absl::Duration timeout =
      context.globals().timeout + ToDuration(before.server().spec().drain_timeout());
  ASSIGN_OR_RETURN(const auto channel, context.Channel());
  stopping = std::make_unique<Stopping>(context, channel, name, timeout);
  published.store(stopping.get());
  stopping->Send(now);
  return stopping->Wait();
}

}  // namespace center::cli

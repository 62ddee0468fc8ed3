// gRPC: whoever is told that an operation is done has seen what was done before it began; OnDone
// has seen all that was done for its call, and who has shut a server down what was done for each. A
// server that has a call has seen what its client did before, and a client that has the status of a
// call what its server did before: ThreadSanitizer follows what a thread sends itself, but gRPC may
// leave the sending to another.
//
// An operation is told apart by its tag: in the callback API the functor to run, else what the
// completion queue returns.
#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>
#include <stdint.h>

#include <algorithm>

#include "grpcpp/server.h"
#include "grpcpp/support/callback_common.h"
#include "grpcpp/support/server_callback.h"
#include "tests/tsan/next.h"

namespace {

char asked;  // only their addresses matter
char answered;

bool Has(grpc_op_type type, const grpc_op* ops, size_t count) {
  return std::any_of(ops, ops + count, [type](const grpc_op& op) { return op.op == type; });
}

}  // namespace

uint8_t grpc_call_is_client(grpc_call* call);  // exported, but in no public header

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count,
                                                 void* tag, void* reserved) {
  static auto* const next = center::tsan::Next<decltype(grpc_call_start_batch)>();
  __tsan_release(tag);
  if (grpc_call_is_client(call) != 0) {
    if (Has(GRPC_OP_SEND_INITIAL_METADATA, ops, count)) __tsan_release(&asked);
  } else {
    // A server asks to be told of the end of a call before it handles it.
    if (Has(GRPC_OP_RECV_CLOSE_ON_SERVER, ops, count)) __tsan_acquire(&asked);
    if (Has(GRPC_OP_SEND_STATUS_FROM_SERVER, ops, count)) __tsan_release(&answered);
  }
  return next(call, ops, count, tag, reserved);
}

extern "C" grpc_event grpc_completion_queue_next(grpc_completion_queue* queue,
                                                 gpr_timespec deadline, void* reserved) {
  static auto* const next = center::tsan::Next<decltype(grpc_completion_queue_next)>();
  const grpc_event event = next(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

extern "C" grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                                  gpr_timespec deadline, void* reserved) {
  static auto* const next = center::tsan::Next<decltype(grpc_completion_queue_pluck)>();
  const grpc_event event = next(queue, tag, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) {
    __tsan_acquire(event.tag);
    __tsan_acquire(&answered);  // calls that block until they have their status
  }
  return event;
}

namespace grpc::internal {

// In place of the private StaticRun of each, an inline function of the header: a definition that is
// not inline precedes those that are.
void RunStatusTag(grpc_completion_queue_functor* functor, int ok) asm(
    "_ZN4grpc8internal21CallbackWithStatusTag9StaticRunEP29grpc_completion_queue_functori");
void RunSuccessTag(grpc_completion_queue_functor* functor, int ok) asm(
    "_ZN4grpc8internal22CallbackWithSuccessTag9StaticRunEP29grpc_completion_queue_functori");

void RunStatusTag(grpc_completion_queue_functor* functor, int) {
  __tsan_acquire(functor);
  __tsan_acquire(&answered);
  auto* const tag = static_cast<CallbackWithStatusTag*>(functor);
  tag->force_run(*tag->status_ptr());  // "ok" is always true for an operation that ends a call
}

void RunSuccessTag(grpc_completion_queue_functor* functor, int ok) {
  __tsan_acquire(functor);
  static_cast<CallbackWithSuccessTag*>(functor)->force_run(ok != 0);
}

// ---- Servers ----------------------------------------------------------------------------------

// OnDone follows every reaction: each has given up its reference (in headers, which ThreadSanitizer
// sees, but for OnCancel) before OnDone is scheduled.
void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static auto* const next = center::tsan::Next<void(ServerCallbackCall*, bool)>();
  __tsan_acquire(&callbacks_outstanding_);
  next(this, inline_ondone);
}

namespace {

class CancelledReactor final : public ServerReactor {
 public:
  CancelledReactor(ServerReactor* reactor, void* references)
      : reactor_(reactor), references_(references) {}
  void OnDone() override {}
  void OnCancel() override {
    reactor_->OnCancel();
    __tsan_release(references_);
    delete this;
  }
  bool InternalInlineable() override { return reactor_->InternalInlineable(); }

 private:
  ServerReactor* const reactor_;
  void* const references_;
};

}  // namespace

void ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  static auto* const next = center::tsan::Next<void(ServerCallbackCall*, ServerReactor*)>();
  next(this, new CancelledReactor(reactor, &callbacks_outstanding_));
}

}  // namespace grpc::internal

namespace grpc {

// Shutdown() returns when every call has let go of the server.
void Server::UnrefWithPossibleNotify() {
  static auto* const next = center::tsan::Next<void(Server*)>();
  __tsan_release(this);
  next(this);
}

void Server::UnrefAndWaitLocked() {
  static auto* const next = center::tsan::Next<void(Server*)>();
  next(this);
  __tsan_acquire(this);
}

}  // namespace grpc

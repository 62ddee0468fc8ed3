#include "services/coordinator/relay/stream_reactors.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/rpc/status.h"

namespace center::relay {

template <typename Response>
void StreamReactor<Response>::Begin(absl::StatusOr<StreamPlan> plan) {
  if (!plan.ok()) {
    FinishWith(plan.status());
    return;
  }
  stream_->Start(*std::move(plan));
  GoOn();
}

template <typename Response>
void StreamReactor<Response>::FinishWith(const absl::Status& status) {
  stream_->End(status);
  this->Finish(rpc::ToGrpc(status));
}

template <typename Response>
void StreamReactor<Response>::OnWriteDone(bool ok) {
  if (!ok) {
    FinishWith(absl::CancelledError("the subscriber is gone"));
    return;
  }
  GoOn();
}

template <typename Response>
void StreamReactor<Response>::OnCancel() {
  // Not this thread's turn to act. The stream's end reaches whoever has it: a waiting stream wakes
  // the reactor, a write that is under way fails.
  stream_->End(absl::CancelledError("the subscriber is gone"));
}

template <typename Response>
void StreamReactor<Response>::OnDone() {
  delete this;
}

template class StreamReactor<grpc::ByteBuffer>;
template class StreamReactor<v1::TailPayloadsResponse>;

void RawStreamReactor::GoOn() {
  message_.Clear();
  MergedStream::Next next = stream()->Poll();
  switch (next.what) {
    case MergedStream::Next::kWait:
      return;  // nothing of this object may be touched any more
    case MergedStream::Next::kEnd:
      FinishWith(next.status);
      return;
    case MergedStream::Next::kMessage:
      message_.Swap(&next.message);
      StartWrite(&message_);
      return;
  }
}

void TailStreamReactor::GoOn() {
  while (!items_.HasNext()) {
    const MergedStream::Next next = stream()->Poll();
    if (next.what == MergedStream::Next::kWait) return;
    if (next.what == MergedStream::Next::kEnd) {
      FinishWith(next.status);
      return;
    }
    if (const absl::Status status = items_.Load(next.message); !status.ok()) {
      FinishWith(absl::InternalError(absl::StrCat("a worker sent what is ", status.message())));
      return;
    }
  }
  WriteNext();
}

void TailStreamReactor::WriteNext() {
  items_.Next(&response_);
  if (response_.has_payload()) ++sent_;
  if (limit_ != 0 && sent_ == limit_) {
    // The last one: the workers are let go of at once.
    stream()->End(absl::OkStatus());
    StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
    return;
  }
  // Without a buffer hint, though more may follow at once: gRPC 1.51 writes nothing any more when a
  // stream of hinted messages has used up its flow control window.
  StartWrite(&response_);
}

}  // namespace center::relay

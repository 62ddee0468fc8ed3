// One stream of messages from one worker, as raw bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "services/coordinator/relay/channel_cache.h"
#include "services/coordinator/relay/worker_directory.h"

namespace center::relay {

// A call of WorkerService.StreamPayloads (or of PayloadService's, which answers alike) that reads
// one message at a time, when told to.
//
//   made ─Start─▶ reading ─message─▶ idle ─Read─▶ reading … ─end─▶ done
//                    └───────────── Close (any time) ──────────────▶ done
//
// Thread-safe. The call keeps the object alive until gRPC has let go of it, so its owner may drop
// it after Close or OnUpstreamDone. The listener is called on gRPC's threads with no lock held. A
// call that was under way when Close was called may still arrive after it: the listener compares
// `from` with the upstream that it waits for.
class Upstream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                       public std::enable_shared_from_this<Upstream> {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // One message, for the listener to take by Swap (gRPC's ByteBuffer does not move); the next
    // comes after Read.
    virtual void OnUpstreamMessage(const Upstream* from, size_t lane,
                                   grpc::ByteBuffer* message) = 0;
    // The end; not called after Close.
    virtual void OnUpstreamDone(const Upstream* from, size_t lane, const absl::Status& status) = 0;
  };

  // What is called at the endpoint's address: the worker's own service, or a coordinator's.
  enum class Service { kWorker, kRelay };

  // `lane` is for the listener. `request` is a serialised StreamPayloadsRequest.
  Upstream(std::weak_ptr<Listener> listener, size_t lane, WorkerEndpoint endpoint,
           const std::string& request, Service service = Service::kWorker);

  // Makes the call and starts the first read. Once; does nothing after Close.
  void Start(ChannelCache& channels);
  // Starts the next read. REQUIRES: a message was delivered since the last read. Does nothing after
  // Close.
  void Read();
  // Cancels the call. May be repeated.
  void Close();

 private:
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const std::weak_ptr<Listener> listener_;
  const size_t lane_;
  const WorkerEndpoint endpoint_;
  const grpc::ByteBuffer request_;
  const char* const method_;
  std::unique_ptr<grpc::GenericStub> stub_;  // keeps the channel
  grpc::ClientContext context_;
  grpc::ByteBuffer message_;  // owned by the read that is under way

  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  // The hold lets Read be called from outside the call's own callbacks; released exactly once, by
  // whoever knows that no read will follow.
  bool holding_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Upstream> self_;  // from Start until OnDone
};

}  // namespace center::relay

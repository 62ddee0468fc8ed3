// Where a server's StreamPayloadsResponses come from, one after the other, as bytes.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "center/v1/payload.pb.h"
#include "cli/context.h"
#include "grpcpp/grpcpp.h"

namespace center::cli {

// Next and Finish on one thread; Cancel on any.
class PayloadSource {
 public:
  virtual ~PayloadSource() = default;
  // False: there are no more, call Finish.
  virtual bool Next(grpc::ByteBuffer* message) = 0;
  // How it ended, as it was said there (not yet passed through FromRpc).
  virtual absl::Status Finish() = 0;
  virtual void Cancel() = 0;
};

// Through the coordinator, which passes on what the workers send.
std::unique_ptr<PayloadSource> RelayedPayloads(std::shared_ptr<grpc::Channel> channel,
                                               const v1::StreamPayloadsRequest& request);

enum class Route { kRelayed, kDirect };

// The same messages, on either route. Errors: the coordinator's address is none.
absl::StatusOr<std::unique_ptr<PayloadSource>> OpenPayloads(
    Context& context, const v1::StreamPayloadsRequest& request, Route route);

}  // namespace center::cli

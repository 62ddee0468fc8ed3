#include "cli/payload_source.h"

#include <utility>

#include "center/v1/payload.grpc.pb.h"  // how gRPC serialises the request
#include "cli/direct_payloads.h"
#include "cli/tls.h"
#include "grpcpp/support/sync_stream.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr char kRelayMethod[] = "/center.v1.PayloadService/StreamPayloads";

// One call of PayloadService.StreamPayloads.
class Relayed final : public PayloadSource {
 public:
  Relayed(std::shared_ptr<grpc::Channel> channel, const v1::StreamPayloadsRequest& request)
      : channel_(std::move(channel)) {
    // What a generated stub does, but with bytes instead of a message as the answer.
    static const grpc::internal::RpcMethod method(kRelayMethod,
                                                  grpc::internal::RpcMethod::SERVER_STREAMING);
    reader_.reset(grpc::internal::ClientReaderFactory<grpc::ByteBuffer>::Create(
        channel_.get(), method, &call_, request));
  }

  bool Next(grpc::ByteBuffer* message) override { return reader_->Read(message); }
  absl::Status Finish() override { return rpc::FromGrpc(reader_->Finish()); }
  void Cancel() override { call_.TryCancel(); }

 private:
  grpc::ClientContext call_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>> reader_;
};

}  // namespace

std::unique_ptr<PayloadSource> RelayedPayloads(std::shared_ptr<grpc::Channel> channel,
                                               const v1::StreamPayloadsRequest& request) {
  return std::make_unique<Relayed>(std::move(channel), request);
}

absl::StatusOr<std::unique_ptr<PayloadSource>> OpenPayloads(
    Context& context, const v1::StreamPayloadsRequest& request, Route route) {
  ASSIGN_OR_RETURN(auto channel, context.Channel());
  if (route == Route::kRelayed) return RelayedPayloads(std::move(channel), request);
  const auto connect = [globals = context.globals(),
                        dependencies = context.dependencies()](const NetAddress& address) {
    // The files were good when the coordinator was connected to.
    auto made = ConnectTo(globals, dependencies, address);
    return made.ok() ? *std::move(made) : dependencies.connect(address);
  };
  return DirectPayloads({.coordinator = std::move(channel),
                         .address = context.address(),
                         .connect = connect,
                         .tell = [&context](const std::string& line) { context.Warn(line); }},
                        request);
}

}  // namespace center::cli

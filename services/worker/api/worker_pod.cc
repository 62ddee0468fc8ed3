// What a worker does differently where others send producers to it, as to a pod.
#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/rpc/server.h"
#include "services/worker/api/worker.h"

namespace center::worker {

void Worker::EndSoon(absl::string_view why) {
  // Nobody is sent to a worker that takes no producers.
  if (flags_.lame_duck <= absl::ZeroDuration() || ingest_ == nullptr || state_ != State::kReady) {
    return Drain(/*now=*/false, why);
  }
  spdlog::info("not ready from now on, accepts for {} still: {}",
               absl::FormatDuration(flags_.lame_duck), why);
  state_ = State::kLameDuck;
  lame_until_ = clock_.Steady() + absl::ToChronoNanoseconds(flags_.lame_duck);
  rpc::SetServing(*server_.server, false);
  SendHeartbeat();
}

NetAddress Worker::AdvertisedAddress() const {
  const NetAddress& bound = server_.addresses.front();
  if (!flags_.advertise.has_value()) return bound;
  NetAddress told = *flags_.advertise;
  if (told.port == 0) told.port = bound.port;
  return told;
}

}  // namespace center::worker

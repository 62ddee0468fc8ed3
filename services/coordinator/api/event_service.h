// EventService for gRPC: streams of events.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <utility>

#include "center/v1/event.grpc.pb.h"
#include "services/coordinator/api/event_log.h"

namespace center::coordinator {

inline constexpr size_t kEventStreamsMax = 1000;

// Shut the server down, with the control thread still running, before this is destroyed.
class EventServiceImpl final : public v1::EventService::CallbackService {
 public:
  EventServiceImpl(EventLog& events, std::function<void(std::function<void()>)> post)
      : events_(events), post_(std::move(post)) {}

  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request) override;

  // Ends all streams with UNAVAILABLE and refuses new ones. Control thread.
  void EndStreams();

 private:
  class Stream;

  EventLog& events_;
  const std::function<void(std::function<void()>)> post_;
  // Control thread.
  std::set<std::shared_ptr<Stream>> streams_;
  bool stopping_ = false;
};

}  // namespace center::coordinator

// Calls that may be repeated: a call with the request_id of an earlier one answers as that one did,
// and while that one is under way it waits for the same answer.
//
// Remembered, across restarts too, is what had an effect: success, and ABORTED (started, and failed
// then). A call that was refused left nothing behind and is tried anew.
//
// Control thread only.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "center/v1/server.pb.h"
#include "services/common/clock.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

using ServerAnswer = std::function<void(const absl::StatusOr<v1::Server>&)>;

class RequestLog {
 public:
  RequestLog(state::Store& store, Clock& clock) : store_(store), clock_(clock) {}

  // Answers from memory, or runs `operation`, which must call what it is given exactly once, now or
  // later. An empty request_id: always runs.
  void Run(absl::string_view method, absl::string_view request_id, ServerAnswer answer,
           const std::function<void(ServerAnswer)>& operation);

 private:
  void Finish(const std::string& key, const absl::StatusOr<v1::Server>& result);

  state::Store& store_;
  Clock& clock_;
  std::map<std::string, std::vector<ServerAnswer>> under_way_;
};

// The remembered form of an answer: a serialised google.rpc.Status, whose details hold the server
// of a success. DataLoss when it cannot be read.
std::string EncodeAnswer(const absl::StatusOr<v1::Server>& result);
absl::StatusOr<v1::Server> DecodeAnswer(absl::string_view bytes);

}  // namespace center::coordinator

// Calls that may be repeated: a call with the request_id of an earlier one answers as that one did,
// and while that one is under way it waits for the same answer.
//
// Remembered, across restarts too, is what had an effect: success, and ABORTED (started, and failed
// then). A call that was refused left nothing behind and is tried anew.
//
// An id belongs to one request: with another one it is refused, because the answer would be about
// something that was not asked for.
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

  struct Call {
    absl::string_view method;
    absl::string_view request_id;
    std::string request;  // serialised
  };
  // Answers from memory, or runs `operation`, which must call what it is given exactly once, now or
  // later. An empty request_id: always runs. InvalidArgument when the id is that of another
  // request.
  void Run(const Call& call, ServerAnswer answer,
           const std::function<void(ServerAnswer)>& operation);

 private:
  struct UnderWay {
    std::string request;
    std::vector<ServerAnswer> answers;
  };

  void Finish(const std::string& key, const absl::StatusOr<v1::Server>& result);

  state::Store& store_;
  Clock& clock_;
  std::map<std::string, UnderWay> under_way_;
};

// The remembered form of an answer: a serialised google.rpc.Status. The first of its details is the
// request; the others are the server of a success, or those of the error.
struct RememberedAnswer {
  std::string request;
  absl::StatusOr<v1::Server> result;
};
std::string EncodeAnswer(const std::string& request, const absl::StatusOr<v1::Server>& result);
// DataLoss when it cannot be read.
absl::StatusOr<RememberedAnswer> DecodeAnswer(absl::string_view bytes);

}  // namespace center::coordinator

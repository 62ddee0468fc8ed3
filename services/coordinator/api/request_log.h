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
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "center/v1/server.pb.h"
#include "google/protobuf/any.pb.h"
#include "services/common/clock.h"
#include "services/coordinator/state/store.h"

namespace center::coordinator {

template <typename Result>
using Answer = std::function<void(const absl::StatusOr<Result>&)>;
using ServerAnswer = Answer<v1::Server>;

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
  // Result is a message. `operation` is called with an Answer<Result>, before Run returns.
  template <typename Result, typename Operation>
  void Run(const Call& call, Answer<Result> answer, const Operation& operation) {
    if (call.request_id.empty()) return operation(std::move(answer));
    RunOnce(
        call,
        [answer = std::move(answer)](const Packed& packed) { answer(Unpack<Result>(packed)); },
        [&operation](PackedAnswer finish) {
          operation(
              Answer<Result>([finish = std::move(finish)](const absl::StatusOr<Result>& result) {
                finish(Pack(result));
              }));
        });
  }

 private:
  using Packed = absl::StatusOr<google::protobuf::Any>;
  using PackedAnswer = std::function<void(const Packed&)>;
  struct UnderWay {
    std::string request;
    std::vector<PackedAnswer> answers;
  };

  template <typename Result>
  static Packed Pack(const absl::StatusOr<Result>& result) {
    if (!result.ok()) return result.status();
    google::protobuf::Any packed;
    packed.PackFrom(*result);
    return packed;
  }
  template <typename Result>
  static absl::StatusOr<Result> Unpack(const Packed& packed) {
    if (!packed.ok()) return packed.status();
    Result result;
    if (!packed->UnpackTo(&result)) {
      return absl::DataLossError("the remembered answer is that of another call");
    }
    return result;
  }

  void RunOnce(const Call& call, PackedAnswer answer,
               const std::function<void(PackedAnswer)>& operation);
  void Finish(const std::string& key, const Packed& result);

  state::Store& store_;
  Clock& clock_;
  std::map<std::string, UnderWay> under_way_;
};

// The remembered form of an answer: a serialised google.rpc.Status. The first of its details is the
// request; the others are the message of a success, or those of the error.
struct RememberedAnswer {
  std::string request;
  absl::StatusOr<google::protobuf::Any> result;
};
std::string EncodeAnswer(const std::string& request,
                         const absl::StatusOr<google::protobuf::Any>& result);
// DataLoss when it cannot be read.
absl::StatusOr<RememberedAnswer> DecodeAnswer(absl::string_view bytes);

}  // namespace center::coordinator

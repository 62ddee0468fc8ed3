// Calls that give up waiting before what they wait for has ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "services/common/clock.h"
#include "services/coordinator/api/request_log.h"

namespace center::coordinator {

// When to give up on a call, a little before the caller does: the answer then says more than the
// caller's own "deadline exceeded". SteadyTime::max() when the caller waits for ever.
SteadyTime AnswerBy(std::chrono::system_clock::time_point deadline);

// Makes answers that are given once: by what they wait for, or, at their deadline, by
// DEADLINE_EXCEEDED. What was waited for goes on, and its late answer is dropped.
//
// Control thread only. Must outlive the answers that it makes.
class CallDeadlines {
 public:
  // `arm_timer`: Expire is to be called at this time at the latest.
  explicit CallDeadlines(std::function<void(SteadyTime)> arm_timer)
      : arm_timer_(std::move(arm_timer)) {}

  // `describe` says for people what goes on, when the deadline has passed.
  template <typename Result>
  Answer<Result> Limit(SteadyTime deadline, std::function<std::string()> describe,
                       Answer<Result> answer) {
    if (deadline == SteadyTime::max()) return answer;
    auto shared = std::make_shared<Answer<Result>>(std::move(answer));
    const Key key = Add(deadline, [shared, describe = std::move(describe)] {
      (*shared)(absl::DeadlineExceededError(describe()));
    });
    return [this, key, shared](const absl::StatusOr<Result>& result) {
      if (Remove(key)) (*shared)(result);
    };
  }

  // Answers what is over; returns when the next one is (SteadyTime::max(): none).
  SteadyTime Expire(SteadyTime now);

 private:
  using Key = std::pair<SteadyTime, uint64_t>;

  Key Add(SteadyTime deadline, std::function<void()> expire);
  // False: it has been answered.
  bool Remove(const Key& key) { return waiting_.erase(key) > 0; }

  const std::function<void(SteadyTime)> arm_timer_;
  std::map<Key, std::function<void()>> waiting_;
  uint64_t last_id_ = 0;
};

}  // namespace center::coordinator

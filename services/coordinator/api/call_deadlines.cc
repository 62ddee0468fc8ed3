#include "services/coordinator/api/call_deadlines.h"

#include <algorithm>

namespace center::coordinator {
namespace {

// Deadlines farther away than this are none.
constexpr auto kDeadlineMax = std::chrono::hours(24);
constexpr auto kAnswerMargin = std::chrono::milliseconds(100);

}  // namespace

SteadyTime AnswerBy(std::chrono::system_clock::time_point deadline) {
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > kDeadlineMax) return SteadyTime::max();
  const auto margin = std::min<std::chrono::nanoseconds>(kAnswerMargin, left / 10);
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<SteadyDuration>(left - margin);
}

CallDeadlines::Key CallDeadlines::Add(SteadyTime deadline, std::function<void()> expire) {
  const Key key{deadline, ++last_id_};
  waiting_[key] = std::move(expire);
  arm_timer_(deadline);
  return key;
}

SteadyTime CallDeadlines::Expire(SteadyTime now) {
  while (!waiting_.empty() && waiting_.begin()->first.first <= now) {
    const auto call = waiting_.extract(waiting_.begin());
    call.mapped()();
  }
  return waiting_.empty() ? SteadyTime::max() : waiting_.begin()->first.first;
}

}  // namespace center::coordinator

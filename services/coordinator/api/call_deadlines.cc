#include "services/coordinator/api/call_deadlines.h"

namespace center::coordinator {

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

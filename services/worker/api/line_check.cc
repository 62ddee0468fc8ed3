#include "services/worker/api/line_check.h"

#include <chrono>
#include <utility>

#include "services/common/log.h"
#include "services/common/rpc/tls_probe.h"

namespace center::worker {
namespace {

constexpr std::chrono::seconds kPatience{2};
constexpr std::chrono::seconds kInterval{15};

}  // namespace

LineCheck::LineCheck(NetAddress coordinator, rpc::TlsFiles tls)
    : coordinator_(std::move(coordinator)), tls_(std::move(tls)) {}

LineCheck::~LineCheck() {
  if (thread_.joinable()) thread_.join();
}

void LineCheck::OnAlone(SteadyTime since, SteadyTime now) {
  if (coordinator_.is_unix || now - since < kPatience || now < next_ || busy_) return;
  if (thread_.joinable()) thread_.join();
  next_ = now + kInterval;
  busy_ = true;
  thread_ = std::thread([this] {
    Run();
    busy_ = false;
  });
}

void LineCheck::Run() {
  const absl::Status found = rpc::ProbeConnection(coordinator_, tls_);
  const std::string trouble(found.message());
  if (!found.ok() && trouble != told_) {
    spdlog::warn("there is no line to the coordinator: {}; the worker goes on without", trouble);
  }
  told_ = trouble;
}

}  // namespace center::worker

#include "services/coordinator/api/orphan_reaper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "services/common/log.h"
#include "services/coordinator/api/process_identity.h"

namespace center::coordinator {
namespace {

// A worker that has drained still flushes its journal.
constexpr absl::Duration kFlushTime = absl::Seconds(2);

bool SendSignal(const ScopedFd& pidfd, int signal) {
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

void Wake(const ScopedFd& wake) {
  const uint64_t one = 1;
  // It fails only when the counter is full, and then the thread is awake anyway.
  if (::write(wake.get(), &one, sizeof one) < 0) return;
}

}  // namespace

OrphanReaper::OrphanReaper(std::function<void(std::function<void()>)> post)
    : post_(std::move(post)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

OrphanReaper::~OrphanReaper() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    thread = std::move(thread_);
  }
  Wake(wake_);
  if (thread.joinable()) thread.join();
}

bool OrphanReaper::End(const state::ProcessRecord& process, absl::Duration grace,
                       std::function<void()> ended) {
  ScopedFd pidfd = OpenProcess(process);
  if (!pidfd.valid()) return false;
  if (!SendSignal(pidfd, SIGTERM)) return false;
  const auto wait = absl::ToChronoNanoseconds(grace + kFlushTime);
  absl::MutexLock lock(&mutex_);
  added_.push_back({.worker = process.worker,
                    .pid = process.pid,
                    .pidfd = std::move(pidfd),
                    .kill_time = std::chrono::steady_clock::now() + wait,
                    .ended = std::move(ended)});
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  Wake(wake_);
  return true;
}

bool OrphanReaper::TakeAdded(std::vector<Orphan>* orphans) {
  absl::MutexLock lock(&mutex_);
  std::move(added_.begin(), added_.end(), std::back_inserter(*orphans));
  added_.clear();
  return !stopping_;
}

void OrphanReaper::Run() {
  std::vector<Orphan> orphans;
  while (TakeAdded(&orphans)) {
    std::vector<pollfd> polled = {{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    SteadyTime deadline = SteadyTime::max();
    for (const Orphan& orphan : orphans) {
      polled.push_back({.fd = orphan.pidfd.get(), .events = POLLIN, .revents = 0});
      deadline = std::min(deadline, orphan.kill_time);
    }
    int timeout_ms = -1;
    if (deadline != SteadyTime::max()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      timeout_ms = static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000));
    }
    if (::poll(polled.data(), polled.size(), timeout_ms) < 0 && errno != EINTR) {
      spdlog::error("waiting for earlier workers: {}", ErrnoStatus(errno, "poll"));
    }
    uint64_t count = 0;
    // Empty unless somebody woke us; either way it is read now.
    if (::read(wake_.get(), &count, sizeof count) < 0) count = 0;
    std::vector<Orphan> living;
    for (size_t i = 0; i < orphans.size(); ++i) {
      Orphan& orphan = orphans[i];
      if ((polled[i + 1].revents & POLLIN) != 0) {
        post_(std::move(orphan.ended));
        continue;
      }
      if (orphan.kill_time <= std::chrono::steady_clock::now()) {
        spdlog::warn("worker {}: process {} of an earlier coordinator did not end in time: killed",
                     orphan.worker, orphan.pid);
        SendSignal(orphan.pidfd, SIGKILL);
        orphan.kill_time = SteadyTime::max();
      }
      living.push_back(std::move(orphan));
    }
    orphans = std::move(living);
  }
}

}  // namespace center::coordinator

#include "services/coordinator/api/archive_readers.h"

#include <algorithm>
#include <csignal>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/common/text.h"
#include "services/coordinator/supervision/supervisor.h"

namespace center::coordinator {
namespace {

std::string DescribeReaderExit(const supervision::ProcessExit& exit) {
  std::string text = exit.signal != 0 ? absl::StrCat("was killed by signal ", exit.signal)
                                      : absl::StrCat("exited with code ", exit.exit_code);
  const std::string words = Printable(exit.stderr_tail, 1024);
  return words.empty() ? text : absl::StrCat(text, "; it wrote: ", words);
}

}  // namespace

void ArchiveReaders::Want(const Slot& slot) {
  Reader& reader = readers_[slot];
  if (reader.pid != 0) return;
  const uint64_t launch_id = ++last_launch_id_;
  const auto token = supervision::NewToken();
  if (!token.ok()) {
    reader.view.error = std::string(token.status().message());
    return deps_.on_change(slot.server);
  }
  auto on_exit = [weak = std::weak_ptr<ArchiveReaders*>(self_), slot,
                  launch_id](const supervision::ProcessExit& exit) {
    if (const auto self = weak.lock()) (*self)->OnExit(slot, launch_id, exit);
  };
  auto pid = deps_.launcher->Launch(deps_.launch(slot, *token), std::move(on_exit));
  reader.view.address.clear();
  if (pid.ok()) {
    reader.pid = *pid;
    reader.launch_id = launch_id;
    reader.token = *token;
    reader.ending = false;
    reader.view.error.clear();
    Arm(&reader, kReaderStartTimeout);
  } else {
    reader.view.error = std::string(pid.status().message());
    spdlog::error("the reader of {}/{} cannot be launched: {}", slot.server, slot.slot,
                  pid.status());
  }
  deps_.on_change(slot.server);
}

bool ArchiveReaders::Register(const Slot& slot, int64_t pid, absl::string_view token,
                              const std::string& address) {
  const auto found = readers_.find(slot);
  if (found == readers_.end()) return false;
  Reader& reader = found->second;
  if (reader.pid == 0 || reader.pid != pid || reader.token != token) return false;
  if (reader.ending) return true;
  reader.deadline = SteadyTime::max();
  reader.view.address = address;
  ++reader.view.generation;
  deps_.on_change(slot.server);
  return true;
}

ArchiveReaders::View ArchiveReaders::Look(const Slot& slot) const {
  const auto found = readers_.find(slot);
  return found == readers_.end() ? View() : found->second.view;
}

void ArchiveReaders::End(const std::string& server, uint32_t first, std::function<void()> done) {
  for (auto reader = readers_.lower_bound({server, first});
       reader != readers_.end() && reader->first.server == server; ++reader) {
    if (reader->second.pid == 0 || reader->second.ending) continue;
    reader->second.ending = true;
    reader->second.view.address.clear();
    Arm(&reader->second, kReaderEndTimeout);
    Signal(reader->first, reader->second, SIGTERM);
  }
  if (!AnyLeft(server, first)) return done();
  waiters_.push_back({server, first, std::move(done)});
}

void ArchiveReaders::Arm(Reader* reader, SteadyDuration timeout) {
  reader->deadline = deps_.clock->Steady() + timeout;
  deps_.arm_timer(reader->deadline);
}

SteadyTime ArchiveReaders::Tick() {
  SteadyTime next = SteadyTime::max();
  const SteadyTime now = deps_.clock->Steady();
  for (auto& [slot, reader] : readers_) {
    if (reader.pid != 0 && reader.deadline <= now) {
      reader.deadline = now + kReaderEndTimeout;
      Signal(slot, reader, SIGKILL);
    }
    if (reader.pid != 0) next = std::min(next, reader.deadline);
  }
  return next;
}

size_t ArchiveReaders::processes() const {
  return static_cast<size_t>(std::count_if(
      readers_.begin(), readers_.end(), [](const auto& reader) { return reader.second.pid != 0; }));
}

void ArchiveReaders::OnExit(const Slot& slot, uint64_t launch_id,
                            const supervision::ProcessExit& exit) {
  Reader& reader = readers_[slot];
  if (reader.launch_id != launch_id) return;
  reader.pid = 0;
  reader.deadline = SteadyTime::max();
  reader.view.address.clear();
  const bool clean = exit.signal == 0 && exit.exit_code == 0;
  if (!clean && !reader.ending) {
    reader.view.error = absl::StrCat("its reader ", DescribeReaderExit(exit));
    spdlog::warn("the reader of {}/{} {}", slot.server, slot.slot, DescribeReaderExit(exit));
  }
  deps_.on_change(slot.server);
  std::vector<std::function<void()>> done;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    if (AnyLeft(waiter.server, waiter.first)) return false;
    done.push_back(std::move(waiter.done));
    return true;
  });
  for (const auto& call : done) call();
}

bool ArchiveReaders::AnyLeft(const std::string& server, uint32_t first) const {
  for (auto reader = readers_.lower_bound({server, first});
       reader != readers_.end() && reader->first.server == server; ++reader) {
    if (reader->second.pid != 0) return true;
  }
  return false;
}

void ArchiveReaders::Signal(const Slot& slot, const Reader& reader, int signal) {
  const absl::Status status = deps_.launcher->Signal(reader.pid, signal);
  // NotFound: it has died, and the report of that is on its way.
  if (!status.ok() && !absl::IsNotFound(status)) {
    spdlog::error("the reader of {}/{}: cannot send signal {}: {}", slot.server, slot.slot, signal,
                  status);
  }
}

}  // namespace center::coordinator

// One process that PosixLauncher looks after, from its launch or adoption until its exit is
// reported. Of the launcher only.
#pragma once

#include <sys/types.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

#include "absl/container/flat_hash_map.h"
#include "services/common/fd.h"
#include "services/coordinator/supervision/output_capture.h"
#include "services/coordinator/supervision/process_launcher.h"

namespace center::supervision {

// What the launcher and its children's handlers share; handlers hold it weakly.
struct PosixLauncher::Shared {
  explicit Shared(asio::io_context& io_context) : context(io_context) {}
  asio::io_context& context;
  absl::flat_hash_map<int64_t, std::shared_ptr<Child>> children;  // until the exit is reported
};

// Its handlers own it; Abandon ends them.
//
// A process that was adopted is mostly no child of ours: somebody else reaps it, so how it ended
// cannot be learnt here, and its pid alone means nothing once it is dead.
class PosixLauncher::Child : public std::enable_shared_from_this<Child> {
 public:
  Child(std::shared_ptr<Shared> shared, pid_t pid, const std::string& log_name,
        ExitCallback on_exit);

  absl::Status Watch(ScopedFd pidfd);
  // Reads and logs its output from now on. AlreadyExists when it does so already.
  absl::Status Attach(ScopedFd stdout_fd, ScopedFd stderr_fd);
  // The process was launched by somebody else; `start_ticks` tells it from a later one.
  void SetAdopted(uint64_t start_ticks) { adopted_start_ticks_ = start_ticks; }
  // REQUIRES: Watch was ok.
  void Start() { AwaitDeath(); }

  absl::Status Signal(int signal);
  void Abandon();

 private:
  static constexpr size_t kReadBytes = 16384;

  static absl::Status Assign(asio::posix::stream_descriptor& descriptor, ScopedFd fd);
  bool adopted() const { return adopted_start_ticks_ != 0; }
  void AwaitDeath();
  void OnDeath();
  void KillGroup();
  void Read(OutputCapture::Stream stream);
  void OnRead(OutputCapture::Stream stream, const std::error_code& error, size_t bytes);
  void BeginRest();
  void TakeRest();
  void Report();
  void CloseAll();

  const std::weak_ptr<Shared> shared_;
  const pid_t pid_;
  uint64_t adopted_start_ticks_ = 0;
  ExitCallback on_exit_;  // empty once called or abandoned
  asio::posix::stream_descriptor pidfd_;
  std::array<asio::posix::stream_descriptor, 2> pipes_;
  std::array<std::array<char, kReadBytes>, 2> buffers_;
  asio::steady_timer end_timer_;
  OutputCapture output_;
  int open_pipes_ = 0;
  bool reaped_ = false;  // it is dead, and its pid given back
  bool takes_rest_ = false;
  ProcessExit exit_;
};

}  // namespace center::supervision

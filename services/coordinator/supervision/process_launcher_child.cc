#include "services/coordinator/supervision/process_launcher_child.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/buffer.hpp>
#include <asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/clock.h"
#include "services/common/log.h"
#include "services/common/proc_stat.h"
#include "services/common/status_macros.h"

namespace center::supervision {
namespace {

// After a death, how long to wait for the end of its output.
constexpr std::chrono::milliseconds kOutputEndTimeout{200};
// What is then read of each pipe, at most: a descendant may go on writing.
constexpr size_t kRestBytesMax = 1 << 20;

void FillExit(const siginfo_t& info, ProcessExit& exit) {
  if (info.si_code == CLD_EXITED) {
    exit.exit_code = info.si_status;
  } else {
    exit.signal = info.si_status;
    exit.core_dumped = info.si_code == CLD_DUMPED;
  }
}

}  // namespace

PosixLauncher::Child::Child(std::shared_ptr<Shared> shared, pid_t pid, const std::string& log_name,
                            ExitCallback on_exit)
    : shared_(shared),
      pid_(pid),
      on_exit_(std::move(on_exit)),
      pidfd_(shared->context),
      pipes_{asio::posix::stream_descriptor(shared->context),
             asio::posix::stream_descriptor(shared->context)},
      end_timer_(shared->context),
      output_([log_name](absl::string_view line) {
        spdlog::info("[{}] {}", log_name, Printable(line, kOutputLineBytesMax));
      }) {}

absl::Status PosixLauncher::Child::Watch(ScopedFd pidfd) {
  return Assign(pidfd_, std::move(pidfd));
}

absl::Status PosixLauncher::Child::Attach(ScopedFd stdout_fd, ScopedFd stderr_fd) {
  if (pipes_[0].is_open() || pipes_[1].is_open()) {
    return absl::AlreadyExistsError(
        absl::StrCat("the output of process ", pid_, " is read already"));
  }
  RETURN_IF_ERROR(Assign(pipes_[0], std::move(stdout_fd)));
  RETURN_IF_ERROR(Assign(pipes_[1], std::move(stderr_fd)));
  for (auto& pipe : pipes_) {  // for TakeRest
    std::error_code error;
    pipe.non_blocking(true, error);
    if (error) return absl::InternalError(absl::StrCat("watch a process: ", error.message()));
  }
  open_pipes_ = 2;
  Read(OutputCapture::Stream::kStdout);
  Read(OutputCapture::Stream::kStderr);
  return absl::OkStatus();
}

absl::Status PosixLauncher::Child::Signal(int signal) {
  if (reaped_) return absl::NotFoundError(absl::StrCat("process ", pid_, " is gone"));
  // Through the pidfd, which never means another process.
  if (::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), signal, nullptr, 0) != 0) {
    if (errno == ESRCH) return absl::NotFoundError(absl::StrCat("process ", pid_, " is gone"));
    return ErrnoStatus(errno, absl::StrCat("signal ", pid_));
  }
  // It was there a moment ago, so the group's number is still its own.
  if (signal == SIGKILL) KillGroup();
  return absl::OkStatus();
}

void PosixLauncher::Child::Abandon() {
  on_exit_ = nullptr;
  CloseAll();
}

absl::Status PosixLauncher::Child::Assign(asio::posix::stream_descriptor& descriptor, ScopedFd fd) {
  std::error_code error;
  descriptor.assign(fd.get(), error);
  if (error) return absl::InternalError(absl::StrCat("watch a process: ", error.message()));
  static_cast<void>(fd.Release());  // the descriptor's now
  return absl::OkStatus();
}

void PosixLauncher::Child::AwaitDeath() {
  pidfd_.async_wait(asio::posix::descriptor_base::wait_read,
                    [self = shared_from_this()](const std::error_code& error) {
                      if (!error && self->on_exit_) self->OnDeath();
                    });
}

void PosixLauncher::Child::KillGroup() {
  if (::kill(-pid_, SIGKILL) != 0 && errno != ESRCH) {
    spdlog::warn("{}", ErrnoStatus(errno, absl::StrCat("kill the process group ", pid_)));
  }
}

void PosixLauncher::Child::OnDeath() {
  const auto id = static_cast<id_t>(pidfd_.native_handle());
  siginfo_t info{};
  // Looked at first and reaped after: as long as it is a zombie, its group's number is taken.
  const int looked = ::waitid(P_PIDFD, id, &info, WEXITED | WNOHANG | WNOWAIT);
  if (looked == 0 && info.si_pid == 0) return AwaitDeath();  // woken for nothing
  exit_.pid = pid_;
  exit_.time = RealClock().Wall();
  if (looked == 0) {
    KillGroup();
    info = {};
    if (::waitid(P_PIDFD, id, &info, WEXITED | WNOHANG) != 0) {
      // Somebody else in this process has reaped it, so how it ended is lost.
      spdlog::error("{}", ErrnoStatus(errno, absl::StrCat("wait for process ", pid_)));
    }
    FillExit(info, exit_);
  } else {
    if (!adopted()) {
      spdlog::error("{}", ErrnoStatus(errno, absl::StrCat("wait for process ", pid_)));
    }
    exit_.known = false;
    // A zombie of the same start, or nobody: only its own group can have this number.
    const auto now = ReadProcStat(pid_);
    if (absl::IsNotFound(now.status()) || (now.ok() && now->start_ticks == adopted_start_ticks_)) {
      KillGroup();
    }
  }
  reaped_ = true;
  if (open_pipes_ == 0) return Report();
  end_timer_.expires_after(kOutputEndTimeout);
  end_timer_.async_wait([self = shared_from_this()](const std::error_code& error) {
    if (!error) self->BeginRest();
  });
}

// What it wrote is in the pipes since before it died. When this process is late, the time may be
// over before they have been read.
void PosixLauncher::Child::BeginRest() {
  takes_rest_ = true;
  // Behind the reads that are done and not told yet.
  asio::post(end_timer_.get_executor(), [self = shared_from_this()] { self->TakeRest(); });
}

void PosixLauncher::Child::TakeRest() {
  if (!on_exit_) return;
  for (const auto stream : {OutputCapture::Stream::kStdout, OutputCapture::Stream::kStderr}) {
    const auto index = static_cast<size_t>(stream);
    size_t taken = 0;
    while (pipes_[index].is_open() && taken < kRestBytesMax) {
      std::error_code error;
      const size_t bytes = pipes_[index].read_some(asio::buffer(buffers_[index]), error);
      if (error) break;  // nothing more, for now or for ever
      output_.Feed(stream, absl::string_view(buffers_[index].data(), bytes), RealClock().Steady());
      taken += bytes;
    }
  }
  Report();
}

void PosixLauncher::Child::Read(OutputCapture::Stream stream) {
  const auto index = static_cast<size_t>(stream);
  pipes_[index].async_read_some(
      asio::buffer(buffers_[index]),
      [self = shared_from_this(), stream](const std::error_code& error, size_t bytes) {
        self->OnRead(stream, error, bytes);
      });
}

void PosixLauncher::Child::OnRead(OutputCapture::Stream stream, const std::error_code& error,
                                  size_t bytes) {
  if (!on_exit_) return;  // reported or abandoned
  const auto index = static_cast<size_t>(stream);
  output_.Feed(stream, absl::string_view(buffers_[index].data(), bytes), RealClock().Steady());
  if (!error && takes_rest_) return;
  if (!error) return Read(stream);
  --open_pipes_;
  if (reaped_ && open_pipes_ == 0) Report();
}

void PosixLauncher::Child::Report() {
  if (!on_exit_) return;
  const std::shared_ptr<Child> keep = shared_from_this();
  output_.Finish(RealClock().Steady());
  exit_.stderr_tail = output_.StderrTail();
  CloseAll();
  const ExitCallback on_exit = std::exchange(on_exit_, nullptr);
  const std::shared_ptr<Shared> shared = shared_.lock();
  if (shared == nullptr) return;
  // Reaped a while ago, so the number may be a newer child's already.
  const auto found = shared->children.find(pid_);
  if (found != shared->children.end() && found->second == keep) shared->children.erase(found);
  on_exit(std::move(exit_));
}

void PosixLauncher::Child::CloseAll() {
  std::error_code ignored;  // closing what was only read loses nothing
  pidfd_.close(ignored);
  for (auto& pipe : pipes_) pipe.close(ignored);
  end_timer_.expires_at(SteadyTime::max());  // ends its wait
}

}  // namespace center::supervision

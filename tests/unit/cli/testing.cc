#include "tests/unit/cli/testing.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <sstream>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "grpc/grpc.h"
#include "services/common/rpc/channel.h"

namespace center::cli {

ScopedEnv::ScopedEnv(std::string name, const char* value) : name_(std::move(name)) {
  const char* before = ::getenv(name_.c_str());
  was_set_ = before != nullptr;
  if (was_set_) before_ = before;
  value == nullptr ? ::unsetenv(name_.c_str()) : ::setenv(name_.c_str(), value, 1);
}

ScopedEnv::~ScopedEnv() {
  was_set_ ? ::setenv(name_.c_str(), before_.c_str(), 1) : ::unsetenv(name_.c_str());
}

MemoryFile::MemoryFile(absl::string_view content) : fd_(::memfd_create("test", MFD_CLOEXEC)) {
  EXPECT_EQ(::pwrite(fd_.get(), content.data(), content.size(), 0),
            static_cast<ssize_t>(content.size()));
}

std::string MemoryFile::Text() const {
  std::string text;
  char block[4096];
  for (ssize_t got;
       (got = ::pread(fd_.get(), block, sizeof block, static_cast<off_t>(text.size()))) > 0;) {
    text.append(block, static_cast<size_t>(got));
  }
  return text;
}

Pipe::Pipe() {
  int fds[2] = {-1, -1};
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  read_end = ScopedFd(fds[0]);
  write_end = ScopedFd(fds[1]);
}

Terminal::Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  char name[128] = "";
  EXPECT_EQ(::grantpt(master_.get()), 0);
  EXPECT_EQ(::unlockpt(master_.get()), 0);
  EXPECT_EQ(::ptsname_r(master_.get(), name, sizeof name), 0);
  slave_ = ScopedFd(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_TRUE(slave_.valid());
}

std::string Terminal::Read() {
  std::string text;
  char block[4096];
  for (pollfd ready{master_.get(), POLLIN, 0};
       ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN) != 0;) {
    const ssize_t got = ::read(master_.get(), block, sizeof block);
    if (got <= 0) break;
    text.append(block, static_cast<size_t>(got));
  }
  return text;
}

void Terminal::Type(absl::string_view text) {
  EXPECT_EQ(::write(master_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

CliTest::CliTest() {
  std::signal(SIGPIPE, SIG_IGN);
  // gRPC stays up between tests: taking it down when its last object goes can wait 10 s for a
  // poller of its own.
  [[maybe_unused]] static const bool kept = [] {
    grpc_init();
    return true;
  }();
  for (const char* name :
       {"CENTER_ADDRESS", "CENTER_OUTPUT", "CENTER_TIMEOUT", "CENTER_QUIET", "CENTER_COLOR",
        "CENTER_CONFIG", "CENTER_CONTEXT", "CENTER_DATA_DIR", "CENTER_YES", "NO_COLOR"}) {
    env_.push_back(std::make_unique<ScopedEnv>(name, nullptr));
  }
  env_.push_back(std::make_unique<ScopedEnv>("TERM", "xterm"));
  env_.push_back(std::make_unique<ScopedEnv>("XDG_RUNTIME_DIR", dir_.path().c_str()));
  env_.push_back(std::make_unique<ScopedEnv>("XDG_CONFIG_HOME", dir_.path().c_str()));
}

Dependencies CliTest::Deps(int in_fd, int out_fd, int err_fd) {
  Dependencies dependencies;
  dependencies.in_fd = in_fd;
  dependencies.out_fd = out_fd;
  dependencies.err_fd = err_fd;
  dependencies.connect = rpc::MakeChannel;
  dependencies.clock = &clock_;
  dependencies.program_dir = dir_.path();
  return dependencies;
}

void OrderAfterAnswers() {
  static absl::Mutex* const answers = new absl::Mutex;
  const absl::MutexLock lock(answers);
}

CliResult CliTest::Run(std::vector<std::string> args, absl::string_view input) {
  const MemoryFile in(input), out, err;
  CliResult result;
  result.exit_code = RunCenterctl(std::move(args), Deps(in.fd(), out.fd(), err.fd()));
  OrderAfterAnswers();
  result.out = out.Text();
  result.err = err.Text();
  return result;
}

std::unique_ptr<Context> CliTest::MakeContext(Globals globals) {
  return std::make_unique<Context>(std::move(globals), Deps(in_.fd(), out_.fd(), err_.fd()));
}

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace center::cli

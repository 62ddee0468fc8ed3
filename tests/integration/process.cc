#include "tests/integration/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/sanitized.h"

extern char** environ;

namespace center::itest {

double Slowness() { return kSanitized ? 5 : 1; }

bool WaitFor(const std::function<bool()>& condition, absl::Duration timeout) {
  constexpr int kPollMs = 2;
  const absl::Time deadline = absl::Now() + timeout * Slowness();
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    poll(nullptr, 0, kPollMs);
  }
  return true;
}

TempDir::TempDir() {
  const char* base = getenv("TMPDIR");
  // Short, for unix sockets live below and their paths end at 107 bytes.
  std::string name = absl::StrCat(base == nullptr ? "/tmp" : base, "/center-XXXXXX");
  if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << name << ": " << strerror(errno);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) ADD_FAILURE() << path_ << ": " << error.message();
}

std::string TempDir::operator/(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteWholeFile(const std::string& path, absl::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.good()) ADD_FAILURE() << "cannot write " << path;
}

std::string FileTail(const std::string& path, size_t max_bytes) {
  std::string text = ReadWholeFile(path);
  if (text.size() <= max_bytes) return text;
  const size_t line = text.find('\n', text.size() - max_bytes);
  return absl::StrCat("[…]\n", text.substr(line + 1));
}

Process::Process(const Options& options) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const int write_flags = O_WRONLY | O_CREAT | O_APPEND;
  posix_spawn_file_actions_addopen(&actions, 0, options.stdin_path.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, options.stdout_path.c_str(), write_flags, 0600);
  if (options.stderr_path.empty()) {
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
  } else {
    posix_spawn_file_actions_addopen(&actions, 2, options.stderr_path.c_str(), write_flags, 0600);
  }
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);

  std::vector<char*> argv = {const_cast<char*>(options.program.c_str())};
  for (const std::string& arg : options.args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> env;
  for (const std::string& entry : options.env) env.push_back(const_cast<char*>(entry.c_str()));
  for (char** entry = environ; *entry != nullptr; ++entry) env.push_back(*entry);
  env.push_back(nullptr);

  const int error =
      posix_spawnp(&pid_, options.program.c_str(), &actions, nullptr, argv.data(), env.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    pid_ = -1;
    ADD_FAILURE() << "cannot start " << options.program << ": " << strerror(error);
  }
}

Process::~Process() {
  Signal(SIGKILL);
  Wait(absl::Seconds(20));
}

void Process::Signal(int signal) const {
  if (pid_ > 0 && !status_.has_value()) kill(pid_, signal);
}

absl::optional<int> Process::Wait(absl::Duration timeout) {
  if (pid_ <= 0) return absl::nullopt;
  WaitFor(
      [this] {
        int status = 0;
        if (!status_.has_value() && waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
        return status_.has_value();
      },
      timeout);
  return status_;
}

bool Process::running() { return pid_ > 0 && !Wait(absl::ZeroDuration()).has_value(); }

RunResult RunToEnd(const std::string& program, const std::vector<std::string>& args,
                   absl::string_view input, absl::Duration timeout,
                   const std::vector<std::string>& env) {
  TempDir dir;
  WriteWholeFile(dir / "in", input);
  RunResult result;
  {
    Process process({.program = program,
                     .args = args,
                     .env = env,
                     .stdin_path = dir / "in",
                     .stdout_path = dir / "out",
                     .stderr_path = dir / "err"});
    const absl::optional<int> status = process.Wait(timeout);
    if (status.has_value() && WIFEXITED(*status)) result.exit_code = WEXITSTATUS(*status);
  }
  result.out = ReadWholeFile(dir / "out");
  result.err = ReadWholeFile(dir / "err");
  return result;
}

void AdoptOrphans() {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) ADD_FAILURE() << strerror(errno);
}

namespace {

std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    const std::string stat = ReadWholeFile(absl::StrCat("/proc/", pid, "/stat"));
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    // After the name: state, then the parent.
    const std::vector<std::string> fields =
        absl::StrSplit(stat.substr(name_end + 1), ' ', absl::SkipEmpty());
    pid_t parent = 0;
    if (fields.size() > 1 && absl::SimpleAtoi(fields[1], &parent) && parent == getpid()) {
      children.push_back(pid);
    }
  }
  return children;
}

}  // namespace

void KillDescendants() {
  const bool gone = WaitFor([] {
    const std::vector<pid_t> children = Children();
    for (const pid_t pid : children) kill(pid, SIGKILL);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return children.empty();
  });
  if (!gone) ADD_FAILURE() << "processes that this test started are still there";
}

bool KillProcess(pid_t pid) { return pid > 0 && kill(pid, SIGKILL) == 0; }

uint64_t ResidentBytes(pid_t pid) {
  for (absl::string_view line :
       absl::StrSplit(ReadWholeFile(absl::StrCat("/proc/", pid, "/status")), '\n')) {
    if (!absl::StartsWith(line, "VmRSS:")) continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t kib = 0;
    for (const absl::string_view word : words) {
      if (absl::SimpleAtoi(word, &kib)) return kib * 1024;
    }
  }
  return 0;
}

}  // namespace center::itest

// Running centerctl inside a test: its descriptors are files in memory, its environment is bare.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/app.h"
#include "cli/context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/journal/testing.h"

namespace center::cli {

using journal::Eventually;
using journal::FakeClock;

// Sets a variable for as long as it lives; null: takes it away.
class ScopedEnv {
 public:
  ScopedEnv(std::string name, const char* value);
  ~ScopedEnv();
  ScopedEnv(const ScopedEnv&) = delete;
  ScopedEnv& operator=(const ScopedEnv&) = delete;

 private:
  const std::string name_;
  std::string before_;
  bool was_set_ = false;
};

// A file in memory that can be read while it is written.
class MemoryFile {
 public:
  explicit MemoryFile(absl::string_view content = "");
  int fd() const { return fd_.get(); }
  std::string Text() const;

 private:
  ScopedFd fd_;
};

// Both ends of a pipe.
struct Pipe {
  Pipe();
  ScopedFd read_end;
  ScopedFd write_end;
};

// A terminal: what is written to fd() a person would see.
class Terminal {
 public:
  Terminal();
  int fd() const { return slave_.get(); }
  // What was written so far and not yet read.
  std::string Read();
  // What a person types: fd() reads it, a line at a time.
  void Type(absl::string_view text);

 private:
  ScopedFd master_;
  ScopedFd slave_;
};

struct CliResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Without CENTER_*, NO_COLOR and the user's runtime folder; SIGPIPE is ignored, as in main.
class CliTest : public testing::Test {
 protected:
  CliTest();

  // Dependencies with the given descriptors, real channels and the fake clock.
  Dependencies Deps(int in_fd, int out_fd, int err_fd);
  CliResult Run(std::vector<std::string> args, absl::string_view input = "");
  // A context that writes to out_ and err_.
  std::unique_ptr<Context> MakeContext(Globals globals = {});

  ScratchDir dir_;
  FakeClock clock_;
  MemoryFile in_, out_, err_;

 private:
  std::vector<std::unique_ptr<ScopedEnv>> env_;
};

// Called by fakes when they answer and by tests that have the answer: what a fake was told or asked
// is then in order for ThreadSanitizer, which does not see all of gRPC's own synchronisation.
void OrderAfterAnswers();

std::vector<std::string> SplitLines(const std::string& text);

}  // namespace center::cli

// The helper process that takes stacks: what it says, and what it may do wrong.
#include "services/coordinator/api/stack_helper.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "services/common/rpc/status.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/coordinator_api/posted_tasks.h"

namespace center::coordinator {
namespace {

using ::testing::HasSubstr;
using Result = absl::StatusOr<supervision::ProcessStacks>;

class StackHelperTest : public testing::Test {
 protected:
  // A helper that is this script; $2 is the process.
  StackHelper& Make(const std::string& script, SteadyDuration timeout = std::chrono::seconds(60)) {
    const std::string path = scratch_.path() + "/helper";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    EXPECT_EQ(::chmod(path.c_str(), 0700), 0);
    helper_ = std::make_unique<StackHelper>(
        StackHelper::Options{.program = path, .timeout = timeout}, tasks_.poster());
    return *helper_;
  }
  Result Take(StackHelper& helper, int64_t pid = 7) {
    absl::optional<Result> result;
    helper.Take(pid, [&result](Result stacks) { result = std::move(stacks); });
    RunUntil([&result] { return result.has_value(); });
    return result.value_or(absl::UnknownError("no answer"));
  }

  void RunUntil(const std::function<bool()>& condition) {
    while (!condition()) ASSERT_TRUE(tasks_.RunOne());
  }

  ScratchDir scratch_;
  PostedTasks tasks_;
  std::unique_ptr<StackHelper> helper_;
};

TEST_F(StackHelperTest, WhatItWritesIsTheAnswer) {
  const Result stacks =
      Take(Make(R"(printf 'STACKS\t5\nT\t%s\tmain\t\nF\t10\tlibc\twait\nEND\n' "$2")"));
  ASSERT_TRUE(stacks.ok()) << stacks.status();
  EXPECT_TRUE(stacks->complete);
  ASSERT_EQ(stacks->threads.size(), 1u);
  EXPECT_EQ(stacks->threads[0].tid, 7);
  EXPECT_EQ(stacks->threads[0].frames.at(0).function, "wait");
}

TEST_F(StackHelperTest, ItsErrorIsTheAnswer) {
  const Result stacks = Take(Make(R"(printf 'ERROR\t7\tnot permitted\n')"));
  EXPECT_TRUE(absl::IsPermissionDenied(stacks.status())) << stacks.status();
}

TEST_F(StackHelperTest, OneThatHangsIsEndedAndWhatItWroteCounts) {
  StackHelper& helper =
      Make(R"(printf 'STACKS\t5\nT\t1\tmain\t\n'; exec sleep 600)", std::chrono::milliseconds(500));
  const Result stacks = Take(helper);
  ASSERT_TRUE(stacks.ok()) << stacks.status();
  EXPECT_FALSE(stacks->complete);
  EXPECT_EQ(stacks->threads.size(), 1u);
}

TEST_F(StackHelperTest, OneThatSaysNothingIsADeadlineExceeded) {
  const Result stacks = Take(Make("exec sleep 600", std::chrono::milliseconds(100)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(stacks.status())) << stacks.status();
}

TEST_F(StackHelperTest, OneThatCrashesOrWritesNonsenseIsAnError) {
  EXPECT_TRUE(absl::IsInternal(Take(Make("kill -SEGV $$")).status()));
  EXPECT_TRUE(absl::IsInternal(Take(Make("echo hello")).status()));
}

TEST_F(StackHelperTest, OneThatWritesWithoutAnEndIsEnded) {
  const Result stacks = Take(Make("exec yes"));
  EXPECT_FALSE(stacks.ok());
}

TEST_F(StackHelperTest, OneThatIsNotThereIsAnError) {
  helper_ = std::make_unique<StackHelper>(StackHelper::Options{.program = "/nonexistent/helper"},
                                          tasks_.poster());
  EXPECT_FALSE(Take(*helper_).ok());
  helper_ = std::make_unique<StackHelper>(StackHelper::Options{}, tasks_.poster());
  EXPECT_TRUE(absl::IsFailedPrecondition(Take(*helper_).status()));
}

TEST_F(StackHelperTest, ThereAreFewAtATimeAndOneForAProcess) {
  const std::string gate = scratch_.path() + "/gate";
  ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
  StackHelper& helper = Make(R"(read line < ")" + gate + R"("; printf 'STACKS\t5\nEND\n')");
  std::vector<absl::Status> refused;
  size_t done = 0;
  const auto take = [&](int64_t pid) {
    helper.Take(pid, [&](const Result& stacks) {
      ++done;
      if (!stacks.ok()) refused.push_back(stacks.status());
    });
  };
  for (size_t i = 0; i < StackHelper::kHelpersMax - 1; ++i) take(static_cast<int64_t>(i) + 1);
  take(1);
  RunUntil([&] { return refused.size() == 1; });
  EXPECT_THAT(std::string(refused[0].message()), HasSubstr("process 1 are being taken already"));
  take(100);
  take(101);
  RunUntil([&] { return refused.size() == 2; });
  for (const absl::Status& status : refused) EXPECT_EQ(rpc::ReasonOf(status), "STACKS_BUSY");
  // Open both ways: neither end waits for the other, and none sees an end. A line for each.
  const ScopedFd fifo(::open(gate.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::write(fifo.get(), "\n\n\n\n", 4), 4);
  RunUntil([&] { return done == StackHelper::kHelpersMax + 2; });
  EXPECT_EQ(refused.size(), 2u);
}

TEST_F(StackHelperTest, DestroyedWhileOneRunsItWaitsForIt) {
  StackHelper& helper = Make("exec sleep 600", std::chrono::milliseconds(200));
  helper.Take(7, [](const Result&) { ADD_FAILURE() << "answered"; });
  helper_.reset();
}

}  // namespace
}  // namespace center::coordinator

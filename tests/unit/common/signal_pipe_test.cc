#include "services/common/signal_pipe.h"

#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"

namespace center {
namespace {

using ::testing::HasSubstr;

TEST(SignalPipeTest, ASignalArrivesWithItsSender) {
  auto pipe = SignalPipe::Open({SIGUSR1, SIGUSR2});
  ASSERT_TRUE(pipe.ok()) << pipe.status();
  EXPECT_FALSE((*pipe)->Read().has_value());
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  ASSERT_EQ(::raise(SIGUSR2), 0);
  const auto first = (*pipe)->Read();
  const auto second = (*pipe)->Read();
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(first->signal, SIGUSR1);
  EXPECT_EQ(second->signal, SIGUSR2);
  EXPECT_EQ(first->sender.pid, ::getpid());
  EXPECT_EQ(first->sender.uid, ::getuid());
  const auto comm = ReadSmallFile("/proc/self/comm");
  ASSERT_TRUE(comm.ok());
  EXPECT_EQ(std::string(first->sender.command) + "\n", *comm);
  EXPECT_FALSE((*pipe)->Read().has_value());
}

TEST(SignalPipeTest, AStormOfSignalsNeitherBlocksNorBreaks) {
  auto pipe = SignalPipe::Open({SIGUSR1});
  ASSERT_TRUE(pipe.ok()) << pipe.status();
  constexpr int kMoreThanAPipeHolds = 5000;
  for (int i = 0; i < kMoreThanAPipeHolds; ++i) ASSERT_EQ(::raise(SIGUSR1), 0);
  int arrived = 0;
  while (const auto arrival = (*pipe)->Read()) {
    ASSERT_EQ(arrival->signal, SIGUSR1);
    ++arrived;
  }
  EXPECT_GT(arrived, 0);
  EXPECT_LT(arrived, kMoreThanAPipeHolds);
}

TEST(SignalPipeTest, EachThatAsksForASignalGetsIt) {
  auto both = SignalPipe::Open({SIGUSR1, SIGUSR2});
  ASSERT_TRUE(both.ok()) << both.status();
  {
    auto one = SignalPipe::Open({SIGUSR1});
    ASSERT_TRUE(one.ok()) << one.status();
    ASSERT_EQ(::raise(SIGUSR1), 0);
    ASSERT_EQ(::raise(SIGUSR2), 0);
    EXPECT_EQ((*one)->Read()->signal, SIGUSR1);
    EXPECT_FALSE((*one)->Read().has_value());
  }
  ASSERT_EQ(::raise(SIGUSR1), 0);  // not its default action: it is still wanted
  EXPECT_EQ((*both)->Read()->signal, SIGUSR1);
  EXPECT_EQ((*both)->Read()->signal, SIGUSR2);
  EXPECT_EQ((*both)->Read()->signal, SIGUSR1);
}

TEST(SignalPipeTest, WhatCannotBeHandledIsAnErrorAndTakesNoPlace) {
  for (int i = 0; i < 2 * SignalPipe::kPipesMax; ++i) {
    EXPECT_FALSE(SignalPipe::Open({SIGUSR1, SIGKILL}).ok());
  }
  std::vector<std::unique_ptr<SignalPipe>> pipes;
  for (int i = 0; i < SignalPipe::kPipesMax; ++i) {
    auto pipe = SignalPipe::Open({SIGUSR1});
    ASSERT_TRUE(pipe.ok()) << pipe.status();
    pipes.push_back(*std::move(pipe));
  }
  EXPECT_EQ(SignalPipe::Open({SIGUSR1}).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(SignalSenderTest, WhatTheKernelSendsHasNone) {
  siginfo_t info{};
  info.si_code = SEGV_MAPERR;
  info.si_pid = 4711;  // an address, there
  EXPECT_EQ(SenderOf(info).pid, 0);
  EXPECT_EQ(DescribeSender(SenderOf(info)), "");
}

TEST(SignalSenderTest, ASenderThatIsGoneHasNoName) {
  siginfo_t info{};
  info.si_code = SI_USER;
  info.si_pid = 0x7FFFFFFF;  // above every pid_max
  info.si_uid = 5;
  EXPECT_EQ(DescribeSender(SenderOf(info)), "process 2147483647, uid 5");
  EXPECT_THAT(DescribeSender({.pid = 7, .uid = 0, .command = "ba\nsh"}),
              HasSubstr(R"(process 7 (ba\nsh), uid 0)"));
}

}  // namespace
}  // namespace center

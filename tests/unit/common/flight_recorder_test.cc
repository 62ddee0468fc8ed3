#include "services/common/flight_recorder.h"

#include <cstring>
#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace center {
namespace {

TEST(FlightRecorderTest, KeepsTheSenderWithItsName) {
  auto recorder = std::make_unique<FlightRecorder>();
  recorder->Begin(7);
  EXPECT_EQ(recorder->Sender().pid, 0);
  SignalSender sender{.pid = 4711, .uid = 1000};
  std::strncpy(sender.command, "a-long-name-153", sizeof sender.command);
  recorder->SetSender(sender);
  EXPECT_EQ(recorder->Sender().pid, 4711);
  EXPECT_EQ(recorder->Sender().uid, 1000u);
  EXPECT_STREQ(recorder->Sender().command, "a-long-name-153");
}

TEST(FlightRecorderTest, BeginForgetsTheProcessBefore) {
  auto recorder = std::make_unique<FlightRecorder>();
  recorder->Begin(7);
  recorder->SetSender({.pid = 4711, .uid = 1000, .command = "bash"});
  recorder->running[3].chunk.store(5);
  recorder->Finish(FlightRecorder::End::kSignal, 11);
  recorder->Begin(8);
  EXPECT_EQ(recorder->pid.load(), 8);
  EXPECT_EQ(recorder->end.load(), static_cast<uint32_t>(FlightRecorder::End::kNone));
  EXPECT_EQ(recorder->end_value.load(), 0);
  EXPECT_EQ(recorder->running[3].chunk.load(), 0u);
  EXPECT_EQ(recorder->Sender().pid, 0);
  EXPECT_STREQ(recorder->Sender().command, "");
}

TEST(FlightRecorderTest, ANameWithoutAnEndIsCut) {
  auto recorder = std::make_unique<FlightRecorder>();
  for (auto& part : recorder->sender_command) part.store(~uint64_t{0});
  EXPECT_EQ(std::strlen(recorder->Sender().command), SignalSender::kCommandBytes - 1);
}

}  // namespace
}  // namespace center

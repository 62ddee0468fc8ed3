#include "services/coordinator/supervision/stacks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/coordinator/supervision/crash_text.h"

namespace center::supervision {
namespace {

using ::testing::HasSubstr;

ThreadStack Thread(int64_t tid, const std::string& name) {
  return {.tid = tid,
          .name = name,
          .frames = {{.address = 0x10, .function = "wait", .location = "libc.so.6"},
                     {.address = 0xABCDEF, .function = "a::Run()", .location = "run.cc:12"},
                     {.address = 0x77}}};
}

TEST(StacksTest, WhatIsWrittenIsRead) {
  ThreadStack odd = Thread(8, "tabs\tand\nlines");
  odd.note = "why";
  const std::string text = EncodeHeader(std::chrono::milliseconds(3)) +
                           EncodeThread(Thread(7, "main")) + EncodeThread(odd) + EncodeEnd();
  const auto stacks = DecodeStacks(text);
  ASSERT_TRUE(stacks.ok()) << stacks.status();
  EXPECT_TRUE(stacks->complete);
  EXPECT_EQ(stacks->stopped_for, std::chrono::milliseconds(3));
  ASSERT_EQ(stacks->threads.size(), 2u);
  EXPECT_EQ(stacks->threads[0].tid, 7);
  EXPECT_EQ(stacks->threads[1].name, "tabs?and?lines");
  EXPECT_EQ(stacks->threads[1].note, "why");
  ASSERT_EQ(stacks->threads[1].frames.size(), 3u);
  EXPECT_EQ(stacks->threads[1].frames[1].address, 0xABCDEFu);
  EXPECT_EQ(stacks->threads[1].frames[1].function, "a::Run()");
  EXPECT_EQ(stacks->threads[1].frames[1].location, "run.cc:12");
}

TEST(StacksTest, WhatIsCutCountsAsFarAsItGoes) {
  const std::string text =
      EncodeHeader(SteadyDuration(1)) + EncodeThread(Thread(7, "main")) + EncodeEnd();
  for (size_t length = 0; length < text.size(); ++length) {
    const auto stacks = DecodeStacks(absl::string_view(text).substr(0, length));
    const bool header = length >= EncodeHeader(SteadyDuration(1)).size();
    EXPECT_EQ(stacks.ok(), header) << length;
    EXPECT_FALSE(stacks.ok() && stacks->complete) << length;
  }
  const auto cut = DecodeStacks(absl::string_view(text).substr(0, text.size() - 5));
  ASSERT_TRUE(cut.ok());
  EXPECT_THAT(FormatStacks(*cut), HasSubstr("(not all: it took too long)"));
}

TEST(StacksTest, AnErrorIsAnError) {
  const absl::Status error = absl::PermissionDeniedError("not\tpermitted");
  const absl::Status read = DecodeStacks(EncodeError(error)).status();
  EXPECT_TRUE(absl::IsPermissionDenied(read)) << read;
  EXPECT_EQ(read.message(), "not?permitted");
}

TEST(StacksTest, NonsenseIsRefused) {
  const std::string header = EncodeHeader(SteadyDuration(1));
  for (const std::string& text :
       {std::string("\n"), std::string("hello\n"), std::string("ERROR\t99\tx\n"),
        std::string("ERROR\n"), std::string("STACKS\tmany\n"), header + header,
        header + "F\t1\t2\t3\n", header + "T\tx\ty\tz\n", header + "T\t1\ta\t\nF\tzz\t\t\n",
        header + "what\n"}) {
    EXPECT_TRUE(absl::IsInternal(DecodeStacks(text).status())) << text;
  }
  std::string endless = header;
  for (size_t i = 0; i <= kThreadsMax; ++i) absl::StrAppend(&endless, "T\t1\ta\t\n");
  EXPECT_FALSE(DecodeStacks(endless).ok());
}

TEST(StacksTest, ThreadsAtTheSamePlaceShareAParagraph) {
  ProcessStacks stacks;
  stacks.threads = {Thread(7, "main"),
                    Thread(8, "pool"),
                    {.tid = 9, .name = "stuck", .note = "D"},
                    Thread(10, "pool")};
  stacks.threads[0].frames.pop_back();
  EXPECT_EQ(FormatStacks(stacks),
            "thread 7 main\n"
            "  #0  wait at libc.so.6\n"
            "  #1  a::Run() at run.cc:12\n"
            "threads 8 pool, 10 pool\n"
            "  #0  wait at libc.so.6\n"
            "  #1  a::Run() at run.cc:12\n"
            "  #2  0x77\n"
            "thread 9 stuck\n"
            "  (D)\n");
}

TEST(StacksTest, TextIsBounded) {
  ProcessStacks stacks;
  for (size_t i = 0; i < kThreadsMax; ++i) {
    stacks.threads.push_back(Thread(static_cast<int64_t>(i), "worker"));
    stacks.threads.back().frames[0].address = i;  // all different
    stacks.threads.back().frames[1].function = std::string(300, 'x');
  }
  EXPECT_LE(FormatStacks(stacks).size(), kStackBytesMax);
  EXPECT_GT(FormatStacks(stacks).size(), kStackBytesMax / 2);
}

TEST(ShortFunctionTest, ArgumentsGo) {
  EXPECT_EQ(ShortFunction("main"), "main");
  EXPECT_EQ(ShortFunction("a::f<int, b<c> >(char const*, void (*)(int)) const"), "a::f<>() const");
  EXPECT_EQ(ShortFunction("(anonymous namespace)::Run(int)"), "(anonymous namespace)::Run()");
  EXPECT_EQ(ShortFunction("a::b(int)::{lambda(int)#1}::operator()(int) const"),
            "a::b()::{lambda()#1}::operator()() const");
  EXPECT_EQ(ShortFunction("std::operator<< <char>(std::ostream&)"), "std::operator<< <>()");
  EXPECT_EQ(ShortFunction("a::operator<(b<c> const&)"), "a::operator<()");
  EXPECT_EQ(ShortFunction("asio::run(int) [clone .isra.0]"), "asio::run()");
  EXPECT_EQ(ShortFunction("__libc_start_main@@GLIBC_2.34"), "__libc_start_main");
  EXPECT_EQ(ShortFunction("broken<(((("), "broken<");
  EXPECT_EQ(ShortFunction(")>broken"), ")>broken");
}

}  // namespace
}  // namespace center::supervision

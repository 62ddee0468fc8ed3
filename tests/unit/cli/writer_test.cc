// Output that may fail: what was not written is never taken for written.
#include "cli/writer.h"

#include <fcntl.h>

#include "cli/errors.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::HasSubstr;

class WriterTest : public CliTest {};

ScopedFd FullDisk() { return ScopedFd(::open("/dev/full", O_WRONLY | O_CLOEXEC)); }

TEST_F(WriterTest, CollectsUntilItIsFlushed) {
  Writer writer(out_.fd());
  writer.Append("one ");
  writer.Append("two");
  EXPECT_EQ(out_.Text(), "");
  EXPECT_TRUE(writer.Flush().ok());
  EXPECT_EQ(out_.Text(), "one two");
  EXPECT_TRUE(writer.Flush().ok());
  EXPECT_EQ(out_.Text(), "one two");
}

TEST_F(WriterTest, WritesLargeAmountsWithoutBeingAsked) {
  Writer writer(out_.fd());
  std::string wanted;
  for (int i = 0; i < 3000; ++i) {
    const std::string piece(static_cast<size_t>(i % 700), static_cast<char>('a' + i % 26));
    writer.Append(piece);
    wanted += piece;
  }
  EXPECT_GT(out_.Text().size(), 2 * Writer::kBufferBytes);
  const std::string large(3 * Writer::kBufferBytes, 'z');
  writer.Append(large);
  EXPECT_TRUE(writer.Flush().ok());
  EXPECT_TRUE(out_.Text() == wanted + large);
}

TEST_F(WriterTest, TheDestructorWritesTheRest) {
  {
    Writer writer(out_.fd());
    writer.Append("rest");
  }
  EXPECT_EQ(out_.Text(), "rest");
}

TEST_F(WriterTest, AFullDiskIsAnErrorThatStays) {
  const ScopedFd full = FullDisk();
  Writer writer(full.get());
  writer.Append("x");
  EXPECT_TRUE(writer.status().ok()) << "nothing was tried yet";
  const absl::Status status = writer.Flush();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ExitCodeOf(status), kExitFailure);
  EXPECT_THAT(Explain(status), HasSubstr("No space left"));
  EXPECT_EQ(writer.status(), status);
  EXPECT_EQ(writer.Flush(), status) << "also when there is nothing to write";
}

TEST_F(WriterTest, AReaderThatWentAwayIsAnErrorButNotAFailureOfTheCommand) {
  Pipe pipe;
  pipe.read_end.Reset();
  Writer writer(pipe.write_end.get());
  writer.Append("x");
  const absl::Status status = writer.Flush();
  EXPECT_FALSE(status.ok()) << "a loop must not go on writing";
  EXPECT_EQ(ExitCodeOf(status), kExitOk);
  EXPECT_EQ(Explain(status), "");
}

TEST_F(WriterTest, AClosedDescriptorIsAnError) {
  Writer writer(-1);
  writer.Append("x");
  EXPECT_EQ(ExitCodeOf(writer.Flush()), kExitFailure);
}

TEST_F(WriterTest, KnowsATerminal) {
  const Terminal terminal;
  EXPECT_TRUE(Writer(terminal.fd()).is_terminal());
  EXPECT_FALSE(Writer(out_.fd()).is_terminal());
}

TEST_F(WriterTest, CommandsReportAFullDiskAndStaySilentWithoutAReader) {
  const ScopedFd full = FullDisk();
  EXPECT_EQ(RunCenterctl({"help"}, Deps(in_.fd(), full.get(), err_.fd())), kExitFailure);
  const CliResult version = Run({"version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(RunCenterctl({"version"}, Deps(in_.fd(), full.get(), err_.fd())), kExitFailure);
  EXPECT_THAT(err_.Text(), HasSubstr("centerctl: write: No space left on device"));
  Pipe pipe;
  pipe.read_end.Reset();
  const MemoryFile err;
  EXPECT_EQ(RunCenterctl({"version"}, Deps(in_.fd(), pipe.write_end.get(), err.fd())), kExitOk);
  EXPECT_EQ(err.Text(), "");
}

}  // namespace
}  // namespace center::cli

#include "services/common/handover.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "services/common/scoreboard.h"

namespace center {
namespace {

using testing::HasSubstr;

struct Pipe {
  ScopedFd read_end;
  ScopedFd write_end;
};

Pipe MakePipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {ScopedFd(ends[0]), ScopedFd(ends[1])};
}

class HandoverTest : public testing::Test {
 protected:
  HandoverTest() {
    std::string name = testing::TempDir() + "/handover.XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ + "/h.sock";
    auto listening = ListenHandover(path_);
    EXPECT_TRUE(listening.ok()) << listening.status();
    if (listening.ok()) listening_ = *std::move(listening);
  }
  ~HandoverTest() override { std::filesystem::remove_all(folder_); }

  ScopedFd Accept() const {
    return ScopedFd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  // A message as anybody could send it.
  absl::StatusOr<Handover> Receive(const std::string& text, const std::vector<int>& fds) const {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const ScopedFd from(ends[0]);
    const ScopedFd to(ends[1]);
    std::string copy = text;
    iovec bytes{.iov_base = copy.data(), .iov_len = copy.size()};
    std::vector<char> control(CMSG_SPACE(sizeof(int) * fds.size()));
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
      std::memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * fds.size());
    }
    EXPECT_GE(::sendmsg(from.get(), &message, MSG_NOSIGNAL), 0);
    return ReceiveHandover(to.get());
  }
  static size_t OpenFds() {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      static_cast<void>(entry);
      ++count;
    }
    return count;
  }

  std::string folder_;
  std::string path_;
  ScopedFd listening_;
};

TEST_F(HandoverTest, WhatAWorkerKeepsArrivesWithItsNameAndToken) {
  auto listener = ListenTcp("127.0.0.1", 0, 1);
  ASSERT_TRUE(listener.ok());
  auto scoreboard = Scoreboard::CreateMemfd();
  ASSERT_TRUE(scoreboard.ok());
  Pipe out = MakePipe();
  Pipe err = MakePipe();
  const uint16_t port = *LocalPort(listener->get());
  const Handover kept{.worker = "web/3",
                      .token = "secret",
                      .listener = *std::move(listener),
                      .scoreboard = *std::move(scoreboard),
                      .stdout_pipe = std::move(out.read_end),
                      .stderr_pipe = std::move(err.read_end)};
  ASSERT_TRUE(SendHandover(path_, kept).ok());
  const ScopedFd socket = Accept();
  ASSERT_TRUE(socket.valid());
  const auto peer = PeerOf(socket.get());
  ASSERT_TRUE(peer.ok());
  EXPECT_EQ(peer->pid, ::getpid());
  EXPECT_EQ(peer->uid, ::geteuid());
  // The sender has closed its end already.
  auto got = ReceiveHandover(socket.get());
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->worker, "web/3");
  EXPECT_EQ(got->token, "secret");
  EXPECT_EQ(*LocalPort(got->listener.get()), port);
  EXPECT_TRUE(*IsListeningSocket(got->listener.get()));
  EXPECT_TRUE(Scoreboard::Map(got->scoreboard.get()).ok());
  ASSERT_EQ(::write(err.write_end.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(got->stderr_pipe.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(::fcntl(got->stdout_pipe.get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(HandoverTest, WhatIsNotThereIsNotSent) {
  Pipe out = MakePipe();
  const Handover kept{.worker = "pool/0", .token = "t", .stdout_pipe = std::move(out.read_end)};
  ASSERT_TRUE(SendHandover(path_, kept).ok());
  auto got = ReceiveHandover(Accept().get());
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_FALSE(got->listener.valid());
  EXPECT_FALSE(got->scoreboard.valid());
  EXPECT_TRUE(got->stdout_pipe.valid());
  EXPECT_FALSE(got->stderr_pipe.valid());
}

TEST_F(HandoverTest, TheSocketIsItsOwnersAlone) {
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(HandoverTest, ASocketThatWasLeftIsReplaced) {
  listening_.Reset();
  EXPECT_TRUE(absl::IsUnavailable(SendHandover(path_, {.worker = "a/0"})));
  auto again = ListenHandover(path_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(SendHandover(path_, {.worker = "a/0"}).ok());
}

TEST_F(HandoverTest, APathThatFitsNoAddressIsAnError) {
  EXPECT_TRUE(absl::IsInvalidArgument(ListenHandover(std::string(200, 'x')).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SendHandover("", {})));
}

TEST_F(HandoverTest, SilenceIsNoMessage) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const ScopedFd quiet(ends[0]);
  ScopedFd other(ends[1]);
  EXPECT_TRUE(absl::IsUnavailable(ReceiveHandover(quiet.get()).status()));
  other.Reset();  // hung up without a word
  EXPECT_TRUE(absl::IsInvalidArgument(ReceiveHandover(quiet.get()).status()));
}

TEST_F(HandoverTest, GarbageIsRefusedAndWhatCameWithItIsClosed) {
  const Pipe pipe = MakePipe();
  const int fd = pipe.read_end.get();
  const size_t before = OpenFds();
  for (const char* text : {"hello", "center-handover 2\na/0\nt\n", "center-handover 1\n\nt\n",
                           "center-handover 1\na/0", "center-handover 1\na/0\nt\nstdout\nmore",
                           "center-handover 1\na/0\nt\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Receive(text, {fd}).status())) << text;
  }
  EXPECT_TRUE(
      absl::IsInvalidArgument(Receive(std::string(kHandoverBytesMax + 1, 'x'), {fd}).status()));
  EXPECT_EQ(OpenFds(), before);
}

TEST_F(HandoverTest, NamesAndDescriptorsMustFitEachOther) {
  const Pipe pipe = MakePipe();
  const int fd = pipe.read_end.get();
  const size_t before = OpenFds();
  const std::string head = "center-handover 1\na/0\nt\n";
  EXPECT_THAT(Receive(head + "stdout:stderr", {fd}).status().message(),
              HasSubstr("names 2 descriptors and has 1"));
  EXPECT_TRUE(absl::IsInvalidArgument(Receive(head + "stdout", {}).status()));
  EXPECT_THAT(Receive(head + "stdout:stdout", {fd, fd}).status().message(), HasSubstr("two"));
  const std::vector<int> many(kHandoverFdsMax + 8, fd);
  EXPECT_TRUE(absl::IsInvalidArgument(Receive(head + "stdout", many).status()));
  EXPECT_EQ(OpenFds(), before);
}

TEST_F(HandoverTest, WhatANewerWorkerAddsIsClosed) {
  const Pipe pipe = MakePipe();
  const size_t before = OpenFds();
  {
    auto got = Receive("center-handover 1\na/0\nt\nstdout:novelty",
                       {pipe.read_end.get(), pipe.read_end.get()});
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_TRUE(got->stdout_pipe.valid());
    EXPECT_EQ(OpenFds(), before + 1);
  }
  EXPECT_EQ(OpenFds(), before);
}

TEST_F(HandoverTest, EndsOfPipesAreToldApart) {
  const Pipe pipe = MakePipe();
  EXPECT_TRUE(IsPipeReadEnd(pipe.read_end.get()));
  EXPECT_FALSE(IsPipeReadEnd(pipe.write_end.get()));
  EXPECT_FALSE(IsPipeReadEnd(listening_.get()));
  EXPECT_FALSE(IsPipeReadEnd(-1));
  EXPECT_FALSE(*IsListeningSocket(pipe.read_end.get()));
}

}  // namespace
}  // namespace center

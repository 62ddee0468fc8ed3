#include "services/common/net_address.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center {
namespace {

using ::testing::HasSubstr;

TEST(NetAddressTest, ParsesAndPrintsWhatUsersWrite) {
  for (const char* text : {"unix:/run/center.sock", "127.0.0.1:7070", "localhost:0", "[::1]:7070",
                           "host.name:65535"}) {
    const auto address = ParseNetAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(ParseNetAddress("[::1]:7070")->host, "::1");
  EXPECT_TRUE(ParseNetAddress("unix:relative")->is_unix);
}

TEST(NetAddressTest, RefusesTheRestAndNamesIt) {
  for (const char* text : {"", "7070", "host", "host:", "host:x", "host:65536", "host:-1", ":7070",
                           "::1:7070", "[]:1", "unix:"}) {
    const auto address = ParseNetAddress(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(address.status().message()), HasSubstr(std::string("'") + text + "'"));
  }
  EXPECT_FALSE(ParseNetAddress("unix:/" + std::string(107, 'x')).ok());
  EXPECT_TRUE(ParseNetAddress("unix:/" + std::string(106, 'x')).ok());
}

TEST(NetAddressTest, KnowsWhatStaysOnThisMachine) {
  for (const char* text : {"unix:/x", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"}) {
    EXPECT_TRUE(ParseNetAddress(text)->IsLocal()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "example.org:1"}) {
    EXPECT_FALSE(ParseNetAddress(text)->IsLocal()) << text;
  }
}

TEST(NetAddressTest, PrintsSocketAddresses) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(80);
  v4.sin_addr.s_addr = htonl(0x0a000001);
  EXPECT_EQ(SockaddrToString(storage), "10.0.0.1:80");
  storage = {};
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(80);
  ASSERT_EQ(::inet_pton(AF_INET6, "fe80::1", &v6.sin6_addr), 1);
  EXPECT_EQ(SockaddrToString(storage), "[fe80::1]:80");
  ASSERT_EQ(::inet_pton(AF_INET6, "::ffff:10.0.0.1", &v6.sin6_addr), 1);
  EXPECT_EQ(SockaddrToString(storage), "10.0.0.1:80");
  storage = {};
  storage.ss_family = AF_UNIX;
  EXPECT_EQ(SockaddrToString(storage), "unix");
}

TEST(ListenTcpTest, ASecondListenerOnThePortIsRefused) {
  const auto first = ListenTcp("127.0.0.1", 0, 16);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_NE(::fcntl(first->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(first->get(), F_GETFD) & FD_CLOEXEC, 0);
  const auto port = LocalPort(first->get());
  ASSERT_TRUE(port.ok());
  EXPECT_NE(*port, 0);
  const auto second = ListenTcp("127.0.0.1", *port, 16);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(std::to_string(*port)));
}

TEST(ListenTcpTest, AddressesThatAreNotOursAreErrors) {
  EXPECT_FALSE(ListenTcp("192.0.2.1", 0, 1).ok());  // TEST-NET-1: never an interface's address
  EXPECT_TRUE(absl::IsNotFound(ListenTcp("no such host", 0, 1).status()));
}

TEST(ConnectTcpTest, ReachesAListenerAndReportsWhenThereIsNone) {
  uint16_t port = 0;
  {
    const auto listener = ListenTcp("127.0.0.1", 0, 16);
    ASSERT_TRUE(listener.ok());
    port = *LocalPort(listener->get());
    EXPECT_TRUE(ConnectTcp("127.0.0.1", port).ok());
  }
  EXPECT_TRUE(absl::IsUnavailable(ConnectTcp("127.0.0.1", port).status()));
}

TEST(LocalPortTest, OtherDescriptorsAreErrors) { EXPECT_FALSE(LocalPort(0).ok()); }

TEST(DefaultRuntimeDirTest, FollowsXdgWhenItIsAbsolute) {
  ASSERT_EQ(::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
  EXPECT_EQ(DefaultRuntimeDir(), "/run/user/7/center");
  ASSERT_EQ(::setenv("XDG_RUNTIME_DIR", "relative", 1), 0);
  EXPECT_THAT(DefaultRuntimeDir(), HasSubstr("/tmp/center-"));
  ASSERT_EQ(::unsetenv("XDG_RUNTIME_DIR"), 0);
}

}  // namespace
}  // namespace center

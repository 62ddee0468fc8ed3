#include "tests/integration/http_get.h"

#include <sys/socket.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "services/common/net_address.h"
#include "tests/integration/process.h"

namespace center::itest {

HttpAnswer HttpGet(const std::string& address, absl::string_view path) {
  const auto parsed = ParseNetAddress(address);
  if (!parsed.ok()) return {};
  const auto connection = ConnectTcp(parsed->host, parsed->port);
  if (!connection.ok()) return {};
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: test\r\n\r\n");
  if (::send(connection->get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return {};
  }
  std::string text;
  char buffer[16 << 10];
  for (;;) {
    const ssize_t got = ::recv(connection->get(), buffer, sizeof buffer, 0);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  HttpAnswer answer;
  const size_t end = text.find("\r\n\r\n");
  const std::vector<std::string> words = absl::StrSplit(text, absl::MaxSplits(' ', 2));
  if (end == std::string::npos || words.size() < 2 || !absl::SimpleAtoi(words[1], &answer.status)) {
    return {};
  }
  answer.body = text.substr(end + 4);
  return answer;
}

std::string HttpAddressInLog(const std::string& log_path) {
  constexpr absl::string_view kBefore = "serving HTTP on ";
  std::string address;
  EXPECT_TRUE(WaitFor([&] {
    const std::string log = ReadWholeFile(log_path);
    const size_t at = log.rfind(kBefore.data(), std::string::npos, kBefore.size());
    if (at == std::string::npos) return false;
    const size_t end = log.find_first_of(" \n\"", at + kBefore.size());
    if (end == std::string::npos) return false;
    address = log.substr(at + kBefore.size(), end - at - kBefore.size());
    return true;
  })) << log_path
      << " names no address";
  return address;
}

}  // namespace center::itest

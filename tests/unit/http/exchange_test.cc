#include "services/common/http/exchange.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::http {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Response Echo(const Request& request) {
  return {.body = absl::StrCat("path ", request.path, request.verbose ? " verbose" : "", "\n")};
}

std::string Ask(absl::string_view head) { return Exchange(absl::StrCat(head, "\r\n\r\n"), Echo); }

TEST(ExchangeTest, AGetIsAnsweredAndTheConnectionCloses) {
  EXPECT_THAT(Ask("GET /livez HTTP/1.1\r\nHost: x"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Connection: close\r\n"),
                    HasSubstr("Content-Length: 12\r\n"), EndsWith("\r\n\r\npath /livez\n")));
}

TEST(ExchangeTest, VerboseIsKnownWithAndWithoutAValue) {
  EXPECT_THAT(Ask("GET /readyz?verbose HTTP/1.1"), EndsWith("path /readyz verbose\n"));
  EXPECT_THAT(Ask("GET /readyz?verbose=true HTTP/1.1"), EndsWith("path /readyz verbose\n"));
  EXPECT_THAT(Ask("GET /readyz?other HTTP/1.1"), EndsWith("path /readyz\n"));
}

TEST(ExchangeTest, HeadHasTheFieldsWithoutTheBody) {
  EXPECT_THAT(Ask("HEAD /livez HTTP/1.1"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 12\r\n"),
                    EndsWith("\r\n\r\n")));
}

TEST(ExchangeTest, OtherMethodsAreRefused) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    EXPECT_THAT(Ask(absl::StrCat(method, " /livez HTTP/1.1\r\nContent-Length: 3")),
                AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")))
        << method;
  }
}

TEST(ExchangeTest, NonsenseIsABadRequest) {
  for (const char* head : {"", "hello", "GET", "GET /", "FETCH / HTTP/1.1", "GET / HTTP/9.9",
                           "GET / HTTP/1.1\r\nno colon", "\x16\x03\x01\x02\x00\x01"}) {
    EXPECT_THAT(Ask(head), AllOf(StartsWith("HTTP/1.1 4"), Not(HasSubstr("path")))) << head;
  }
}

TEST(ExchangeTest, RangesAreNotServed) {
  EXPECT_THAT(Ask("GET /livez HTTP/1.1\r\nRange: bytes=0-3"),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("path /livez\n")));
  // httplib looks for ranges by a regular expression, which recurses.
  std::string range = "0-1";
  while (range.size() < 7900) range += ",0-1";
  EXPECT_THAT(Ask(absl::StrCat("GET /livez HTTP/1.1\r\nRange: bytes=", range)),
              StartsWith("HTTP/1.1 "));
}

TEST(ExchangeTest, AHandlerThatThrowsIsAnError) {
  const auto throws = [](const Request&) -> Response { throw 1; };
  EXPECT_THAT(Exchange("GET / HTTP/1.1\r\n\r\n", throws), StartsWith("HTTP/1.1 500 "));
}

}  // namespace
}  // namespace center::http

// A GET over HTTP, and where a process that chose its port serves it.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace center::itest {

struct HttpAnswer {
  int status = 0;  // 0: nobody answered
  std::string body;
};

// `address` is "127.0.0.1:7071".
HttpAnswer HttpGet(const std::string& address, absl::string_view path);

// What a process has logged as "serving HTTP on ADDRESS", once it has. Fails the test otherwise.
std::string HttpAddressInLog(const std::string& log_path);

}  // namespace center::itest

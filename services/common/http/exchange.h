// One HTTP request and its answer, without a socket: the parsing and writing of HTTP/1.1.
#pragma once

#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace center::http {

struct Request {
  std::string path;      // "/readyz"
  bool verbose = false;  // "?verbose", with any value
};

struct Response {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

using Handler = std::function<Response(const Request&)>;

// The bytes that answer a request whose head (request line and header fields, with the empty line
// that ends them) is `head`; GET and HEAD go to `handler`, everything else is refused here. A body
// is not looked at. The connection is to be closed after it.
std::string Exchange(absl::string_view head, const Handler& handler);

// A whole answer for what is no request that Exchange could be asked for.
std::string PlainAnswer(int status, absl::string_view reason);

}  // namespace center::http

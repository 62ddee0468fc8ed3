#include "services/common/http/exchange.h"

#include <httplib.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace center::http {
namespace {

// What httplib reads the head from and writes the answer to. It has no descriptor: httplib refuses
// those over 1023, which a process with many connections has.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(absl::string_view in) : in_(in) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t taken = std::min(size, in_.size());
    std::memcpy(to, in_.data(), taken);
    in_.remove_prefix(taken);
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* from, size_t size) override {
    out_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { port = 0; }
  socket_t socket() const override { return INVALID_SOCKET; }

  std::string TakeOut() { return std::move(out_); }

 private:
  absl::string_view in_;
  std::string out_;
};

// httplib's server without its sockets and threads, which know no limits.
class Engine final : public httplib::Server {
 public:
  explicit Engine(const http::Handler& handler) {
    set_pre_routing_handler([&handler](const httplib::Request& request, httplib::Response& answer) {
      if (request.method != "GET" && request.method != "HEAD") {
        answer.status = 405;
        answer.set_header("Allow", "GET, HEAD");
        answer.set_content("only GET and HEAD\n", "text/plain; charset=utf-8");
        return HandlerResponse::Handled;
      }
      const http::Response given =
          handler({.path = request.path, .verbose = request.has_param("verbose")});
      answer.status = given.status;
      answer.set_header("Cache-Control", "no-store");
      answer.set_header("X-Content-Type-Options", "nosniff");
      answer.set_content(given.body, given.type);
      return HandlerResponse::Handled;
    });
    set_error_handler(HandlerWithResponse(
        [](const httplib::Request&, httplib::Response& answer) -> HandlerResponse {
          if (answer.body.empty()) {
            answer.set_content("this is no HTTP/1.1 request that is understood here\n",
                               "text/plain; charset=utf-8");
          }
          return HandlerResponse::Handled;
        }));
  }

  std::string Answer(absl::string_view head) {
    MemoryStream stream(head);
    bool closed = false;
    process_request(stream, /*close_connection=*/true, closed,
                    [](httplib::Request& request) { request.ranges.clear(); });
    return stream.TakeOut();
  }
};

// httplib passes over lines that are no header fields.
bool HasOnlyFields(absl::string_view head) {
  const std::vector<absl::string_view> lines = absl::StrSplit(head, "\r\n");
  return std::all_of(lines.begin() + 1, lines.end(), [](absl::string_view line) {
    return line.empty() || (line.find(':') != absl::string_view::npos && line[0] != ':');
  });
}

}  // namespace

std::string Exchange(absl::string_view head, const Handler& handler) {
  if (!HasOnlyFields(head)) return PlainAnswer(400, "Bad Request");
  // Other people's code, fed with bytes from outside: whatever it throws ends here.
  try {
    std::string answer = Engine(handler).Answer(head);
    if (!answer.empty()) return answer;
  } catch (...) {
    return PlainAnswer(500, "Internal Server Error");
  }
  return PlainAnswer(400, "Bad Request");
}

std::string PlainAnswer(int status, absl::string_view reason) {
  return absl::StrCat("HTTP/1.1 ", status, " ", reason,
                      "\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
                      "Content-Length: ",
                      reason.size() + 1, "\r\n\r\n", reason, "\n");
}

}  // namespace center::http

// The rules of the house, checked on the real tree: who may include whom, how long a file may be,
// and what nobody writes. The checker is a pure function over path -> content, so that each rule
// has a test that shows it can fail.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Tree = std::map<std::string, std::string>;  // path from the root -> content

constexpr size_t kMaxLines = 400;
constexpr size_t kMaxTestLines = 500;
constexpr size_t kMaxColumns = 100;

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}
bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}
bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
bool IsTest(std::string_view path) { return StartsWith(path, "tests/"); }
bool IsCpp(std::string_view path) { return EndsWith(path, ".cc") || EndsWith(path, ".h"); }
std::string_view Basename(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Columns as a reader sees them: UTF-8 continuation bytes take none.
size_t Columns(std::string_view line) {
  size_t columns = 0;
  for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return columns;
}

// The text with comments and the insides of string literals blanked; line feeds stay.
class CodeOnly {
 public:
  explicit CodeOnly(std::string text) : text_(std::move(text)) {}

  std::string Run() {
    while (at_ < text_.size()) Step();
    return std::move(text_);
  }

 private:
  void Step() {
    if (StartsWith(Rest(), "//")) {
      BlankUntil("\n", 0);
    } else if (StartsWith(Rest(), "/*")) {
      BlankUntil("*/", 2);
    } else if (StartsWith(Rest(), "R\"")) {
      const size_t open = text_.find('(', at_);
      const std::string delimiter = text_.substr(at_ + 2, open - at_ - 2);
      BlankUntil(")" + delimiter + "\"", delimiter.size() + 2);
    } else if (text_[at_] == '"' || IsCharLiteral()) {
      BlankLiteral(text_[at_]);
    } else {
      ++at_;
    }
  }
  // 1'000'000 is no literal.
  bool IsCharLiteral() const {
    return text_[at_] == '\'' &&
           (at_ == 0 || !std::isalnum(static_cast<unsigned char>(text_[at_ - 1])));
  }
  void BlankLiteral(char quote) {
    for (++at_; at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) text_[at_++] = ' ';
      text_[at_] = ' ';
    }
    ++at_;
  }
  void BlankUntil(const std::string& end, size_t keep) {
    size_t stop = text_.find(end, at_);
    stop = stop == std::string::npos ? text_.size() : stop + keep;
    for (; at_ < stop; ++at_) {
      if (text_[at_] != '\n') text_[at_] = ' ';
    }
  }
  std::string_view Rest() const { return std::string_view(text_).substr(at_); }

  std::string text_;
  size_t at_ = 0;
};

// True when `word` stands in `line` with no letter, digit or underscore around it.
bool HasWord(std::string_view line, std::string_view word) {
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !is_word(line[at - 1])) && (end == line.size() || !is_word(line[end]))) {
      return true;
    }
  }
  return false;
}

// True when `function` is called (or declared) as a free function: not x.fork(), not MyFork().
bool HasCall(std::string_view line, std::string_view function) {
  const std::string call = std::string(function) + "(";
  for (size_t at = line.find(call); at != std::string_view::npos; at = line.find(call, at + 1)) {
    const char before = at == 0 ? ' ' : line[at - 1];
    if (std::isalnum(static_cast<unsigned char>(before)) == 0 && before != '_' && before != '.' &&
        before != '>') {
      return true;
    }
  }
  return false;
}

std::string IncludeOf(const std::string& line) {
  if (!StartsWith(line, "#include ")) return "";
  const size_t open = line.find_first_of("\"<");
  const size_t close = open == std::string::npos ? open : line.find_first_of("\">", open + 1);
  return close == std::string::npos ? "" : line.substr(open + 1, close - open - 1);
}

// Where a production file stands: "common", "common/rpc", "worker/journal", "worker/api",
// "worker/main", "cli" …. Files directly in a process's folder are its wiring, as main.cc is.
std::string LayerOf(const std::string& path) {
  if (StartsWith(path, "services/common/rpc/")) return "common/rpc";
  if (StartsWith(path, "services/common/http/")) return "common/http";
  if (StartsWith(path, "services/common/")) return "common";
  if (StartsWith(path, "cli/")) return "cli";
  if (!StartsWith(path, "services/")) return "";
  const std::string inside = path.substr(std::string("services/").size());
  const size_t process_end = inside.find('/');
  const size_t part_end = inside.find('/', process_end + 1);
  const std::string process = inside.substr(0, process_end);
  if (part_end == std::string::npos) return process + "/main";
  return process + inside.substr(process_end, part_end - process_end);
}

bool MayInclude(const std::string& from, const std::string& to) {
  if (from == to || to == "common") return true;
  if (to == "common/rpc") return from != "common" && from != "common/http";
  if (to == "common/http") return EndsWith(from, "/api") || EndsWith(from, "/main");
  if (from == "cli") {
    // centerctl journal verify|dump|repair; tail --direct merges streams as the coordinator does.
    return to == "worker/journal" || to == "coordinator/relay";
  }
  const std::string process = from.substr(0, from.find('/'));
  if (process != to.substr(0, to.find('/'))) return false;
  if (EndsWith(from, "/main")) return true;
  // The other backend behind the supervision's seam.
  if (from == "coordinator/kube") return to == "coordinator/supervision";
  return EndsWith(from, "/api") && !EndsWith(to, "/main");
}

bool IsMain(std::string_view path) { return Basename(path) == "main.cc"; }

bool MayUseGrpc(const std::string& path, const std::string& layer) {
  return layer == "common/rpc" || EndsWith(layer, "/api") || layer == "coordinator/relay" ||
         layer == "cli" || IsMain(path);
}

bool MayUseAsio(const std::string& path, const std::string& layer) {
  const bool loop =
      layer == "coordinator/supervision" &&
      (StartsWith(Basename(path), "event_loop.") || StartsWith(Basename(path), "process_launcher"));
  return loop || layer == "worker/ingest" || StartsWith(layer, "client/") || IsMain(path);
}

bool IsPure(const std::string& layer) {
  return layer == "worker/journal" || layer == "worker/compute" ||
         layer == "coordinator/supervision" || layer == "coordinator/jobs";
}

std::string BadInclude(const std::string& path, const std::string& include) {
  const std::string layer = LayerOf(path);
  if (layer.empty()) return "";
  if (StartsWith(include, "tests/")) return "production code includes a test";
  const bool proto = EndsWith(include, ".pb.h") || StartsWith(include, "google/protobuf/");
  if ((StartsWith(include, "grpc") || EndsWith(include, ".grpc.pb.h")) &&
      !MayUseGrpc(path, layer)) {
    return "gRPC has no place in " + layer;
  }
  if ((include == "asio.hpp" || StartsWith(include, "asio/")) && !MayUseAsio(path, layer)) {
    return "Asio has no place in " + layer;
  }
  if ((include == "httplib.h" || StartsWith(include, "prometheus/")) && layer != "common/http") {
    return "HTTP and metrics libraries have no place in " + layer;
  }
  if (proto && IsPure(layer)) return "protobuf has no place in " + layer;
  const std::string target = LayerOf(include);
  if (!target.empty() && !MayInclude(layer, target)) return layer + " must not include " + target;
  return "";
}

// What is wrong with one line of code (comments and literals blanked), or "".
std::string BadCode(const std::string& path, std::string_view line) {
  for (const char* call : {"system", "fork", "vfork", "popen"}) {
    if (HasCall(line, call)) return std::string("calls ") + call + "(); use posix_spawn";
  }
  // As a statement: `submission.detach()` in an expression is a field's value.
  if (Contains(line, ".detach();") && !Contains(line, "return ")) {
    return "a detached thread has no owner";
  }
  if (!IsTest(path)) return "";
  for (const char* nap : {"sleep_for", "sleep_until", "SleepFor", "usleep", "nanosleep", "sleep"}) {
    if (HasWord(line, nap)) return "a test sleeps; wait for a condition with a deadline";
  }
  for (const char* skip : {"GTEST_SKIP", "EXPECT_TRUE(true)"}) {
    if (Contains(line, skip)) return "a test that checks nothing";
  }
  if (Contains(line, "DISABLED_")) return "a test that is switched off";
  return "";
}

void CheckCpp(const std::string& path, const std::string& text, std::vector<std::string>* found) {
  const std::vector<std::string> lines = Lines(text);
  const std::vector<std::string> code = Lines(CodeOnly(text).Run());
  const size_t limit = IsTest(path) ? kMaxTestLines : kMaxLines;
  if (lines.size() > limit) {
    found->push_back(path + ": " + std::to_string(lines.size()) + " lines, the limit is " +
                     std::to_string(limit));
  }
  if (EndsWith(path, ".h") && !Contains(text, "#pragma once")) {
    found->push_back(path + ": no #pragma once");
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto report = [&](const std::string& what) {
      if (!what.empty()) found->push_back(path + ":" + std::to_string(i + 1) + ": " + what);
    };
    if (Columns(lines[i]) > kMaxColumns) report("longer than 100 columns");
    for (const char* word : {"TO"
                             "DO",
                             "FIX"
                             "ME",
                             "XX"
                             "X",
                             "HA"
                             "CK"}) {
      if (HasWord(lines[i], word)) report(std::string("unfinished: ") + word);
    }
    report(BadInclude(path, IncludeOf(lines[i])));
    if (i < code.size()) report(BadCode(path, code[i]));
  }
}

// A .cc file that no CMakeLists.txt above it names is dead.
bool IsBuilt(const Tree& tree, const std::string& path) {
  for (std::string folder = path; !folder.empty();) {
    const size_t slash = folder.rfind('/');
    folder.resize(slash == std::string::npos ? 0 : slash);
    const auto lists = tree.find(folder + (folder.empty() ? "" : "/") + "CMakeLists.txt");
    if (lists != tree.end() && Contains(lists->second, Basename(path))) return true;
  }
  return false;
}

// Everything that is wrong with a tree, one line each, in the order of paths.
std::vector<std::string> CheckHouse(const Tree& tree) {
  std::vector<std::string> found;
  for (const auto& [path, text] : tree) {
    if (!IsCpp(path)) continue;
    CheckCpp(path, text, &found);
    if (EndsWith(path, ".cc") && !EndsWith(path, "_fuzz.cc") && !IsBuilt(tree, path)) {
      found.push_back(path + ": no CMakeLists.txt names it");
    }
  }
  return found;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Tree ReadTree(const std::filesystem::path& root) {
  Tree tree;
  tree["CMakeLists.txt"] = ReadFile(root / "CMakeLists.txt");
  for (const char* top : {"services", "cli", "tests"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / top)) {
      const std::string path = std::filesystem::relative(entry.path(), root).string();
      if (!entry.is_regular_file() || (!IsCpp(path) && Basename(path) != "CMakeLists.txt"))
        continue;
      tree[path] = ReadFile(entry.path());
    }
  }
  return tree;
}

TEST(HouseTest, TheTreeKeepsTheRules) {
  const Tree tree = ReadTree(CENTER_SOURCE_DIR);
  ASSERT_GT(tree.size(), 20u) << "the tree was not found in " << CENTER_SOURCE_DIR;
  for (const std::string& violation : CheckHouse(tree)) ADD_FAILURE() << violation;
}

// ---- Each rule can fail ---------------------------------------------------------------------

// Violations of a tree that holds this one file, and builds it.
std::vector<std::string> CheckFile(const std::string& path, const std::string& text) {
  const std::string folder = path.substr(0, path.rfind('/'));
  return CheckHouse(
      {{path, text}, {folder + "/CMakeLists.txt", std::string(Basename(path)) + "\n"}});
}
std::vector<std::string> CheckInclude(const std::string& path, const std::string& include) {
  return CheckFile(path, "#include \"" + include + "\"\n");
}

TEST(HouseRulesTest, IncludesFollowTheDirections) {
  const auto allowed = [](const std::string& from, const std::string& to) {
    EXPECT_THAT(CheckInclude(from, to), IsEmpty()) << from << " <- " << to;
  };
  const auto forbidden = [](const std::string& from, const std::string& to) {
    EXPECT_THAT(CheckInclude(from, to), ElementsAre(HasSubstr("must not include")))
        << from << " <- " << to;
  };
  allowed("services/worker/ingest/a.cc", "services/common/fd.h");
  allowed("services/worker/api/a.cc", "services/worker/journal/journal.h");
  allowed("services/worker/main.cc", "services/worker/api/service.h");
  allowed("services/coordinator/relay/a.cc", "services/common/rpc/status.h");
  allowed("cli/journal.cc", "services/worker/journal/journal.h");
  allowed("cli/direct_payloads.cc", "services/coordinator/relay/merged_stream.h");
  allowed("tests/unit/x/a.cc", "services/worker/api/service.h");
  allowed("services/coordinator/kube/a.cc", "services/coordinator/supervision/supervisor.h");

  allowed("services/worker/api/a.cc", "services/common/http/server.h");
  allowed("services/common/http/a.cc", "services/common/fd.h");

  forbidden("services/common/a.cc", "services/common/http/server.h");
  forbidden("services/common/http/a.cc", "services/common/rpc/status.h");
  forbidden("services/worker/journal/a.cc", "services/common/http/metrics.h");
  forbidden("cli/a.cc", "services/common/http/metrics.h");
  forbidden("services/common/a.cc", "services/common/rpc/status.h");
  forbidden("services/common/a.cc", "services/worker/journal/journal.h");
  forbidden("services/worker/ingest/a.cc", "services/worker/journal/journal.h");
  forbidden("services/worker/journal/a.cc", "services/worker/api/service.h");
  forbidden("services/worker/api/a.cc", "services/coordinator/state/store.h");
  forbidden("services/worker/main.cc", "services/coordinator/state/store.h");
  forbidden("services/coordinator/main.cc", "services/worker/journal/journal.h");
  forbidden("services/coordinator/kube/a.cc", "services/coordinator/state/store.h");
  forbidden("services/coordinator/supervision/a.cc", "services/coordinator/kube/objects.h");
  forbidden("cli/tail.cc", "services/coordinator/state/store.h");
}

TEST(HouseRulesTest, GrpcAsioAndProtobufStayInTheirPlaces) {
  EXPECT_THAT(CheckInclude("services/worker/ingest/a.cc", "grpcpp/grpcpp.h"),
              ElementsAre(HasSubstr("gRPC has no place in worker/ingest")));
  EXPECT_THAT(CheckInclude("services/worker/ingest/a.cc", "center/v1/worker.grpc.pb.h"),
              ElementsAre(HasSubstr("gRPC has no place")));
  EXPECT_THAT(CheckInclude("services/coordinator/supervision/a.cc", "asio/io_context.hpp"),
              ElementsAre(HasSubstr("Asio has no place")));
  EXPECT_THAT(CheckInclude("services/worker/journal/a.cc", "center/v1/payload.pb.h"),
              ElementsAre(HasSubstr("protobuf has no place")));
  EXPECT_THAT(CheckInclude("services/worker/compute/tasks/a.cc", "center/v1/job.pb.h"),
              ElementsAre(HasSubstr("protobuf has no place in worker/compute")));
  EXPECT_THAT(CheckInclude("services/worker/api/a.cc", "tests/fakes/clock.h"),
              ElementsAre(HasSubstr("includes a test")));

  EXPECT_THAT(CheckInclude("services/worker/api/a.cc", "httplib.h"),
              ElementsAre(HasSubstr("have no place in worker/api")));
  EXPECT_THAT(CheckInclude("services/coordinator/api/a.cc", "prometheus/text_serializer.h"),
              ElementsAre(HasSubstr("have no place in coordinator/api")));

  EXPECT_THAT(CheckInclude("services/common/http/a.cc", "httplib.h"), IsEmpty());
  EXPECT_THAT(CheckInclude("services/worker/api/a.cc", "grpcpp/grpcpp.h"), IsEmpty());
  EXPECT_THAT(CheckInclude("services/coordinator/main.cc", "grpcpp/grpcpp.h"), IsEmpty());
  EXPECT_THAT(CheckInclude("services/worker/ingest/a.cc", "asio/io_context.hpp"), IsEmpty());
  EXPECT_THAT(CheckInclude("services/coordinator/supervision/event_loop.cc", "asio.hpp"),
              IsEmpty());
}

TEST(HouseRulesTest, LongFilesAndLinesAreFound) {
  std::string text;
  for (size_t i = 0; i < kMaxLines + 1; ++i) text += "int x;\n";
  EXPECT_THAT(CheckFile("cli/a.cc", text), ElementsAre(HasSubstr("401 lines")));
  EXPECT_THAT(CheckFile("tests/unit/a.cc", text), IsEmpty());
  EXPECT_THAT(CheckFile("cli/a.cc", "//" + std::string(99, 'x')),
              ElementsAre("cli/a.cc:1: longer than 100 columns"));
  std::string wide = "//";
  for (int i = 0; i < 98; ++i) wide += "→";  // 98 columns of three bytes each
  EXPECT_THAT(CheckFile("cli/a.cc", wide), IsEmpty());
}

TEST(HouseRulesTest, BannedCallsAreFoundInCodeOnly) {
  EXPECT_THAT(CheckFile("cli/a.cc", "int x = ::system(\"ls\");"),
              ElementsAre(HasSubstr("calls system()")));
  EXPECT_THAT(CheckFile("cli/a.cc", "if (fork() == 0) {}"), ElementsAre(HasSubstr("calls fork()")));
  EXPECT_THAT(CheckFile("cli/a.cc", "thread.detach();"), ElementsAre(HasSubstr("detached")));
  EXPECT_THAT(CheckFile("tests/unit/a.cc", "std::this_thread::sleep_for(1s);"),
              ElementsAre(HasSubstr("sleeps")));
  EXPECT_THAT(CheckFile("tests/unit/a.cc", "  GTEST_SKIP() << 1;"),
              ElementsAre(HasSubstr("checks nothing")));

  EXPECT_THAT(CheckFile("cli/a.cc", "// fork() is no option, nor is system(\nint y;"), IsEmpty());
  EXPECT_THAT(CheckFile("cli/a.cc", "if (submission.detach()) return submission.detach();"),
              IsEmpty());
  EXPECT_THAT(CheckFile("cli/a.cc", "Say(\"system(3) and fork()\"); x.fork(); MyFork();"),
              IsEmpty());
  EXPECT_THAT(CheckFile("cli/a.cc", "auto t = R\"(fork()\nfork())\";"), IsEmpty());
  EXPECT_THAT(CheckFile("cli/a.cc", "int x = 1'000; /* fork( */ int y = 2'0;"), IsEmpty());
}

TEST(HouseRulesTest, UnfinishedWorkAndDeadFilesAreFound) {
  EXPECT_THAT(CheckFile("cli/a.cc",
                        "// TO"
                        "DO: later"),
              ElementsAre(HasSubstr("unfinished")));
  EXPECT_THAT(CheckFile("cli/a.h", "int x;\n"), ElementsAre("cli/a.h: no #pragma once"));
  EXPECT_THAT(CheckHouse({{"cli/a.cc", "int x;\n"}, {"cli/CMakeLists.txt", "b.cc"}}),
              ElementsAre("cli/a.cc: no CMakeLists.txt names it"));
  EXPECT_THAT(CheckHouse({{"tests/unit/a.cc", "int x;\n"}, {"CMakeLists.txt", "tests/unit/a.cc"}}),
              IsEmpty());
}

}  // namespace
}  // namespace center

#include "tests/conformance/tools.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "tests/integration/collector.h"

namespace center::conformance {

itest::Fleet::Options WithTcp() { return {.extra_args = {"--listen", "127.0.0.1:0"}}; }

std::string TcpAddress(itest::Fleet& fleet) {
  grpc::ClientContext context;
  v1::GetCoordinatorResponse response;
  const grpc::Status status =
      v1::ServerService::NewStub(fleet.channel())->GetCoordinator(&context, {}, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (const std::string& address : response.coordinator().addresses()) {
    if (absl::StartsWith(address, "127.0.0.1:")) return address;
  }
  ADD_FAILURE() << "no TCP address: " << response.ShortDebugString();
  return "";
}

std::vector<std::string> StoredInOrder(itest::Fleet& fleet, const std::string& server) {
  const itest::Ledger ledger = itest::ReadAll(fleet.channel(), server);
  for (const std::string& wrong : itest::CheckDense(ledger)) ADD_FAILURE() << wrong;
  EXPECT_LE(ledger.size(), 1u) << "there is no order between workers";
  std::vector<std::string> payloads;
  for (const auto& [worker, received] : ledger) {
    for (const itest::Received& one : received) payloads.push_back(one.payload);
  }
  return payloads;
}

std::vector<std::string> NumberedLines(absl::string_view prefix, int count) {
  std::vector<std::string> lines;
  for (int i = 0; i < count; ++i) lines.push_back(absl::StrCat(prefix, " ", i));
  return lines;
}

std::string AsText(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  return text;
}

std::string FirstDifference(const std::vector<std::string>& actual,
                            const std::vector<std::string>& expected) {
  if (actual == expected) return "";
  const size_t common = std::min(actual.size(), expected.size());
  size_t at = 0;
  while (at < common && actual[at] == expected[at]) ++at;
  const auto show = [at](const std::vector<std::string>& list) {
    return at < list.size() ? absl::StrCat("\"", absl::CEscape(list[at].substr(0, 200)), "\"")
                            : std::string("nothing");
  };
  return absl::StrCat(actual.size(), " instead of ", expected.size(), "; number ", at, " is ",
                      show(actual), " instead of ", show(expected));
}

void GeneratePython(const std::string& protoc, const std::string& grpc_plugin,
                    const std::string& proto_dir, const std::string& out_dir) {
  std::vector<std::string> args = {"-I", proto_dir, absl::StrCat("--python_out=", out_dir),
                                   absl::StrCat("--grpc_out=", out_dir),
                                   absl::StrCat("--plugin=protoc-gen-grpc=", grpc_plugin)};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(proto_dir)) {
    if (entry.path().extension() == ".proto") {
      args.push_back(std::filesystem::relative(entry.path(), proto_dir).string());
    }
  }
  const itest::RunResult run = itest::RunToEnd(protoc, args);
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

std::vector<std::string> JsonObjects(absl::string_view text) {
  std::vector<std::string> objects;
  int depth = 0;
  bool in_string = false;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' && depth++ == 0) {
      begin = i;
    } else if (c == '}' && --depth == 0) {
      objects.emplace_back(text.substr(begin, i + 1 - begin));
    }
  }
  EXPECT_EQ(depth, 0) << "incomplete JSON: " << text;
  return objects;
}

void FromJson(absl::string_view json, google::protobuf::Message* message) {
  const auto status =
      google::protobuf::util::JsonStringToMessage({json.data(), json.size()}, message);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << json;
}

}  // namespace center::conformance

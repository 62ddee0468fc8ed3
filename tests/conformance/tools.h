// What the tests of foreign programs share.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "tests/integration/fleet.h"

namespace center::conformance {

// A coordinator that is also reachable over TCP, where most tools want it; its port is the
// kernel's choice.
itest::Fleet::Options WithTcp();
// "127.0.0.1:40000"; the fleet must have been made WithTcp.
std::string TcpAddress(itest::Fleet& fleet);

// The contents of a one-worker server, in the order of their offsets.
std::vector<std::string> StoredInOrder(itest::Fleet& fleet, const std::string& server = "default");

// "<prefix> 0", "<prefix> 1" …
std::vector<std::string> NumberedLines(absl::string_view prefix, int count);
// Each with a line feed behind it.
std::string AsText(const std::vector<std::string>& lines);

// Where two long lists differ first, in a line that can be read; "" when they do not.
std::string FirstDifference(const std::vector<std::string>& actual,
                            const std::vector<std::string>& expected);

// What protoc makes of every file under `proto_dir`, for Python, as a user would. A failure fails
// the test.
void GeneratePython(const std::string& protoc, const std::string& grpc_plugin,
                    const std::string& proto_dir, const std::string& out_dir);

// Cuts a sequence of JSON objects, however they are laid out, into single ones.
std::vector<std::string> JsonObjects(absl::string_view text);
// Reads proto3 JSON; the test fails where it is not the message's.
void FromJson(absl::string_view json, google::protobuf::Message* message);
template <typename Message>
std::vector<Message> FromJsonObjects(absl::string_view text) {
  std::vector<Message> messages;
  for (const std::string& json : JsonObjects(text)) FromJson(json, &messages.emplace_back());
  return messages;
}

}  // namespace center::conformance

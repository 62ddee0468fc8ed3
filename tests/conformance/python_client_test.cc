// A Python client whose stubs are generated here and now from proto/, as a user would.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"
#include "tests/conformance/tools.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::conformance {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr int kRpcFailed = 3;

// What the script printed.
struct Answer {
  int exit_code = -1;
  itest::Ledger ledger;
  std::string cursor;
  google::protobuf::Struct last;
};

class PythonClientTest : public ::testing::Test {
 protected:
  PythonClientTest() {
    std::vector<std::string> args = {"-I", CENTER_PROTO_DIR,
                                     absl::StrCat("--python_out=", generated_.path()),
                                     absl::StrCat("--grpc_out=", generated_.path()),
                                     "--plugin=protoc-gen-grpc=" CENTER_GRPC_PYTHON_PLUGIN};
    for (const char* file :
         {"google/rpc/status.proto", "google/rpc/error_details.proto", "center/v1/payload.proto",
          "center/v1/server.proto", "center/v1/event.proto", "center/v1/worker.proto"}) {
      args.push_back(file);
    }
    const itest::RunResult run = itest::RunToEnd(CENTER_PROTOC, args);
    EXPECT_EQ(run.exit_code, 0) << run.err;
  }

  // `lines` payloads from each of several connections, over the workers of the server.
  void Produce(uint16_t port, int connections, int lines) {
    std::vector<std::unique_ptr<itest::Producer>> producers;
    for (int p = 0; p < connections; ++p) {
      producers.push_back(std::make_unique<itest::Producer>(port));
      for (const std::string& line : NumberedLines(absl::StrCat("p", p), lines)) {
        ASSERT_TRUE(producers.back()->Send(absl::StrCat(line, "\n")));
      }
    }
    ASSERT_TRUE(fleet_.WaitStored("default", static_cast<uint64_t>(connections) * lines));
  }

  Answer Run(const std::vector<std::string>& command) {
    std::vector<std::string> args = {CENTER_CONFORMANCE_DIR "/payload_client.py", generated_.path(),
                                     fleet_.address()};
    args.insert(args.end(), command.begin(), command.end());
    const itest::RunResult run = itest::RunToEnd(CENTER_GRPC_PYTHON, args, "", absl::Seconds(60),
                                                 {"PYTHONDONTWRITEBYTECODE=1"});
    EXPECT_EQ(run.err, "");
    Answer answer;
    answer.exit_code = run.exit_code;
    for (auto& object : FromJsonObjects<google::protobuf::Struct>(run.out)) {
      const auto& fields = object.fields();
      if (fields.contains("payload")) {
        answer.ledger[fields.at("worker").string_value()].push_back(
            {.offset = static_cast<uint64_t>(fields.at("offset").number_value()),
             .peer = fields.at("peer").string_value(),
             .payload = fields.at("payload").string_value()});
      }
      if (fields.contains("cursor")) answer.cursor = fields.at("cursor").string_value();
      answer.last = std::move(object);
    }
    return answer;
  }

  itest::Fleet fleet_;
  itest::TempDir generated_;
};

// Adds what a later stream brought; both together must be without a hole.
void Append(itest::Ledger& ledger, const itest::Ledger& more) {
  for (const auto& [worker, received] : more) {
    auto& mine = ledger[worker];
    mine.insert(mine.end(), received.begin(), received.end());
  }
}

void ExpectSame(const itest::Ledger& seen, const itest::Ledger& stored) {
  EXPECT_THAT(itest::CheckDense(seen), IsEmpty());
  EXPECT_THAT(itest::CheckSequences(seen, /*consecutive=*/true), IsEmpty());
  for (const auto& [worker, received] : stored) {
    ASSERT_TRUE(seen.contains(worker)) << worker;
    EXPECT_TRUE(seen.at(worker) == received) << worker;
  }
  EXPECT_EQ(itest::CountOf(seen), itest::CountOf(stored));
}

TEST_F(PythonClientTest, AStreamIsResumedFromItsCursorWithoutAHole) {
  const uint16_t port = fleet_.MustStart("default", itest::SmallSpec(2));
  Produce(port, 4, 500);
  const itest::Ledger stored = itest::ReadAll(fleet_.channel(), "default");
  ASSERT_EQ(itest::CountOf(stored), 2'000u);

  const Answer first = Run({"stream", "default", "earliest", "700"});
  ASSERT_EQ(first.exit_code, 0);
  EXPECT_GE(itest::CountOf(first.ledger), 700u);
  EXPECT_LT(itest::CountOf(first.ledger), 2'000u) << "nothing is left to resume for";

  const Answer second = Run({"stream", "default", absl::StrCat("cursor:", first.cursor), "0"});
  ASSERT_EQ(second.exit_code, 0);
  itest::Ledger seen = first.ledger;
  Append(seen, second.ledger);
  ExpectSame(seen, stored);
}

TEST_F(PythonClientTest, ANamedSubscriptionGoesOnWhereItsCursorWasCommitted) {
  const uint16_t port = fleet_.MustStart("default", itest::SmallSpec(2));
  Produce(port, 4, 500);
  const itest::Ledger stored = itest::ReadAll(fleet_.channel(), "default");

  const Answer first = Run({"stream", "default", "subscription:nightly", "700"});
  ASSERT_EQ(first.exit_code, 0);
  EXPECT_LT(itest::CountOf(first.ledger), 2'000u) << "nothing is left to resume for";
  // Not committed: the same again.
  const Answer again = Run({"stream", "default", "subscription:nightly", "0"});
  ASSERT_EQ(again.exit_code, 0);
  ExpectSame(again.ledger, stored);

  const Answer committed = Run({"commit", "default", "nightly", first.cursor});
  ASSERT_EQ(committed.exit_code, 0);
  EXPECT_EQ(committed.cursor, first.cursor);
  const Answer second = Run({"stream", "default", "subscription:nightly", "0"});
  ASSERT_EQ(second.exit_code, 0);
  itest::Ledger seen = first.ledger;
  Append(seen, second.ledger);
  ExpectSame(seen, stored);
}

TEST_F(PythonClientTest, ACommittedCursorSurvivesTheCoordinator) {
  const uint16_t port = fleet_.MustStart("default", itest::SmallSpec());
  Produce(port, 1, 10);
  ASSERT_EQ(Run({"commit", "default", "nightly", "default/0=7"}).exit_code, 0);
  fleet_.KillCoordinator();
  fleet_.Start();
  ASSERT_TRUE(fleet_.WaitReady("default"));
  const Answer rest = Run({"stream", "default", "subscription:nightly", "3"});
  ASSERT_EQ(rest.exit_code, 0);
  EXPECT_THAT(itest::SortedPayloads(rest.ledger), ElementsAreArray({"p0 7", "p0 8", "p0 9"}));
  // A cursor never goes back by itself.
  EXPECT_EQ(Run({"commit", "default", "nightly", "default/0=2"}).cursor, "default/0=7");
}

TEST_F(PythonClientTest, TailBringsEveryPayloadOnce) {
  const uint16_t port = fleet_.MustStart("default", itest::SmallSpec(2));
  Produce(port, 4, 200);
  const Answer tail = Run({"tail", "default", "800"});
  ASSERT_EQ(tail.exit_code, 0);
  ExpectSame(tail.ledger, itest::ReadAll(fleet_.channel(), "default"));
}

TEST_F(PythonClientTest, AnUnknownServerIsNotFoundWithItsReason) {
  const std::vector<std::vector<std::string>> commands = {{"stream", "nobody", "earliest", "0"},
                                                          {"tail", "nobody", "0"},
                                                          {"commit", "nobody", "nightly", ""}};
  for (const std::vector<std::string>& command : commands) {
    SCOPED_TRACE(command[0]);
    Answer answer = Run(command);
    EXPECT_EQ(answer.exit_code, kRpcFailed);
    auto& fields = *answer.last.mutable_fields();
    EXPECT_EQ(fields["code"].string_value(), "NOT_FOUND");
    EXPECT_EQ(fields["reason"].string_value(), "SERVER_NOT_FOUND");
    EXPECT_EQ(fields["domain"].string_value(), "center.v1");
  }
}

}  // namespace
}  // namespace center::conformance

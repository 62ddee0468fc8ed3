// `centerctl drill`: the shipped proof finds nothing wrong here, and does find what a test breaks.
#include <signal.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "tests/integration/fleet.h"
#include "tests/integration/process.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kDrillTimeout = absl::Minutes(4);

// The drill's own folder is made below this one.
class DrillTest : public testing::Test {
 protected:
  DrillTest() { AdoptOrphans(); }
  ~DrillTest() override { KillDescendants(); }

  RunResult Drill(std::vector<std::string> args) {
    args.insert(args.begin(), {"--color", "never", "-o", "json", "drill"});
    return RunToEnd(Binary("centerctl"), args, "", kDrillTimeout, {"TMPDIR=" + dir_.path()});
  }
  // Rows of -o json by their order; the test fails when the text is none.
  static google::protobuf::Struct Parse(const std::string& json) {
    google::protobuf::Struct report;
    const auto parsed = google::protobuf::util::JsonStringToMessage(json, &report);
    EXPECT_TRUE(parsed.ok()) << parsed.ToString() << ": " << json;
    return report;
  }
  static std::string Text(const google::protobuf::Struct& object, const std::string& field) {
    const auto found = object.fields().find(field);
    return found == object.fields().end() ? "" : found->second.string_value();
  }
  static bool IsOk(const google::protobuf::Struct& report) {
    const auto found = report.fields().find("ok");
    return found != report.fields().end() && found->second.bool_value();
  }
  static std::vector<google::protobuf::Struct> Rows(const google::protobuf::Struct& report) {
    std::vector<google::protobuf::Struct> rows;
    const auto found = report.fields().find("rows");
    if (found == report.fields().end()) return rows;
    for (const auto& row : found->second.list_value().values()) rows.push_back(row.struct_value());
    return rows;
  }
  // Every row did something, and lost nothing.
  static void ExpectZeros(const RunResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    const google::protobuf::Struct report = Parse(result.out);
    for (const char* field : {"refused", "reset", "lost", "duplicated"}) {
      EXPECT_EQ(Text(report, field), "0") << field;
    }
    EXPECT_TRUE(IsOk(report));
    for (const google::protobuf::Struct& row : Rows(report)) {
      if (Text(row, "name") == "at-rest") continue;
      EXPECT_THAT(Text(row, "acknowledged"), Not(::testing::AnyOf("", "0"))) << Text(row, "name");
    }
  }

  TempDir dir_;
};

TEST_F(DrillTest, NothingIsLostWhenWorkersAreKilledAndStopped) {
  const RunResult result =
      Drill({"--rows", "worker-kill,worker-stop", "--duration", "1s", "--workers", "2"});
  ExpectZeros(result);
  EXPECT_EQ(Rows(Parse(result.out)).size(), 3u);
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path())) << "something is left behind";
}

TEST_F(DrillTest, TheSameWhenSyncedIsAskedFor) {
  ExpectZeros(Drill(
      {"--rows", "worker-kill", "--duration", "1s", "--workers", "2", "--durability", "synced"}));
}

TEST_F(DrillTest, NothingIsLostInRollsByScalingAndWithTheCoordinator) {
  // In this order the new coordinator has to know of slots that the one before has scaled away.
  const RunResult result = Drill({"--rows", "rolling-restart,scale-up,scale-down,coordinator-kill",
                                  "--duration", "1s", "--workers", "2"});
  ExpectZeros(result);
  EXPECT_EQ(Rows(Parse(result.out)).size(), 5u);
}

TEST_F(DrillTest, ChaosEndsInOrder) {
  ExpectZeros(Drill({"chaos", "--duration", "12s", "--seed", "4"}));
}

TEST_F(DrillTest, ALossIsSeen) {
  const RunResult result = Drill({"--rows", "worker-kill", "--duration", "1s", "--lose-segment"});
  EXPECT_EQ(result.exit_code, 1) << result.out << result.err;
  const google::protobuf::Struct report = Parse(result.out);
  EXPECT_NE(Text(report, "lost"), "0");
  EXPECT_FALSE(IsOk(report));
  const auto rows = Rows(report);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(Text(rows[0], "lost"), "0");
  EXPECT_EQ(Text(rows[1], "name"), "at-rest");
  EXPECT_THAT(result.out, HasSubstr("is lost: "));
  // What tells how it came about stays.
  EXPECT_TRUE(std::filesystem::exists(Text(report, "keptDir") + "/data/coordinator.log"));
}

TEST_F(DrillTest, CtrlCLeavesNothingBehind) {
  Process drill({.program = Binary("centerctl"),
                 .args = {"drill", "--duration", "10m", "--rows", "worker-kill"},
                 .env = {"TMPDIR=" + dir_.path()},
                 .stdout_path = dir_ / "out"});
  const auto running = [&] {
    return absl::StrContains(ReadWholeFile(dir_ / "out"), "worker-kill ...");
  };
  ASSERT_TRUE(WaitFor(running)) << ReadWholeFile(dir_ / "out");
  drill.Signal(SIGINT);
  const auto status = drill.Wait(absl::Seconds(60));
  ASSERT_TRUE(status.has_value()) << "it does not end";
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 130) << *status;
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
    EXPECT_EQ(entry.path().filename(), "out");
  }
}

}  // namespace
}  // namespace center::itest

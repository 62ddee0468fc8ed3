// How servers and workers look in tables.
#include "cli/views.h"

#include "cli/server_flags.h"
#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::Worker ReadyWorker() {
  v1::Worker worker;
  worker.set_name("default/0");
  worker.set_pid(4242);
  worker.set_state(v1::WORKER_STATE_READY);
  *worker.mutable_start_time() = ToProto(kNow - absl::Seconds(192));
  worker.set_restarts(1);
  v1::WorkerStats* stats = worker.mutable_stats();
  stats->set_connections(3);
  stats->set_payloads(1'234'567);
  stats->set_bytes(1536);
  stats->set_first_offset(10);
  stats->set_end_offset(20);
  return worker;
}

std::vector<std::string> Rendered(const v1::Worker& worker, bool wide) {
  google::protobuf::RepeatedPtrField<v1::Worker> workers;
  *workers.Add() = worker;
  return SplitLines(WorkerTable(workers, wide, kNow).Render(Style(false)));
}

TEST(TimeConversionTest, ThereAndBackIsTheSame) {
  for (const int64_t nanos : {int64_t{0}, int64_t{1}, int64_t{-1},
                              int64_t{1'700'000'000'123'456'789}, int64_t{-1'500'000'000}}) {
    const absl::Time time = absl::FromUnixNanos(nanos);
    EXPECT_EQ(ToTime(ToProto(time)), time) << nanos;
    EXPECT_GE(ToProto(time).nanos(), 0) << "as Timestamp demands";
    EXPECT_EQ(ToDuration(ToProto(absl::Nanoseconds(nanos))), absl::Nanoseconds(nanos));
  }
}

TEST(StateCellTest, StatesHaveTheirWordsAndColours) {
  EXPECT_EQ(StateCell(v1::SERVER_STATE_RUNNING).text, "RUNNING");
  EXPECT_EQ(StateCell(v1::SERVER_STATE_RUNNING).color, Color::kGreen);
  EXPECT_EQ(StateCell(v1::SERVER_STATE_FAILED).color, Color::kRed);
  EXPECT_EQ(StateCell(v1::SERVER_STATE_STOPPED).color, Color::kDim);
  EXPECT_EQ(StateCell(v1::SERVER_STATE_DEGRADED).color, Color::kYellow);
  EXPECT_EQ(StateCell(ReadyWorker()).text, "READY");
}

TEST(StateCellTest, ABlockedWorkerIsRedThoughItIsReady) {
  v1::Worker worker = ReadyWorker();
  worker.mutable_stats()->set_blocked_reason("the disk is full");
  EXPECT_EQ(StateCell(worker).text, "READY, BLOCKED");
  EXPECT_EQ(StateCell(worker).color, Color::kRed);
}

TEST(ReadyCountTest, CountsReadyWorkersOfThoseWanted) {
  v1::Server server;
  server.mutable_spec()->set_workers(3);
  *server.add_workers() = ReadyWorker();
  *server.add_workers() = ReadyWorker();
  server.add_workers()->set_state(v1::WORKER_STATE_BACKOFF);
  EXPECT_EQ(ReadyCount(server), "2/3");
}

TEST(WorkerTableTest, ShowsWhatAWorkerDoes) {
  const auto lines = Rendered(ReadyWorker(), false);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], StartsWith("NAME       STATE   PID  CONNS   PAYLOADS"));
  for (const char* text : {"default/0", "READY", "4242", "1,234,567", "1.50 KiB", "3m12s"}) {
    EXPECT_THAT(lines[1], HasSubstr(text));
  }
  EXPECT_THAT(lines[0], Not(HasSubstr("LAST EXIT")));
}

TEST(WorkerTableTest, AWorkerWithoutAProcessHasNoPidAndNoAge) {
  v1::Worker worker = ReadyWorker();
  worker.set_pid(0);
  worker.set_state(v1::WORKER_STATE_BACKOFF);
  const auto lines = Rendered(worker, false);
  EXPECT_THAT(lines[1], AllOf(HasSubstr("BACKOFF    -"), Not(HasSubstr("3m12s"))));
}

TEST(WorkerTableTest, WideTellsOffsetsAndTheLastDeath) {
  v1::Worker worker = ReadyWorker();
  worker.mutable_last_exit()->set_reason("killed by signal 9");
  *worker.mutable_last_exit()->mutable_time() = ToProto(kNow - absl::Seconds(5));
  const auto lines = Rendered(worker, true);
  EXPECT_THAT(lines[0], HasSubstr("LAST EXIT"));
  EXPECT_THAT(lines[1], AllOf(HasSubstr(" 10-20 "), HasSubstr("killed by signal 9, 5s ago")));
}

TEST(ServerTableTest, AddsUpItsWorkers) {
  google::protobuf::RepeatedPtrField<v1::Server> servers;
  v1::Server* server = servers.Add();
  server->set_name("games");
  server->set_state(v1::SERVER_STATE_RUNNING);
  server->mutable_spec()->set_workers(2);
  *server->add_workers() = ReadyWorker();
  *server->add_workers() = ReadyWorker();
  const auto lines = SplitLines(ServerTable(servers, false, kNow).Render(Style(false)));
  ASSERT_THAT(lines, SizeIs(2));
  for (const char* text : {"games", "RUNNING", "2/2", "2,469,134", "3.00 KiB"}) {
    EXPECT_THAT(lines[1], HasSubstr(text));
  }
  EXPECT_THAT(SplitLines(ServerTable(servers, true, kNow).Render(Style(false)))[0],
              AllOf(HasSubstr("FRAMING"), HasSubstr("RETAIN"), HasSubstr("DETAIL")));
}

TEST(SpecTableTest, EveryFieldOfTheSpecHasALineNamedAsItsFlag) {
  v1::ServerSpec spec;
  const auto lines = SplitLines(SpecTable(spec).Render(Style(false), /*header=*/false));
  ASSERT_THAT(lines, SizeIs(static_cast<size_t>(v1::ServerSpec::descriptor()->field_count())));
  for (int i = 0; i < v1::ServerSpec::descriptor()->field_count(); ++i) {
    const std::string flag = FlagOfField(v1::ServerSpec::descriptor()->field(i)->name());
    EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
      return line.rfind(flag + " ", 0) == 0;
    })) << flag;
  }
}

TEST(SpecTableTest, ZerosSayWhatTheyMean) {
  v1::ServerSpec spec;
  spec.set_retain_bytes(1 << 30);
  spec.set_banner("hello\n\x1b[2J");
  const std::string table = SpecTable(spec).Render(Style(false));
  EXPECT_THAT(table, AllOf(HasSubstr("0s (never)"), HasSubstr("0s (no limit)"),
                           HasSubstr("0 (as max-connections)"), HasSubstr("1GiB"),
                           HasSubstr("\"hello\\n\\x1b[2J\"")));
}

}  // namespace
}  // namespace center::cli

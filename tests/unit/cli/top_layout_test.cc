// The screen of `top`: which lines there are in a window of any size.
#include "cli/top_layout.h"

#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/text_width.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/top_testing.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kAddress[] = "unix:/run/center/center.sock";

TopData Fleet(uint32_t workers = 3) {
  TopHistory history;
  for (const int second : {0, 1}) {
    const auto done = static_cast<uint64_t>(second);
    const Progress progress{
        .payloads = 1200 * done, .bytes = (done << 20), .cpu_seconds = 0.5 * second};
    TopAnswer answer =
        AnswerAt(second, {MakeServer("games", workers, progress), MakeServer("日本", 1, progress)});
    v1::Job job;
    job.set_id("j7");
    job.mutable_spec()->set_task("primes");
    job.mutable_spec()->set_server("games");
    job.set_state(v1::JOB_STATE_RUNNING);
    job.set_inputs(1000);
    job.set_inputs_complete(true);
    job.set_inputs_succeeded(500);
    answer.jobs = {job};
    history.Add(std::move(answer));
  }
  for (uint64_t id = 1; id <= 20; ++id) {
    history.AddEvent(MakeEvent(id, "games/0", "killed by SIGKILL, not by Center"));
  }
  return history.Data();
}

TopPicture Draw(const TopData& data, size_t columns, size_t rows, const TopView& view = {}) {
  return DrawTop(data, view, {}, kAddress, Style(false, columns), rows);
}

std::string Text(const TopPicture& picture) { return absl::StrJoin(picture.lines, "\n"); }

TEST(TopLayoutTest, AWideScreenShowsEverything) {
  const TopPicture picture = Draw(Fleet(), 160, 40);
  EXPECT_THAT(picture.lines, SizeIs(40));
  const std::string text = Text(picture);
  EXPECT_THAT(text, AllOf(HasSubstr("Center 0.1.0"), HasSubstr("up 3m"), HasSubstr(kAddress),
                          HasSubstr("2 servers  4/4 workers ready  4.80 k/s payloads"),
                          HasSubstr("SERVER"), HasSubstr("games/2"), HasSubstr("1.20 k/s"),
                          HasSubstr("1.00 MiB/s"), HasSubstr("50%"), HasSubstr("日本/0")));
  EXPECT_THAT(text, AllOf(HasSubstr("[======>     ]  50%"), HasSubstr("worker-died"),
                          HasSubstr("killed by SIGKILL")));
  EXPECT_THAT(picture.lines.back(), StartsWith("q quit"));
}

TEST(TopLayoutTest, EveryWindowIsFilledAndNeverLeft) {
  const TopData data = Fleet(8);
  // A table takes four columns at least; a terminal cuts off what is wider.
  for (size_t columns = 4; columns < 130; columns += 3) {
    for (const size_t rows : {1, 2, 3, 5, 8, 13, 24, 60}) {
      for (const bool help : {false, true}) {
        TopView view;
        view.help = help;
        const TopPicture picture = Draw(data, columns, rows, view);
        EXPECT_LE(picture.lines.size(), rows);
        for (const std::string& line : picture.lines) {
          EXPECT_LE(DisplayWidth(line), columns) << rows << " rows: " << line;
        }
      }
    }
  }
}

TEST(TopLayoutTest, ANarrowScreenKeepsNamesStatesAndPayloads) {
  const std::string text = Text(Draw(Fleet(), 40, 24));
  EXPECT_THAT(text, AllOf(HasSubstr("games/0"), HasSubstr("READY"), HasSubstr("1.20 k/s"),
                          Not(HasSubstr("JOURNAL"))));
}

TEST(TopLayoutTest, WhatDoesNotFitIsCountedAndScrolledTo) {
  const TopData data = Fleet(30);
  TopPicture picture = Draw(data, 100, 20);
  EXPECT_THAT(Text(picture), AllOf(HasSubstr("games/0"), HasSubstr(" more")));
  EXPECT_THAT(Text(picture), Not(HasSubstr("games/29")));
  ASSERT_GT(picture.extent.scroll_max, 0u);
  TopView view;
  view.scroll = picture.extent.scroll_max;
  picture = Draw(data, 100, 20, view);
  EXPECT_THAT(Text(picture), HasSubstr("日本/0"));
  EXPECT_THAT(Text(picture), Not(HasSubstr("games/0   READY")));
  // Beyond the end there is nothing.
  view.scroll = 1000;
  EXPECT_EQ(Text(Draw(data, 100, 20, view)), Text(picture));
}

TEST(TopLayoutTest, TheOrderAndTheTableInFrontCanBeSeen) {
  const TopData data = Fleet();
  TopView view;
  view.sort = TopSort::kCpu;
  const TopPicture picture = DrawTop(data, view, {}, kAddress, Style(true, 120), 40);
  EXPECT_THAT(Text(picture), HasSubstr("CPU↓"));
  EXPECT_THAT(Text(picture), HasSubstr("[WORKER]"));
  EXPECT_THAT(picture.lines.back(), HasSubstr("s sort: cpu"));
}

TEST(TopLayoutTest, TheLastLineTellsWhatIsTypedAndWhatIsWrong) {
  TopView view;
  view.typing = true;
  view.filter = "gam";
  EXPECT_EQ(Draw(Fleet(), 80, 24, view).lines.back(), "filter: gam_");
  const TopPicture picture =
      DrawTop(Fleet(), {}, {Color::kRed, "no answer\nfor 5s"}, kAddress, Style(false, 80), 24);
  EXPECT_EQ(picture.lines.back(), "no answer\\nfor 5s");
}

TEST(TopLayoutTest, AnEmptyFleetSaysHowToStart) {
  TopHistory history;
  history.Add(AnswerAt(0, {}));
  EXPECT_THAT(Text(Draw(history.Data(), 80, 24)), HasSubstr("centerctl server start"));
}

TEST(TopLayoutTest, AWorkerInTroubleSaysWhy) {
  v1::Server server = MakeServer("games", 2, {});
  server.mutable_workers(1)->set_state(v1::WORKER_STATE_BACKOFF);
  server.mutable_workers(1)->mutable_last_exit()->set_reason("exit code 7");
  TopHistory history;
  history.Add(AnswerAt(0, {server}));
  EXPECT_THAT(Text(Draw(history.Data(), 120, 24)), HasSubstr("exit code 7"));
  EXPECT_THAT(Text(Draw(Fleet(), 120, 10)), Not(HasSubstr("WHY")));
}

TEST(TopLayoutTest, ClientsShowWhatTheySendAndWhyTheyDoNot) {
  TopHistory history;
  for (const uint64_t second : {0, 1}) {
    TopAnswer answer = AnswerAt(static_cast<double>(second), {MakeServer("games", 1, {})});
    v1::Client load = MakeClient("load", "games", 2, 700 * second);
    v1::ClientProcess& stuck = *load.mutable_processes(1);
    stuck.mutable_stats()->set_connections(0);
    stuck.mutable_stats()->set_errors(12);
    stuck.mutable_stats()->set_last_error("cannot connect: Connection refused");
    answer.clients = {load, MakeClient("resting", "games", 0, 0)};
    history.Add(std::move(answer));
  }
  const TopData data = history.Data();
  EXPECT_THAT(Text(Draw(data, 160, 40)),
              AllOf(HasSubstr("[WORKER"), HasSubstr("CLIENT"), HasSubstr("load/0   READY"),
                    HasSubstr("700/s"), HasSubstr("Connection refused"), HasSubstr("STOPPED"),
                    HasSubstr("2 clients sending 1.40 k/s")));
  TopView view;
  view.section = TopSection::kClients;
  EXPECT_THAT(Text(Draw(data, 160, 40, view)), HasSubstr("[CLIENT"));
  EXPECT_THAT(Text(Draw(data, 44, 24)),
              AllOf(HasSubstr("load/0"), HasSubstr("700/s"), Not(HasSubstr("ACKED"))));
  // No traffic of one's own needs no place.
  EXPECT_THAT(Text(Draw(Fleet(), 160, 40)), Not(HasSubstr("CLIENT")));
}

TEST(TopLayoutTest, TheReportIsForAFile) {
  const std::string text = TopReport(Fleet(30), {}, kAddress, Style());
  EXPECT_THAT(text, AllOf(HasSubstr("games/29"), HasSubstr("j7"), Not(HasSubstr("q quit"))));
  const std::vector<std::string> parts = absl::StrSplit(text, "worker-died");
  EXPECT_EQ(parts.size() - 1, 10u);  // the latest
}

TEST(ShareRowsTest, EverybodyGetsWhatItWantsWhereThereIsRoom) {
  EXPECT_THAT(ShareRows({3, 4, 2, 0, 5}, TopSection::kWorkers, 20), ElementsAre(3, 4, 2, 0, 5));
}

TEST(ShareRowsTest, TheOneInFrontGrowsAndTheOthersKeepALittle) {
  const TopShares wanted = {30, 30, 30, 30, 30};
  EXPECT_THAT(ShareRows(wanted, TopSection::kWorkers, 34), ElementsAre(4, 18, 4, 4, 4));
  EXPECT_THAT(ShareRows(wanted, TopSection::kEvents, 34), ElementsAre(4, 4, 4, 4, 18));
}

TEST(ShareRowsTest, WhereThereIsNoRoomTheLaterOnesGoFirst) {
  const TopShares wanted = {5, 5, 5, 5, 5};
  EXPECT_THAT(ShareRows(wanted, TopSection::kWorkers, 5), ElementsAre(2, 3, 0, 0, 0));
  EXPECT_THAT(ShareRows(wanted, TopSection::kJobs, 2), ElementsAre(0, 0, 0, 2, 0));
  EXPECT_THAT(ShareRows(wanted, TopSection::kWorkers, 0), ElementsAre(0, 0, 0, 0, 0));
}

TEST(ShareRowsTest, NothingIsGivenTwiceOrToSomebodyWhoDoesNotWantIt) {
  for (size_t rows = 0; rows < 40; ++rows) {
    for (const TopSection front : {TopSection::kServers, TopSection::kEvents}) {
      const TopShares wanted = {3, 17, 0, 9, 2};
      const TopShares shares = ShareRows(wanted, front, rows);
      EXPECT_LE(std::accumulate(shares.begin(), shares.end(), size_t{0}), rows);
      for (size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_LE(shares[i], wanted[i]);
        EXPECT_NE(shares[i], 1u);
      }
    }
  }
}

}  // namespace
}  // namespace center::cli

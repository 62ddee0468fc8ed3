#include "services/coordinator/supervision/oom.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>

#include "tests/unit/supervision/fakes.h"

namespace center::supervision {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using Kind = OomVerdict::Kind;

constexpr char kCgroup1[] =
    "9:name=systemd:/\n8:pids:/\n4:memory:/service/a\n3:cpuset:/\n1:cpu,cpuacct:/\n0::/\n";
constexpr char kMounts1[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
constexpr char kCgroup2[] = "0::/system.slice/center.service\n";
constexpr char kMounts2[] =
    "25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    "35 25 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(MemoryGroupTest, VersionOneIsFoundByItsController) {
  const auto group = FindMemoryGroup(kCgroup1, kMounts1);
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ(group->version, 1);
  EXPECT_EQ(group->name, "/service/a");
  EXPECT_EQ(group->file, "/sys/fs/cgroup/memory/service/a/memory.oom_control");
}

TEST(MemoryGroupTest, VersionTwo) {
  const auto group = FindMemoryGroup(kCgroup2, kMounts2);
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ(group->version, 2);
  EXPECT_EQ(group->file, "/sys/fs/cgroup/system.slice/center.service/memory.events");
}

TEST(MemoryGroupTest, InAContainerTheGroupIsTheMountsRoot) {
  const auto one = FindMemoryGroup(
      "4:memory:/docker/abc/sub\n",
      "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->file, "/sys/fs/cgroup/memory/sub/memory.oom_control");
  const auto two = FindMemoryGroup("0::/\n", kMounts2);
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(two->file, "/sys/fs/cgroup/memory.events");
}

TEST(MemoryGroupTest, WhatIsNotThereIsSaid) {
  EXPECT_THAT(std::string(FindMemoryGroup("", kMounts1).status().message()),
              HasSubstr("no control groups"));
  EXPECT_THAT(std::string(FindMemoryGroup(kCgroup2, "1 2 3\nnonsense - \n").status().message()),
              HasSubstr("not mounted"));
  // A mount of another group's folder: "/docker/abcdef" is not inside "/docker/abc".
  EXPECT_FALSE(FindMemoryGroup("4:memory:/docker/abcdef\n",
                               "35 31 0:32 /docker/abc /m ro - cgroup cgroup rw,memory\n")
                   .ok());
}

TEST(OomKillsTest, TheNumberIsFoundInEachFormat) {
  EXPECT_EQ(*ParseOomKills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2u);
  EXPECT_EQ(*ParseOomKills("low 0\nhigh 0\nmax 4\noom 1\noom_kill 3\noom_group_kill 9\n"), 3u);
  EXPECT_EQ(*ParseOomKills("nr_free_pages 5\noom_kill 7"), 7u);
  EXPECT_FALSE(ParseOomKills("oom_kill_disable 0\nunder_oom 0\n").ok());  // before Linux 4.13
  EXPECT_FALSE(ParseOomKills("oom_kill many\n").ok());
  EXPECT_FALSE(ParseOomKills("").ok());
}

class OomWatchTest : public testing::Test {
 protected:
  OomWatchTest() {
    files["/proc/self/cgroup"] = kCgroup2;
    files["/proc/self/mountinfo"] = kMounts2;
    SetKills(5);
  }
  void SetKills(int kills) { files[kCounter] = absl::StrCat("oom 9\noom_kill ", kills, "\n"); }
  OomWatch New() {
    return OomWatch(
        [this](const std::string& path) -> absl::StatusOr<std::string> {
          const auto found = files.find(path);
          if (found == files.end()) return absl::NotFoundError(path + ": no such file");
          return found->second;
        },
        clock);
  }

  static constexpr char kCounter[] = "/sys/fs/cgroup/system.slice/center.service/memory.events";
  std::map<std::string, std::string> files;
  FakeClock clock;
};

TEST_F(OomWatchTest, AKillIsBlamedForOneDeath) {
  OomWatch watch = New();
  EXPECT_EQ(watch.Judge().kind, Kind::kNotKilled);
  SetKills(6);
  const OomVerdict verdict = watch.Judge();
  EXPECT_EQ(verdict.kind, Kind::kKilled);
  EXPECT_THAT(verdict.detail, HasSubstr("cgroup /system.slice/center.service counts 6 kills"));
  EXPECT_EQ(watch.Judge().kind, Kind::kNotKilled);
  SetKills(7);
  EXPECT_EQ(watch.Judge().kind, Kind::kKilled);
}

TEST_F(OomWatchTest, AnOldKillExplainsNothing) {
  OomWatch watch = New();
  SetKills(6);  // of something else
  for (int i = 0; i < 12; ++i) {
    clock.Advance(seconds(1));
    watch.Sample();
  }
  EXPECT_EQ(watch.Judge().kind, Kind::kNotKilled);
  SetKills(7);
  EXPECT_EQ(watch.Judge().kind, Kind::kKilled);
  EXPECT_EQ(watch.Judge().kind, Kind::kNotKilled);
}

TEST_F(OomWatchTest, AKillThatWasSampledBeforeTheDeathIsSeenStillCounts) {
  OomWatch watch = New();
  clock.Advance(seconds(20));
  watch.Sample();
  SetKills(6);
  clock.Advance(seconds(1));
  watch.Sample();
  clock.Advance(seconds(3));
  watch.Sample();
  EXPECT_EQ(watch.Judge().kind, Kind::kKilled);
  // The window moves on, and with it what was blamed.
  for (int i = 0; i < 12; ++i) {
    clock.Advance(seconds(1));
    watch.Sample();
  }
  SetKills(7);
  EXPECT_EQ(watch.Judge().kind, Kind::kKilled);
}

TEST_F(OomWatchTest, WithoutAGroupTheMachineCanOnlyRuleItOut) {
  files.erase(kCounter);
  files["/proc/vmstat"] = "nr_free_pages 5\noom_kill 2\n";
  OomWatch watch = New();
  EXPECT_EQ(watch.Judge().kind, Kind::kNotKilled);
  files["/proc/vmstat"] = "oom_kill 3\n";
  const OomVerdict verdict = watch.Judge();
  EXPECT_EQ(verdict.kind, Kind::kCannotTell);
  EXPECT_THAT(verdict.detail, HasSubstr("memory.events: no such file"));
}

TEST_F(OomWatchTest, WhereNothingCanBeReadItSaysSo) {
  files.clear();
  OomWatch watch = New();
  const OomVerdict verdict = watch.Judge();
  EXPECT_EQ(verdict.kind, Kind::kCannotTell);
  EXPECT_THAT(verdict.detail, HasSubstr("/proc/self/cgroup"));
}

TEST_F(OomWatchTest, ACounterThatDisappearsIsNoKill) {
  OomWatch watch = New();
  files.erase(kCounter);
  EXPECT_EQ(watch.Judge().kind, Kind::kCannotTell);
  SetKills(0);  // a new group of that name
  EXPECT_EQ(watch.Judge().kind, Kind::kNotKilled);
}

}  // namespace
}  // namespace center::supervision

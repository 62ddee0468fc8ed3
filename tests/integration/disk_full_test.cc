// A journal on a disk that fills up: producers wait, readers do not, and it goes on by itself.
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/collector.h"
#include "tests/integration/fleet.h"
#include "tests/integration/producer.h"

namespace center::itest {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A tmpfs of a fixed size, unmounted when destroyed.
class SmallDisk {
 public:
  SmallDisk(const TempDir& dir, absl::string_view size) : path_(dir / "disk") {
    std::filesystem::create_directory(path_);
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, absl::StrCat("size=", size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_ && umount2(path_.c_str(), MNT_DETACH) != 0) ADD_FAILURE() << "umount " << path_;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

std::string BlockedReason(Fleet& fleet) {
  const auto server = fleet.GetServer("default");
  return server.ok() ? server->workers(0).stats().blocked_reason() : "";
}

TEST(DiskFullTest, ProducersWaitReadersGoOnAndItResumesByItself) {
  TempDir dir;
  const SmallDisk disk(dir, "48m");
  if (!disk.mounted()) {
    // Only root may mount; CI is root. Said loudly, and everything else of the suite still counts.
    std::cerr << "NOTE: a tmpfs could not be mounted (are you root?): disk full is NOT tested\n";
    ASSERT_STRNE(getenv("CI"), "true") << "CI must be able to mount a tmpfs";
    return;
  }
  const std::string ballast = disk.path() + "/ballast";
  WriteWholeFile(ballast, std::string(16 << 20, 'b'));

  Fleet fleet({.data_dir = disk.path() + "/data"});
  const uint16_t port = fleet.MustStart("default", SmallSpec());
  Producer producer(port);
  // More than fits is offered; what is taken stops growing when the disk is full.
  std::string pending;
  uint64_t next = 0;
  const std::string padding(1000, '.');
  const auto offer = [&] {
    while (pending.size() < (256u << 10))
      absl::StrAppend(&pending, "p ", next++, " ", padding, "\n");
    size_t taken = 0;
    do {
      taken = producer.TrySend(pending);
      pending.erase(0, taken);
    } while (taken > 0 && !pending.empty());
  };
  ASSERT_TRUE(WaitFor([&] {
    offer();
    return !BlockedReason(fleet).empty();
  })) << "the disk never filled up";
  EXPECT_THAT(BlockedReason(fleet), HasSubstr("full"));
  EXPECT_TRUE(fleet.WaitEvent(v1::EVENT_TYPE_INGEST_BLOCKED, "default/0").ok());
  const pid_t pid = fleet.WorkerPid("default", 0);

  // Everything that was taken in so far can be read while it is full.
  const Ledger while_full = ReadAll(fleet.channel(), "default");
  EXPECT_GT(CountOf(while_full), 1000u);
  EXPECT_THAT(CheckSequences(while_full, /*consecutive=*/true), IsEmpty());

  ASSERT_TRUE(std::filesystem::remove(ballast));
  ASSERT_TRUE(WaitFor([&] { return BlockedReason(fleet).empty(); })) << BlockedReason(fleet);
  EXPECT_TRUE(fleet.WaitEvent(v1::EVENT_TYPE_INGEST_RESUMED, "default/0").ok());
  EXPECT_EQ(fleet.WorkerPid("default", 0), pid) << "it was restarted instead of waiting";

  // The rest goes in; nothing is missing and nothing twice.
  producer.Send(pending);
  producer.Finish();
  ASSERT_TRUE(producer.WaitClosed(absl::Seconds(20)));
  const Ledger stored = ReadAll(fleet.channel(), "default");
  EXPECT_EQ(CountOf(stored), next);
  EXPECT_THAT(CheckConserved(while_full, stored), IsEmpty());
  EXPECT_THAT(CheckSequences(stored, /*consecutive=*/true), IsEmpty());
}

}  // namespace
}  // namespace center::itest

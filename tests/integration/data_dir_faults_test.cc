// A coordinator whose data directory cannot be used says why, and ends.
#include <stdlib.h>
#include <sys/mount.h>

#include <filesystem>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/state/sqlite.h"
#include "tests/integration/fleet.h"

namespace center::itest {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class DataDirFaultsTest : public ::testing::Test {
 protected:
  RunResult Start(const std::string& data_dir) const {
    return RunToEnd(Binary("center-coordinator"), {"--data-dir", data_dir, "--listen",
                                                   absl::StrCat("unix:", dir_ / "other.sock")});
  }
  // A data directory as a coordinator leaves it.
  std::string Used() const {
    Fleet fleet({.data_dir = dir_ / "data"});
    fleet.MustStart("default", SmallSpec(1));
    fleet.Stop();
    return dir_ / "data";
  }

  TempDir dir_;
};

TEST_F(DataDirFaultsTest, AnotherCoordinatorHasIt) {
  Fleet fleet;
  grpc::ClientContext context;
  v1::GetCoordinatorResponse running;
  ASSERT_TRUE(
      v1::ServerService::NewStub(fleet.channel())->GetCoordinator(&context, {}, &running).ok());
  const RunResult second = Start(fleet.data_dir());
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr(absl::StrCat("the data directory ", fleet.data_dir(),
                                                 " is in use by another coordinator (process ",
                                                 running.coordinator().pid(), ")")));
}

TEST_F(DataDirFaultsTest, ItIsReadOnly) {
  // Not even root can make a folder there.
  const RunResult refused = Start("/sys/center-data");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("/sys/center-data"));
  EXPECT_THAT(refused.err,
              AnyOf(HasSubstr("not permitted"), HasSubstr("denied"), HasSubstr("Read-only")));
}

TEST_F(DataDirFaultsTest, ItsDiskIsFull) {
  const std::string disk = dir_ / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=16k") != 0) {
    // Only root may mount; CI is root. Said loudly, and everything else of the suite still counts.
    std::cerr << "NOTE: a tmpfs could not be mounted (are you root?): a full data directory is NOT "
                 "tested\n";
    ASSERT_STRNE(getenv("CI"), "true") << "CI must be able to mount a tmpfs";
    return;
  }
  const RunResult refused = Start(disk + "/data");
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr(disk));
  EXPECT_THAT(refused.err, AnyOf(HasSubstr("full"), HasSubstr("No space left")));
}

TEST_F(DataDirFaultsTest, ItsStateIsDamaged) {
  const std::string data = Used();
  WriteWholeFile(data + "/center.db", std::string(8192, 'x'));
  const RunResult refused = Start(data);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("center.db"));
  EXPECT_THAT(refused.err, HasSubstr("DATA_LOSS"));
  EXPECT_EQ(ReadWholeFile(data + "/center.db"), std::string(8192, 'x')) << "left as evidence";
}

TEST_F(DataDirFaultsTest, ItsStateIsOfANewerCenter) {
  const std::string data = Used();
  {
    auto database = state::Database::Open(data + "/center.db");
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE(database->Execute("PRAGMA user_version = 1000").ok());
  }
  const RunResult refused = Start(data);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("written by a newer Center: its schema has version 1000"));
}

}  // namespace
}  // namespace center::itest

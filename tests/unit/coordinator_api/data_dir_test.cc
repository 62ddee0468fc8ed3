#include "services/coordinator/api/data_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "tests/unit/common/scratch_dir.h"

namespace center::coordinator {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// sockaddr_un::sun_path with its final NUL.
constexpr size_t kSocketPathMax = 107;

mode_t ModeOf(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class DataDirTest : public testing::Test {
 protected:
  std::string path() const { return scratch_.path() + "/a/b/data"; }

  ScratchDir scratch_;
};

TEST_F(DataDirTest, OpenCreatesTheFolderItsParentsAndItsParts) {
  auto dir = DataDir::Open(path());
  ASSERT_TRUE(dir.ok()) << dir.status();
  EXPECT_EQ(dir->path(), path());
  EXPECT_EQ(dir->database(), path() + "/center.db");
  EXPECT_EQ(dir->JournalDir("web", 3), path() + "/servers/web/3");
  EXPECT_TRUE(std::filesystem::is_directory(path() + "/servers"));
  EXPECT_TRUE(std::filesystem::is_directory(
      std::filesystem::path(dir->SocketPath("web", 0)).parent_path()));
}

TEST_F(DataDirTest, NobodyElseMayLookInside) {
  const mode_t mask = ::umask(0);
  auto dir = DataDir::Open(path());
  ::umask(mask);
  ASSERT_TRUE(dir.ok()) << dir.status();
  for (const char* folder : {"", "/servers", "/run"}) {
    EXPECT_EQ(ModeOf(path() + folder), 0700u) << folder;
  }
  EXPECT_EQ(ModeOf(path() + "/coordinator.lock"), 0600u);
}

TEST_F(DataDirTest, ASecondCoordinatorIsToldWhoHasTheFolder) {
  auto first = DataDir::Open(path());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = DataDir::Open(path());
  ASSERT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
  EXPECT_THAT(
      std::string(second.status().message()),
      AllOf(HasSubstr(path()), HasSubstr("in use by another coordinator"),
            HasSubstr(absl::StrCat("(process ", ::getpid(), ")")), HasSubstr("--data-dir")));
}

TEST_F(DataDirTest, TheFolderIsFoundTakenUnderEachOfItsNames) {
  auto first = DataDir::Open(path());
  ASSERT_TRUE(first.ok());
  const std::string link = scratch_.path() + "/link";
  std::filesystem::create_directory_symlink(path(), link);
  EXPECT_TRUE(absl::IsFailedPrecondition(DataDir::Open(link).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(DataDir::Open(path() + "/../data//").status()));
}

TEST_F(DataDirTest, TheLockGoesWithItsHolder) {
  {
    auto first = DataDir::Open(path());
    ASSERT_TRUE(first.ok());
    // It moves with the object.
    const DataDir moved = *std::move(first);
    EXPECT_FALSE(DataDir::Open(path()).ok());
  }
  EXPECT_TRUE(DataDir::Open(path()).ok());
}

TEST_F(DataDirTest, ALockFileThatACrashLeftIsNoLock) {
  std::filesystem::create_directories(path());
  std::ofstream(path() + "/coordinator.lock") << "1234567890123\nold and longer";
  auto dir = DataDir::Open(path());
  ASSERT_TRUE(dir.ok()) << dir.status();
  EXPECT_EQ(*ReadSmallFile(path() + "/coordinator.lock"), absl::StrCat(::getpid(), "\n"));
}

TEST_F(DataDirTest, TheLockIsNotInheritedByChildren) {
  auto dir = DataDir::Open(path());
  ASSERT_TRUE(dir.ok());
  int checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the iterator's own descriptor
    const auto target = std::filesystem::read_symlink(entry.path(), gone);
    if (gone || target != path() + "/coordinator.lock") continue;
    const int fd = std::stoi(entry.path().filename().string());
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ++checked;
  }
  EXPECT_EQ(checked, 1);
}

TEST_F(DataDirTest, ARelativePathBecomesAbsolute) {
  const std::string before = std::filesystem::current_path().string();
  std::filesystem::current_path(scratch_.path());
  auto dir = DataDir::Open("x/./data/");
  std::filesystem::current_path(before);
  ASSERT_TRUE(dir.ok()) << dir.status();
  EXPECT_EQ(dir->path(), scratch_.path() + "/x/data");
}

TEST_F(DataDirTest, WhatCannotBeAFolderIsRefusedByName) {
  EXPECT_TRUE(absl::IsInvalidArgument(DataDir::Open("").status()));
  const std::string file = scratch_.path() + "/file";
  std::ofstream(file) << "x";
  for (const std::string& bad : {file, file + "/data"}) {
    const absl::Status status = DataDir::Open(bad).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
  }
}

TEST_F(DataDirTest, EveryServersSocketHasAnAddressThatFits) {
  auto dir = DataDir::Open(path());
  ASSERT_TRUE(dir.ok());
  EXPECT_EQ(dir->SocketPath("web", 2), path() + "/run/web.2.sock");
  const std::string longest_name(63, 'n');
  const std::string other_name = longest_name.substr(1) + "m";
  EXPECT_LE(dir->SocketPath(longest_name, 255).size(), kSocketPathMax);
  EXPECT_NE(dir->SocketPath(longest_name, 255), dir->SocketPath(other_name, 255));
  EXPECT_NE(dir->SocketPath(longest_name, 255), dir->SocketPath(longest_name, 254));
  EXPECT_EQ(dir->SocketPath(longest_name, 255), dir->SocketPath(longest_name, 255));
}

TEST_F(DataDirTest, ADeepFolderHasItsSocketsElsewhere) {
  const std::string deep = scratch_.path() + "/" + std::string(120, 'd');
  const char* before = std::getenv("XDG_RUNTIME_DIR");
  const std::string saved = before == nullptr ? "" : before;
  ::setenv("XDG_RUNTIME_DIR", scratch_.path().c_str(), 1);
  auto dir = DataDir::Open(deep);
  if (before == nullptr) {
    ::unsetenv("XDG_RUNTIME_DIR");
  } else {
    ::setenv("XDG_RUNTIME_DIR", saved.c_str(), 1);
  }
  ASSERT_TRUE(dir.ok()) << dir.status();
  const std::string socket = dir->SocketPath("web", 0);
  EXPECT_LE(socket.size(), kSocketPathMax);
  EXPECT_THAT(socket, AllOf(StartsWith(scratch_.path() + "/center/"), Not(HasSubstr(deep))));
  const auto folder = std::filesystem::path(socket).parent_path();
  EXPECT_EQ(ModeOf(folder.string()), 0700u);
}

}  // namespace
}  // namespace center::coordinator

#include "services/common/fd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/scratch_dir.h"

namespace center {
namespace {

using ::testing::HasSubstr;

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(ScopedFdTest, ClosesWhatItOwnsOnce) {
  int raw = -1;
  {
    ScopedFd fd(::dup(0));
    ASSERT_TRUE(fd.valid());
    raw = fd.get();
    ScopedFd moved(std::move(fd));
    EXPECT_FALSE(fd.valid());  // NOLINT(bugprone-use-after-move): that is what is tested
    EXPECT_TRUE(IsOpen(raw));
    ScopedFd assigned;
    assigned = std::move(moved);
    EXPECT_EQ(assigned.get(), raw);
  }
  EXPECT_FALSE(IsOpen(raw));
}

TEST(ScopedFdTest, ReleaseGivesUpOwnership) {
  ScopedFd fd(::dup(0));
  const ScopedFd raw(fd.Release());
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(IsOpen(raw.get()));
}

TEST(ScopedFdTest, CloseReportsErrors) {
  ScopedFd fd(::dup(0));
  ASSERT_EQ(::close(fd.get()), 0);
  const absl::Status status = fd.Close("/some/file");
  EXPECT_THAT(std::string(status.message()), HasSubstr("close /some/file: Bad file descriptor"));
  EXPECT_TRUE(fd.Close("nothing").ok());
}

TEST(ErrnoStatusTest, MapsToCodesThatUsersCanActOn) {
  EXPECT_EQ(ErrnoStatus(ENOENT, "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(EACCES, "x").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoStatus(EADDRINUSE, "x").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrnoStatus(ENOSPC, "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EDQUOT, "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(ENOENT, "open /a").message(), "open /a: No such file or directory");
}

TEST(MakeDirectoriesTest, MakesParentsPrivatelyAndAcceptsExistingOnes) {
  const ScratchDir scratch;
  const std::string path = scratch.path() + "/a/b/c";
  ASSERT_TRUE(MakeDirectories(path).ok());
  ASSERT_TRUE(MakeDirectories(path).ok());
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST(MakeDirectoriesTest, AFileInTheWayIsAnError) {
  const ScratchDir scratch;
  const std::string path = scratch.path() + "/file";
  std::ofstream(path) << "x";
  EXPECT_FALSE(MakeDirectories(path).ok());
  EXPECT_FALSE(MakeDirectories(path + "/below").ok());
}

TEST(ReadSmallFileTest, ReadsWholeFilesUpToItsLimit) {
  const ScratchDir scratch;
  const std::string path = scratch.path() + "/file";
  const std::string content(10'000, 'x');
  std::ofstream(path) << content;
  EXPECT_EQ(ReadSmallFile(path).value_or(""), content);
  EXPECT_EQ(ReadSmallFile(path, content.size()).value_or(""), content);
  EXPECT_TRUE(absl::IsResourceExhausted(ReadSmallFile(path, content.size() - 1).status()));
  EXPECT_TRUE(absl::IsNotFound(ReadSmallFile(path + ".none").status()));
}

TEST(RaiseDescriptorLimitTest, ReachesTheHardLimit) {
  const size_t limit = RaiseDescriptorLimit();
  rlimit now{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
  EXPECT_EQ(limit, now.rlim_max);
}

}  // namespace
}  // namespace center

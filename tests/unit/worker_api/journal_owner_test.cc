#include "services/worker/api/journal_owner.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/fd.h"
#include "services/worker/api/pod_token.h"

namespace center::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string NewFolder(const std::string& name) {
  const std::string path = absl::StrCat(testing::TempDir(), "/owner_", name);
  std::remove((path + "/owner").c_str());
  EXPECT_TRUE(MakeDirectories(path).ok());
  return path;
}

TEST(JournalOwnerTest, AFolderBelongsToWhoClaimsItFirst) {
  const std::string folder = NewFolder("first");
  EXPECT_TRUE(CheckJournalOwner(folder, "default/0").ok()) << "nobody's";
  ClaimJournal(folder, "default/0");
  EXPECT_TRUE(CheckJournalOwner(folder, "default/0").ok());
  const absl::Status refused = CheckJournalOwner(folder, "default/1");
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("holds the journal of worker default/0, and this is worker default/1"));
}

TEST(JournalOwnerTest, AFolderThatCannotBeMarkedIsUsedAllTheSame) {
  ClaimJournal("/proc/self", "default/0");
  EXPECT_TRUE(CheckJournalOwner("/proc/self", "default/1").ok());
}

TEST(PodTokenTest, TwoProcessesOfAPodDiffer) {
  EXPECT_THAT(PodToken("uid"), StartsWith("uid."));
  EXPECT_NE(PodToken("uid"), PodToken("uid"));
}

}  // namespace
}  // namespace center::worker

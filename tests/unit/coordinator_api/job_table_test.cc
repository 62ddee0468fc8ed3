#include "services/coordinator/api/job_table.h"

#include <fstream>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/scratch_dir.h"

namespace center::coordinator {
namespace {

using jobs::RecordHeader;
using jobs::RecordType;
using testing::SizeIs;

class JobTableTest : public testing::Test {
 protected:
  JobTableTest() { Open(); }
  void Open() {
    table_.reset();
    auto opened = JobTable::Open(path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    table_ = *std::move(opened);
  }
  std::string path() const { return dir_.path() + "/jobs.db"; }
  uint64_t Add(jobs::JobId job, const RecordHeader& header,
               const std::vector<absl::string_view>& body) {
    const auto row = table_->Add(job, header, body);
    EXPECT_TRUE(row.ok()) << row.status();
    return row.value_or(0);
  }
  std::vector<jobs::RecordTable::Row> Rows() {
    std::vector<jobs::RecordTable::Row> rows;
    EXPECT_TRUE(
        table_->ForEach([&](jobs::RecordTable::Row row) { rows.push_back(std::move(row)); }).ok());
    return rows;
  }

  ScratchDir dir_;
  std::unique_ptr<JobTable> table_;
};

TEST_F(JobTableTest, CommittedRowsAreThereAfterwardsInOrder) {
  ASSERT_TRUE(table_->Begin().ok());
  Add(7, {.type = RecordType::kJob}, {"the ", "job"});
  const uint64_t row = Add(
      7, {.type = RecordType::kResults, .first = 1ull << 62, .count = 3, .failed = 2}, {"results"});
  Add(8, {.type = RecordType::kJob}, {});
  ASSERT_TRUE(table_->Commit().ok());
  Open();
  const auto rows = Rows();
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_EQ(rows[0].job, 7u);
  EXPECT_EQ(rows[0].body, "the job");
  EXPECT_EQ(rows[1].number, row);
  EXPECT_EQ(rows[1].header.first, 1ull << 62);
  EXPECT_EQ(rows[1].header.failed, 2u);
  EXPECT_EQ(rows[1].header.body_bytes, 7u);
  EXPECT_EQ(rows[1].body, "");  // read when it is needed
  EXPECT_EQ(rows[2].job, 8u);
  RecordHeader header;
  EXPECT_EQ(*table_->Read(row, &header), "results");
  EXPECT_EQ(header.count, 3u);
  EXPECT_TRUE(absl::IsNotFound(table_->Read(row + 100, &header).status()));
}

TEST_F(JobTableTest, WhatWasNotCommittedIsNotThere) {
  ASSERT_TRUE(table_->Begin().ok());
  Add(7, {.type = RecordType::kJob}, {"x"});
  Open();
  EXPECT_THAT(Rows(), SizeIs(0));
}

TEST_F(JobTableTest, ARemovedJobIsGoneAndOthersStay) {
  ASSERT_TRUE(table_->Begin().ok());
  Add(7, {.type = RecordType::kJob}, {"x"});
  Add(8, {.type = RecordType::kJob}, {"y"});
  ASSERT_TRUE(table_->Remove(7).ok());
  ASSERT_TRUE(table_->Commit().ok());
  ASSERT_THAT(Rows(), SizeIs(1));
  EXPECT_EQ(Rows()[0].job, 8u);
}

TEST_F(JobTableTest, WhatIsNoTableIsRefused) {
  table_.reset();
  std::ofstream(path(), std::ios::trunc) << "this is no database, and it is long enough to tell\n";
  const absl::Status status = JobTable::Open(path()).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("jobs.db"));
}

}  // namespace
}  // namespace center::coordinator

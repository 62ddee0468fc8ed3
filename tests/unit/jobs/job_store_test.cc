#include "services/coordinator/jobs/job_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/jobs/result_index.h"
#include "tests/unit/common/scratch_dir.h"
#include "tests/unit/coordinator_api/posted_tasks.h"

namespace center::jobs {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

std::shared_ptr<const RecordBlock> Block(uint64_t count, uint32_t size, char fill) {
  return *RecordBlock::Make(
      {.uniform_size = size, .count = count, .data = std::string(count * size, fill)});
}

// Keeps what was committed, as the file of a table does.
class FakeTable final : public RecordTable {
 public:
  absl::Status Begin() override {
    absl::MutexLock lock(&mutex_);
    staged_ = rows_;
    return absl::OkStatus();
  }
  absl::Status Commit() override {
    absl::MutexLock lock(&mutex_);
    if (!commit_error_.ok()) return commit_error_;
    rows_ = staged_;
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Add(JobId job, const RecordHeader& header,
                               std::span<const absl::string_view> body) override {
    absl::MutexLock lock(&mutex_);
    Row row{.number = ++last_, .job = job, .header = header};
    for (const absl::string_view piece : body) row.body.append(piece.data(), piece.size());
    staged_[row.number] = row;
    return row.number;
  }
  absl::Status Remove(JobId job) override {
    absl::MutexLock lock(&mutex_);
    std::erase_if(staged_, [&](const auto& row) { return row.second.job == job; });
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Read(uint64_t row, RecordHeader* header) override {
    absl::MutexLock lock(&mutex_);
    const auto found = rows_.find(row);
    if (found == rows_.end()) return absl::NotFoundError("no row");
    *header = found->second.header;
    return found->second.body;
  }
  absl::Status ForEach(const std::function<void(Row)>& visit) override {
    absl::MutexLock lock(&mutex_);
    for (const auto& [number, row] : rows_) visit(row);
    return absl::OkStatus();
  }
  void FailCommits(absl::Status error) {
    absl::MutexLock lock(&mutex_);
    commit_error_ = std::move(error);
  }

 private:
  absl::Mutex mutex_;
  std::map<uint64_t, Row> rows_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Row> staged_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status commit_error_ ABSL_GUARDED_BY(mutex_);
};

// With `table_bytes_max_` 0 every result and input is in a file.
class JobStoreTest : public testing::Test {
 protected:
  JobStoreTest() { Open(); }

  // As a coordinator that starts: what an earlier one has written is there.
  std::vector<StoredJob> Open(uint64_t segment_bytes = 32 << 20) {
    store_.reset();
    auto opened = JobStore::Open({.dir = dir_.path() + "/jobs",
                                  .post = posted_.poster(),
                                  .table = table_,
                                  .table_bytes_max = table_bytes_max_,
                                  .segment_bytes = segment_bytes});
    EXPECT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    return store_->TakeFound();
  }
  void Create(JobId id, const std::string& meta = "meta") {
    absl::Status status = absl::UnknownError("not called");
    store_->Create(id, meta, [&](const absl::Status& done) { status = done; });
    ASSERT_TRUE(posted_.RunOne());
    EXPECT_TRUE(status.ok()) << status;
  }
  absl::StatusOr<StoredPart> Append(JobId id, uint64_t first, uint64_t count,
                                    const std::string& body, size_t failures = 0) {
    ResultPart part{.first = first,
                    .count = count,
                    .body = std::make_shared<const std::string>(body),
                    .failures = std::vector<Failure>(failures)};
    absl::StatusOr<StoredPart> stored = absl::UnknownError("not called");
    store_->AppendResults(id, part, [&](auto done) { stored = done; });
    EXPECT_TRUE(posted_.RunOne());
    return stored;
  }
  // Waits until everything before it is written.
  void Flush() {
    bool done = false;
    store_->CompleteInputs(999, 0, [&](const absl::Status&) { done = true; });
    while (!done) ASSERT_TRUE(posted_.RunOne());
    store_->Remove(999);
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/jobs/" + name; }
  size_t Files() const {
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path() + "/jobs")) {
      // Flush's own may not be gone yet.
      if (entry.path().filename().string().rfind("j999.", 0) != 0) ++files;
    }
    return files;
  }

  ScratchDir dir_;
  coordinator::PostedTasks posted_;
  const std::shared_ptr<FakeTable> table_ = std::make_shared<FakeTable>();
  uint64_t table_bytes_max_ = 0;
  std::unique_ptr<JobStore> store_;
};

// What is small is in the table, and makes no file.
class SmallJobStoreTest : public JobStoreTest {
 protected:
  SmallJobStoreTest() {
    table_bytes_max_ = 1000;
    Open();
  }
};

TEST_F(JobStoreTest, AJobIsThereAfterARestart) {
  Create(7, "the job");
  ASSERT_TRUE(Append(7, 0, 10, "first").ok());
  const auto second = Append(7, 20, 5, "second", /*failures=*/2);
  ASSERT_TRUE(second.ok());
  const std::vector<StoredJob> found = Open();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].id, 7u);
  EXPECT_EQ(found[0].meta, "the job");
  EXPECT_FALSE(found[0].end.has_value());
  ASSERT_THAT(found[0].parts, SizeIs(2));
  EXPECT_EQ(found[0].parts[1].first, 20u);
  EXPECT_EQ(found[0].parts[1].count, 5u);
  EXPECT_EQ(found[0].parts[1].failed, 2u);
  EXPECT_EQ(*store_->ReadNow(7, found[0].parts[1]), "second");
  // It goes on where it was.
  ASSERT_TRUE(Append(7, 10, 10, "third").ok());
  EXPECT_THAT(Open()[0].parts, SizeIs(3));
}

TEST_F(JobStoreTest, AnEndedJobKeepsItsResultsAndLosesItsInputs) {
  Create(1);
  store_->AppendInputs(1, 0, Block(10, 4, 'a'), "");
  ASSERT_TRUE(Append(1, 0, 10, "results").ok());
  store_->End(1, "the end", [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  ASSERT_TRUE(posted_.RunOne());
  EXPECT_EQ(Files(), 1u);
  const std::vector<StoredJob> found = Open();
  EXPECT_EQ(found[0].end, "the end");
  EXPECT_THAT(found[0].inputs, IsEmpty());
  EXPECT_EQ(*store_->ReadNow(1, found[0].parts[0]), "results");
}

TEST_F(JobStoreTest, ARemovedJobIsGoneAndItsBytesWithIt) {
  Create(1);
  store_->AppendInputs(1, 0, Block(10, 4, 'a'), "");
  ASSERT_TRUE(Append(1, 0, 10, "results").ok());
  EXPECT_GT(store_->used_bytes(), 0u);
  store_->Remove(1);
  Flush();
  EXPECT_THAT(Open(), IsEmpty());
  EXPECT_EQ(store_->used_bytes(), 0u);
  EXPECT_EQ(Files(), 0u);
}

TEST_F(JobStoreTest, EveryTornEndIsCutOffAndWritingGoesOn) {
  Create(1);
  ASSERT_TRUE(Append(1, 0, 10, "first").ok());
  const auto second = Append(1, 10, 10, "second result");
  ASSERT_TRUE(second.ok());
  const std::string path = Path("j1.job");
  const uint64_t whole = std::filesystem::file_size(path);
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  for (uint64_t size = second->offset; size < whole; ++size) {
    store_.reset();
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(size));
    const std::vector<StoredJob> found = Open();
    ASSERT_THAT(found, SizeIs(1)) << size;
    ASSERT_THAT(found[0].parts, SizeIs(1)) << size;
    ASSERT_TRUE(Append(1, 10, 10, "again").ok());
    const std::vector<StoredJob> again = Open();
    ASSERT_THAT(again[0].parts, SizeIs(2)) << size;
    EXPECT_EQ(*store_->ReadNow(1, again[0].parts[1]), "again");
  }
}

TEST_F(JobStoreTest, ADamagedResultIsSeenWhenItIsRead) {
  Create(1);
  const auto first = Append(1, 0, 10, "first");
  ASSERT_TRUE(Append(1, 10, 10, "second").ok());
  store_.reset();
  const int fd = ::open(Path("j1.job").c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(fd, "X", 1, static_cast<off_t>(first->offset + RecordHeader::kBytes)), 1);
  ::close(fd);
  const std::vector<StoredJob> found = Open();
  EXPECT_THAT(found[0].parts, SizeIs(2));
  EXPECT_TRUE(absl::IsDataLoss(store_->ReadNow(1, found[0].parts[0]).status()));
  EXPECT_EQ(*store_->ReadNow(1, found[0].parts[1]), "second");
}

TEST_F(JobStoreTest, InputsAreThereAfterARestartWithTheirPlace) {
  Create(1);
  store_->AppendInputs(1, 0, Block(10, 4, 'a'), "here");
  const std::vector<uint32_t> sizes = {1, 0, 3};
  store_->AppendInputs(1, 10, *RecordBlock::Make({.sizes = sizes, .data = "xyyy"}), "there");
  Flush();
  std::vector<StoredJob> found = Open();
  ASSERT_THAT(found[0].inputs, SizeIs(2));
  EXPECT_EQ(found[0].inputs_arrived, 13u);
  EXPECT_FALSE(found[0].inputs_complete);
  EXPECT_EQ(found[0].cursor, "there");
  std::shared_ptr<const RecordBlock> block;
  store_->ReadInputs(1, found[0].inputs[1], [&](auto read) { block = *read; });
  ASSERT_TRUE(posted_.RunOne());
  EXPECT_EQ(block->count(), 3u);
  EXPECT_EQ(block->Get(2), "yyy");
  store_->CompleteInputs(1, 13, [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  ASSERT_TRUE(posted_.RunOne());
  found = Open();
  EXPECT_TRUE(found[0].inputs_complete);
  EXPECT_EQ(found[0].inputs_arrived, 13u);
}

TEST_F(JobStoreTest, SegmentsOfFinishedInputsGo) {
  Open(/*segment_bytes=*/1000);
  Create(1);
  for (uint64_t i = 0; i < 10; ++i) store_->AppendInputs(1, i * 100, Block(100, 10, 'a'), "");
  Flush();
  EXPECT_EQ(Files(), 10u);
  store_->ReleaseInputs(1, 450);
  Flush();
  EXPECT_EQ(Files(), 6u);
  store_->ReleaseInputs(1, 1000);
  Flush();
  EXPECT_EQ(Files(), 1u);  // the last one stays until the end
  const std::vector<StoredJob> found = Open();
  ASSERT_THAT(found[0].inputs, SizeIs(1));
  EXPECT_EQ(found[0].inputs[0].first, 900u);
  EXPECT_EQ(found[0].inputs_arrived, 1000u);
}

TEST_F(JobStoreTest, ManyJobsAtOnceNeedFewDescriptors) {
  for (JobId id = 1; id <= 600; ++id) Create(id);
  for (JobId id = 1; id <= 600; ++id) ASSERT_TRUE(Append(id, 0, 1, "x").ok());
  const std::vector<StoredJob> found = Open();
  ASSERT_THAT(found, SizeIs(600));
  for (const StoredJob& job : found) EXPECT_THAT(job.parts, SizeIs(1));
}

TEST_F(JobStoreTest, FilesOfJobsThatAreGoneAreRemovedAndOthersAreNot) {
  Create(1);
  ASSERT_TRUE(Append(1, 0, 1, "x").ok());
  std::ofstream(Path("j7.job")) << "of an interrupted removal";
  std::ofstream(Path("j7.in.0")) << "of an interrupted removal";
  std::ofstream(Path("README")) << "hello";
  EXPECT_THAT(Open(), SizeIs(1));
  EXPECT_FALSE(std::filesystem::exists(Path("j7.job")));
  EXPECT_FALSE(std::filesystem::exists(Path("j7.in.0")));
  EXPECT_TRUE(std::filesystem::exists(Path("README")));
}

TEST_F(SmallJobStoreTest, ASmallJobMakesNoFile) {
  Create(1, "the job");
  store_->AppendInputs(1, 0, Block(10, 4, 'a'), "here");
  store_->CompleteInputs(1, 10, [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  ASSERT_TRUE(posted_.RunOne());
  const auto part = Append(1, 0, 5, "results", /*failures=*/1);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(*store_->ReadNow(1, *part), "results");
  EXPECT_EQ(Files(), 0u);

  const std::vector<StoredJob> found = Open();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].meta, "the job");
  ASSERT_THAT(found[0].parts, SizeIs(1));
  EXPECT_EQ(found[0].parts[0].count, 5u);
  EXPECT_EQ(found[0].parts[0].failed, 1u);
  EXPECT_EQ(*store_->ReadNow(1, found[0].parts[0]), "results");
  EXPECT_TRUE(found[0].inputs_complete);
  EXPECT_EQ(found[0].cursor, "here");
  ASSERT_THAT(found[0].inputs, SizeIs(1));
  std::shared_ptr<const RecordBlock> block;
  store_->ReadInputs(1, found[0].inputs[0], [&](auto read) { block = *read; });
  ASSERT_TRUE(posted_.RunOne());
  EXPECT_EQ(block->Get(9), "aaaa");

  EXPECT_GT(store_->used_bytes(), 0u);
  store_->Remove(1);
  Flush();
  EXPECT_THAT(Open(), IsEmpty());
  EXPECT_EQ(store_->used_bytes(), 0u);
}

TEST_F(SmallJobStoreTest, AJobThatGrowsGoesOnInFiles) {
  Create(1);
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(Append(1, i * 10, 10, absl::StrCat(i, std::string(100, 'x'))).ok());
    store_->AppendInputs(1, i * 10, Block(10, 10, 'a'), absl::StrCat("after ", i));
  }
  Flush();
  EXPECT_EQ(Files(), 2u);
  const std::vector<StoredJob> found = Open();
  ASSERT_THAT(found[0].parts, SizeIs(20));
  ASSERT_THAT(found[0].inputs, SizeIs(20));
  EXPECT_EQ(found[0].cursor, "after 19");
  EXPECT_EQ(found[0].inputs_arrived, 200u);
  for (uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(found[0].parts[i].first, i * 10) << "in the order in which they were finished";
    EXPECT_EQ(*store_->ReadNow(1, found[0].parts[i]), absl::StrCat(i, std::string(100, 'x')));
    EXPECT_EQ(found[0].inputs[i].first, i * 10);
  }
  ASSERT_TRUE(Append(1, 200, 10, "more").ok());
  EXPECT_THAT(Open()[0].parts, SizeIs(21));
}

TEST_F(SmallJobStoreTest, WhatWasNotCommittedIsToldAsAnError) {
  Create(1);
  table_->FailCommits(absl::ResourceExhaustedError("disk full"));
  EXPECT_TRUE(absl::IsResourceExhausted(Append(1, 0, 1, "x").status()));
  table_->FailCommits(absl::OkStatus());
  EXPECT_TRUE(Append(1, 0, 1, "x").ok());
}

// ---- Where results are ------------------------------------------------------------------------

StoredPart Part(uint64_t first, uint64_t count) {
  return {.first = first, .count = count, .bytes = 10};
}

TEST(ResultIndexTest, PartsAreFoundInBothOrders) {
  ResultIndex index;
  index.Add(Part(10, 5), nullptr);
  index.Add(Part(0, 10), nullptr);
  index.Add(Part(20, 5), nullptr);
  EXPECT_EQ(index.results(), 20u);

  Position at;
  std::vector<uint64_t> seen;
  while (const auto* entry = index.Find(at, false)) {
    seen.push_back(entry->part.first);
    at = index.After(*entry, false);
  }
  EXPECT_THAT(seen, testing::ElementsAre(10, 0, 20));

  at = {.ordered = true};
  seen.clear();
  while (const auto* entry = index.Find(at, false)) {
    seen.push_back(entry->part.first);
    at = index.After(*entry, true);
  }
  EXPECT_THAT(seen, testing::ElementsAre(0, 10));  // 15 to 19 are not there yet
  ASSERT_NE(index.Find(at, /*skip_holes=*/true), nullptr);
  EXPECT_EQ(index.Find(at, true)->part.first, 20u);
  index.Add(Part(15, 5), nullptr);
  EXPECT_EQ(index.Find(at, false)->part.first, 15u);
}

TEST(ResultIndexTest, OnlyTheBoundariesOfPartsArePlaces) {
  ResultIndex index;
  index.Add(Part(10, 5), nullptr);
  index.Add(Part(0, 10), nullptr);
  for (const uint64_t at : {0, 5, 15}) EXPECT_TRUE(index.IsBoundary({false, at})) << at;
  for (const uint64_t at : {1, 4, 6, 14, 16}) EXPECT_FALSE(index.IsBoundary({false, at})) << at;
  for (const uint64_t at : {0, 10, 15, 17}) EXPECT_TRUE(index.IsBoundary({true, at})) << at;
  for (const uint64_t at : {1, 9, 11, 14}) EXPECT_FALSE(index.IsBoundary({true, at})) << at;
}

TEST(ResultIndexTest, APlaceSaysOfWhichOrderItIs) {
  const Position ordered{.ordered = true, .at = 1ull << 40};
  EXPECT_TRUE(Position::Decode(ordered.Encode()).ordered);
  EXPECT_EQ(Position::Decode(ordered.Encode()).at, 1ull << 40);
  EXPECT_FALSE(Position::Decode(Position{.at = 7}.Encode()).ordered);
  EXPECT_EQ(Position{}.Encode(), 0u);
}

TEST(ResultIndexTest, ForgottenPartsCostNothing) {
  ResultIndex index;
  for (uint64_t i = 0; i < 100; ++i) index.Add(Part(i * 10, 10), nullptr);
  index.ForgetBefore({false, 500});
  EXPECT_EQ(index.Find({false, 490}, false), nullptr);
  EXPECT_EQ(index.Find({false, 500}, false)->part.first, 500u);
  index.Add(Part(1000, 10), nullptr);
  EXPECT_EQ(index.Find({true, 990}, false)->part.first, 990u);
  index.ForgetBefore({true, 1000});
  EXPECT_EQ(index.Find({true, 1000}, false)->part.first, 1000u);
}

}  // namespace
}  // namespace center::jobs

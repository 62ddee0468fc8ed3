// How far a reader is, in memory and in a file.
#include "cli/cursor.h"

#include <fstream>

#include "tests/unit/cli/testing.h"

namespace center::cli {
namespace {

using ::testing::HasSubstr;

TEST(CursorTrackerTest, MovesOnAndNeverBack) {
  CursorTracker tracker;
  EXPECT_TRUE(tracker.empty());
  EXPECT_EQ(tracker.Next("default/0"), 0u);
  EXPECT_TRUE(tracker.empty()) << "asking is not moving";
  tracker.Advance("default/0", 10);
  tracker.Advance("default/1", 3);
  tracker.Advance("default/0", 7);
  EXPECT_EQ(tracker.Next("default/0"), 10u);
  EXPECT_EQ(tracker.Next("default/1"), 3u);
  EXPECT_EQ(tracker.Next("default/2"), 0u);
}

TEST(CursorTrackerTest, PassesGapsAndProgress) {
  CursorTracker tracker;
  StreamMessage message;
  message.gap.emplace().set_worker("default/0");
  message.gap->set_from_offset(5);
  message.gap->set_to_offset(9);
  message.progress.emplace().set_worker("default/1");
  message.progress->set_next_offset(4);
  message.progress->set_end_offset(100);
  tracker.Pass(message);
  EXPECT_EQ(tracker.Next("default/0"), 9u);
  EXPECT_EQ(tracker.Next("default/1"), 4u) << "not to the end, which was not sent yet";
  tracker.Pass(StreamMessage());
  EXPECT_EQ(tracker.Next("default/0"), 9u);
}

class CursorFileTest : public CliTest {
 protected:
  void Write(absl::string_view text) { std::ofstream(path_) << text; }
  const std::string path_ = dir_.path() + "/cursor";
};

TEST_F(CursorFileTest, WhatIsSavedIsLoaded) {
  v1::Cursor cursor;
  (*cursor.mutable_next_offsets())["default/0"] = 42;
  (*cursor.mutable_next_offsets())["default/1"] = 18'446'744'073'709'551'615u;
  ASSERT_TRUE(SaveCursor(path_, cursor).ok());
  const auto loaded = LoadCursor(path_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->SerializeAsString().size(), cursor.SerializeAsString().size());
  EXPECT_EQ(loaded->next_offsets().at("default/0"), 42u);
  EXPECT_EQ(loaded->next_offsets().at("default/1"), 18'446'744'073'709'551'615u);
}

TEST_F(CursorFileTest, SavingReplacesTheFileAndLeavesNothingBehind) {
  v1::Cursor cursor;
  for (uint64_t next : {1000, 2}) {
    (*cursor.mutable_next_offsets())["default/0"] = next;
    ASSERT_TRUE(SaveCursor(path_, cursor).ok());
  }
  EXPECT_EQ(LoadCursor(path_)->next_offsets().at("default/0"), 2u);
  const std::filesystem::directory_iterator files(dir_.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(CursorFileTest, AMissingFileIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(LoadCursor(path_).status()));
}

TEST_F(CursorFileTest, AFileThatHoldsSomethingElseIsRefusedAndNamed) {
  for (const char* text : {"", "nonsense", "{\"nextOffsets\": 3}", "{\"other\": {}}",
                           "{\"nextOffsets\": {\"default/0\": \"-1\"}}"}) {
    Write(text);
    const auto loaded = LoadCursor(path_);
    EXPECT_TRUE(absl::IsInvalidArgument(loaded.status())) << text;
    EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(path_));
  }
}

TEST_F(CursorFileTest, AFolderThatDoesNotExistIsAnError) {
  EXPECT_FALSE(SaveCursor(dir_.path() + "/nosuch/cursor", v1::Cursor()).ok());
}

}  // namespace
}  // namespace center::cli

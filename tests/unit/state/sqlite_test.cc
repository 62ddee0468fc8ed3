#include "services/coordinator/state/sqlite.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::state {
namespace {

Database Memory() {
  auto database = Database::Open(":memory:");
  EXPECT_TRUE(database.ok()) << database.status();
  return *std::move(database);
}

TEST(SqliteTest, BindsAndReadsWhatWasBound) {
  Database database = Memory();
  ASSERT_TRUE(database.Execute("CREATE TABLE t (a INTEGER, b TEXT, c BLOB, d)").ok());
  const std::string blob("\0\xff'", 3);
  auto insert = database.Prepare("INSERT INTO t VALUES (?, ?, ?, ?)");
  ASSERT_TRUE(insert.ok());
  ASSERT_TRUE(insert->Bind(int64_t{-7}, "it's", Blob{blob}, absl::string_view()).Run().ok());
  EXPECT_EQ(database.changes(), 1);

  auto query = database.Prepare("SELECT a, b, c, d, NULL FROM t");
  ASSERT_TRUE(query.ok());
  ASSERT_TRUE(*query->Step());
  EXPECT_EQ(query->Int(0), -7);
  EXPECT_EQ(query->Text(1), "it's");
  EXPECT_EQ(query->Text(2), blob);
  EXPECT_EQ(query->Text(3), "");
  EXPECT_FALSE(query->IsNull(3));
  EXPECT_TRUE(query->IsNull(4));
  EXPECT_FALSE(*query->Step());
}

TEST(SqliteTest, AnErrorNamesTheStatementAndTheCause) {
  Database database = Memory();
  const absl::Status status = database.Prepare("SELECT * FROM nowhere").status();
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(testing::HasSubstr("SELECT * FROM nowhere"),
                             testing::HasSubstr("no such table")));
}

TEST(SqliteTest, TooManyBoundValuesAreAnError) {
  Database database = Memory();
  auto statement = database.Prepare("SELECT ?");
  ASSERT_TRUE(statement.ok());
  EXPECT_FALSE(statement->Bind(int64_t{1}, int64_t{2}).Step().ok());
}

TEST(SqliteTest, ATransactionThatIsNotCommittedLeavesNothing) {
  Database database = Memory();
  ASSERT_TRUE(database.Execute("CREATE TABLE t (a)").ok());
  {
    auto transaction = Transaction::Begin(database);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(database.Execute("INSERT INTO t VALUES (1)").ok());
  }
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM t"), 0);
  {
    auto transaction = Transaction::Begin(database);
    ASSERT_TRUE(transaction.ok());
    ASSERT_TRUE(database.Execute("INSERT INTO t VALUES (1)").ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM t"), 1);
}

TEST(SqliteTest, AFileThatIsNoDatabaseIsDataLoss) {
  const std::string path = testing::TempDir() + "/not_a_database";
  std::ofstream(path) << std::string(4096, 'x');
  auto database = Database::Open(path);
  ASSERT_TRUE(database.ok());
  EXPECT_TRUE(absl::IsDataLoss(database->Execute("CREATE TABLE t (a)")));
  std::filesystem::remove(path);
}

TEST(SqliteTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_TRUE(absl::IsPermissionDenied(Database::Open("/nowhere/at/all.db").status()));
}

}  // namespace
}  // namespace center::state

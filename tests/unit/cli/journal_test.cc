// `journal verify|dump|repair` on a journal of its own.
#include "services/worker/journal/journal.h"

#include <fcntl.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "simdjson.h"
#include "tests/unit/cli/testing.h"
#include "tests/unit/worker_api/batches.h"

namespace center::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class JournalCommandTest : public CliTest {
 protected:
  // Four batches of three payloads "#0" to "#11".
  JournalCommandTest() {
    const auto journal = Open();
    for (uint64_t base = 0; base < 12; base += 3) {
      const worker::EncodedPayloads encoded = worker::Encode(
          base, 1'700'000'000'000'000'000,
          {absl::StrCat("#", base), absl::StrCat("#", base + 1), absl::StrCat("#", base + 2)});
      EXPECT_TRUE(
          journal->Append({{3, 1'700'000'000'000'000'000, encoded.prefix, encoded.data}}).ok());
    }
  }
  std::unique_ptr<journal::Journal> Open() {
    journal::Options options;
    options.dir = journal_dir_;
    options.min_free_bytes = 0;
    journal::Dependencies dependencies;
    dependencies.fs = &journal::PosixFileSystem();
    dependencies.clock = &clock_;
    auto journal = journal::Journal::Open(options, std::move(dependencies));
    EXPECT_TRUE(journal.ok()) << journal.status();
    return *std::move(journal);
  }
  std::string Segment() const {
    for (const auto& entry : std::filesystem::directory_iterator(journal_dir_)) {
      if (entry.path().extension() == ".seg") return entry.path();
    }
    return "";
  }
  std::string ReadSegment() const {
    std::ifstream file(Segment(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void WriteSegment(const std::string& bytes) {
    std::ofstream(Segment(), std::ios::binary | std::ios::trunc) << bytes;
  }
  // Flips a bit in the payload "#4", which is in the second batch.
  void Damage() {
    std::string bytes = ReadSegment();
    const size_t at = bytes.find("#4");
    ASSERT_NE(at, std::string::npos);
    bytes[at] ^= 1;
    WriteSegment(bytes);
  }
  static std::vector<std::string> Numbers(std::initializer_list<int> numbers) {
    std::vector<std::string> lines;
    for (const int number : numbers) lines.push_back(absl::StrCat("#", number));
    return lines;
  }

  const std::string journal_dir_ = dir_.path() + "/servers/default/0";
};

TEST_F(JournalCommandTest, AnIntactJournalIsDescribed) {
  const CliResult result = Run({"journal", "verify", journal_dir_});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("intact"), HasSubstr("#0 to #11"),
                                HasSubstr("Payloads  12\n"), HasSubstr(journal_dir_)));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(JournalCommandTest, DamageIsShownWithItsPlaceAndExitCodeOne) {
  Damage();
  const CliResult result = Run({"journal", "verify", journal_dir_});
  EXPECT_EQ(result.exit_code, kExitFailure);
  EXPECT_THAT(result.out, AllOf(HasSubstr("1 damaged place"), HasSubstr("#3 to #5"),
                                HasSubstr("damaged payload"), HasSubstr(".seg")));
  EXPECT_THAT(result.err, HasSubstr(absl::StrCat("`centerctl journal repair ", journal_dir_, "`")));
}

TEST_F(JournalCommandTest, VerifyAsJsonIsOneObject) {
  Damage();
  const CliResult result = Run({"journal", "verify", journal_dir_, "-o", "json"});
  EXPECT_EQ(result.exit_code, kExitFailure);
  simdjson::dom::parser parser;
  const auto report = parser.parse(result.out);
  EXPECT_EQ(std::string_view(report["dir"]), journal_dir_);
  EXPECT_FALSE(bool(report["ok"]));
  EXPECT_EQ(std::string_view(report["endOffset"]), "12");
  EXPECT_EQ(std::string_view(report["damages"].at(0)["fromOffset"]), "3");
  EXPECT_EQ(std::string_view(report["damages"].at(0)["toOffset"]), "6");
}

TEST_F(JournalCommandTest, DumpPrintsAsTailDoes) {
  const CliResult raw = Run({"journal", "dump", journal_dir_, "-o", "raw"});
  EXPECT_EQ(raw.exit_code, 0);
  EXPECT_EQ(SplitLines(raw.out), Numbers({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  const CliResult pretty = Run({"journal", "dump", journal_dir_});
  EXPECT_THAT(pretty.out, HasSubstr("default/0 #4  10.1.2.3:4567  text, 2 bytes\n#4\n"));
  const auto json = SplitLines(Run({"journal", "dump", journal_dir_, "-o", "json"}).out);
  ASSERT_THAT(json, SizeIs(12));
  EXPECT_THAT(json[4], AllOf(HasSubstr("\"offset\":\"4\""), HasSubstr("\"text\":\"#4\"")));
}

TEST_F(JournalCommandTest, DumpBeginsAndEndsInsideABatch) {
  const auto dump = [&](const char* from, const char* count) {
    return SplitLines(
        Run({"journal", "dump", journal_dir_, "-o", "raw", "--from", from, "--count", count}).out);
  };
  EXPECT_EQ(dump("4", "4"), Numbers({4, 5, 6, 7}));
  EXPECT_EQ(dump("4", "1"), Numbers({4}));
  EXPECT_EQ(dump("10", "0"), Numbers({10, 11}));
  EXPECT_THAT(dump("12", "5"), IsEmpty());
}

TEST_F(JournalCommandTest, DumpShowsWhatIsLeftAroundDamage) {
  Damage();
  const CliResult result = Run({"journal", "dump", journal_dir_, "-o", "raw"});
  EXPECT_EQ(result.exit_code, kExitFailure);
  EXPECT_EQ(SplitLines(result.out), Numbers({0, 1, 2, 6, 7, 8, 9, 10, 11}));
  EXPECT_THAT(result.err, AllOf(HasSubstr("centerctl: damage:"), HasSubstr("damaged payload")));
}

TEST_F(JournalCommandTest, DumpToAFullDiskIsAFailure) {
  const ScopedFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(RunCenterctl({"journal", "dump", journal_dir_}, Deps(in_.fd(), full.get(), err_.fd())),
            kExitFailure);
  EXPECT_THAT(err_.Text(), HasSubstr("No space left"));
}

TEST_F(JournalCommandTest, RepairTakesTheDamageOutAndKeepsItAside) {
  Damage();
  const CliResult repaired = Run({"journal", "repair", journal_dir_});
  EXPECT_EQ(repaired.exit_code, 0) << repaired.err;
  EXPECT_THAT(repaired.err, AllOf(HasSubstr("1 segment rewritten"), HasSubstr("3 payloads lost"),
                                  HasSubstr("kept aside: " + journal_dir_)));
  EXPECT_EQ(Run({"journal", "verify", journal_dir_}).exit_code, 0);
  EXPECT_EQ(SplitLines(Run({"journal", "dump", journal_dir_, "-o", "raw"}).out),
            Numbers({0, 1, 2, 6, 7, 8, 9, 10, 11}));
  EXPECT_THAT(Run({"journal", "repair", journal_dir_}).err, HasSubstr("nothing was changed"));
}

TEST_F(JournalCommandTest, RepairLeavesAnIntactJournalAsItIs) {
  const std::string before = ReadSegment();
  const CliResult result = Run({"journal", "repair", journal_dir_});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("the journal is intact: nothing was changed"));
  EXPECT_TRUE(ReadSegment() == before);
}

TEST_F(JournalCommandTest, RepairBesideARunningWorkerIsRefusedWithWhatToDo) {
  Damage();
  const auto worker = Open();
  const CliResult result = Run({"journal", "repair", journal_dir_});
  EXPECT_EQ(result.exit_code, kExitFailure);
  EXPECT_THAT(result.err, HasSubstr("\n  Stop its server first: `centerctl server stop NAME`."));
  EXPECT_THAT(result.err, Not(HasSubstr("repaired")));
}

TEST_F(JournalCommandTest, AFolderThatIsNoJournalIsNamedAndAServersFolderExplained) {
  for (const char* verb : {"verify", "dump", "repair"}) {
    const CliResult nowhere = Run({"journal", verb, dir_.path() + "/nosuch"});
    EXPECT_EQ(nowhere.exit_code, kExitFailure) << verb;
    EXPECT_THAT(nowhere.err, HasSubstr(dir_.path() + "/nosuch")) << verb;
    const CliResult server = Run({"journal", verb, dir_.path() + "/servers/default"});
    EXPECT_EQ(server.exit_code, kExitFailure) << verb;
    EXPECT_THAT(server.err, HasSubstr("name a worker's, such as " + journal_dir_)) << verb;
  }
}

}  // namespace
}  // namespace center::cli

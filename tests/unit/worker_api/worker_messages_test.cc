#include "services/worker/api/worker_messages.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/worker/api/process_stats.h"
#include "tests/unit/journal/testing.h"
#include "tests/unit/worker_api/batches.h"

namespace center::worker {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Type = journal::JournalEvent::Type;

TEST(WorkerMessagesTest, AnEventIsAboutTheWorkerAndNow) {
  journal::FakeClock clock;
  clock.Set(1'700'000'000'123'456'789);
  const v1::Event event = MakeEvent(v1::EVENT_TYPE_WORKER_READY, kWorker, "because", clock);
  EXPECT_EQ(event.type(), v1::EVENT_TYPE_WORKER_READY);
  EXPECT_EQ(event.subject(), kWorker);
  EXPECT_EQ(event.reason(), "because");
  EXPECT_EQ(event.time().seconds(), 1'700'000'000);
  EXPECT_EQ(event.time().nanos(), 123'456'789);
  EXPECT_EQ(event.id(), 0u) << "the coordinator's to give";
}

TEST(WorkerMessagesTest, JournalEventsBecomeWhatAnOperatorHasToKnow) {
  const journal::FakeClock clock;
  const auto type_of = [&](Type type) {
    return JournalEventToProto({type, 0, 0, "d"}, kWorker, clock).type();
  };
  EXPECT_EQ(type_of(Type::kTailTruncated), v1::EVENT_TYPE_JOURNAL_GAP);
  EXPECT_EQ(type_of(Type::kCorruption), v1::EVENT_TYPE_JOURNAL_GAP);
  EXPECT_EQ(type_of(Type::kDropped), v1::EVENT_TYPE_JOURNAL_GAP);
  EXPECT_EQ(type_of(Type::kBlocked), v1::EVENT_TYPE_INGEST_BLOCKED);
  EXPECT_EQ(type_of(Type::kFailed), v1::EVENT_TYPE_INGEST_BLOCKED);
  EXPECT_EQ(type_of(Type::kResumed), v1::EVENT_TYPE_INGEST_RESUMED);
}

TEST(WorkerMessagesTest, OffsetsAreDetailsWhenThereAreAny) {
  const journal::FakeClock clock;
  const v1::Event gap =
      JournalEventToProto({Type::kCorruption, 10, 25, "segment 3"}, kWorker, clock);
  EXPECT_EQ(gap.reason(), "segment 3");
  EXPECT_EQ(gap.subject(), kWorker);
  EXPECT_THAT(gap.details(),
              UnorderedElementsAre(Pair("from_offset", "10"), Pair("to_offset", "25")));
  EXPECT_THAT(JournalEventToProto({Type::kBlocked, 0, 0, "disk full"}, kWorker, clock).details(),
              IsEmpty());
}

TEST(WorkerMessagesTest, AGapSaysWhatIsMissingAndWhy) {
  const v1::Gap gap = GapToProto({3, 9, journal::Gap::Reason::kCorruption, "bad sum"}, kWorker);
  EXPECT_EQ(gap.worker(), kWorker);
  EXPECT_EQ(gap.from_offset(), 3u);
  EXPECT_EQ(gap.to_offset(), 9u);
  EXPECT_EQ(gap.reason(), v1::Gap::REASON_CORRUPTION);
  EXPECT_EQ(gap.detail(), "bad sum");
  EXPECT_EQ(GapToProto({3, 9, journal::Gap::Reason::kRetention, ""}, kWorker).reason(),
            v1::Gap::REASON_RETENTION);
}

TEST(ProcessStatsTest, MemoryAndTimeThatAreUsedAreSeen) {
  const ProcessStats before = ReadProcessStats();
  EXPECT_GT(before.resident_bytes, 0u);
  constexpr size_t kBytes = 64 << 20;
  const std::string used(kBytes, 'x');
  // Burns until the kernel's clock has moved; a clock that stands still fails by CTest's timeout.
  volatile uint64_t sum = 0;
  ProcessStats after = ReadProcessStats();
  while (after.cpu_time < before.cpu_time + absl::Milliseconds(20)) {
    for (size_t i = 0; i < kBytes; i += 64) sum = sum + static_cast<uint64_t>(used[i]);
    after = ReadProcessStats();
  }
  EXPECT_GT(after.resident_bytes, before.resident_bytes + kBytes / 2);
}

}  // namespace
}  // namespace center::worker

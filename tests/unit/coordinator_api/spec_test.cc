#include "services/coordinator/api/spec.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace center::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Check(const v1::ServerSpec& spec) {
  std::vector<rpc::FieldViolation> violations;
  CheckSpec(spec, &violations);
  std::vector<std::string> text;
  for (const auto& violation : violations) {
    text.push_back(absl::StrCat(violation.field, " ", violation.description));
  }
  return text;
}

TEST(SpecTest, TheDefaultsAreThoseOfTheDesignAndAreValid) {
  const v1::ServerSpec spec = DefaultSpec();
  EXPECT_EQ(kDefaultServer, "default");
  EXPECT_EQ(spec.host(), "127.0.0.1");
  EXPECT_EQ(spec.port(), 5000u);
  EXPECT_EQ(spec.workers(), 1u);
  EXPECT_EQ(spec.framing(), v1::FRAMING_LINE);
  EXPECT_EQ(spec.durability(), v1::DURABILITY_WRITTEN);
  EXPECT_EQ(spec.overflow(), v1::OVERFLOW_BLOCK);
  EXPECT_EQ(spec.max_payload_bytes(), 1u << 20);
  EXPECT_EQ(spec.banner(), "");
  EXPECT_EQ(spec.retain_bytes(), 1u << 30);
  EXPECT_EQ(ToDuration(spec.sync_interval()), absl::Seconds(1));
  EXPECT_EQ(ToDuration(spec.drain_timeout()), absl::Seconds(10));
  EXPECT_THAT(Check(spec), IsEmpty());
}

struct BadField {
  std::function<void(v1::ServerSpec&)> spoil;
  std::string violation;
};

// Each names the field, the value and the limit.
const std::vector<BadField>& BadFields() {
  using Spec = v1::ServerSpec;
  static const auto* const fields = new std::vector<BadField>{
      {[](Spec& s) { s.set_host(std::string(254, 'h')); },
       "spec.host has 254 bytes; must be from 1 to 253"},
      {[](Spec& s) { s.set_host("a b"); },
       "spec.host is 'a b'; must be an address or a name without white space, in ASCII"},
      {[](Spec& s) { s.set_host("ü\n"); },
       "spec.host is '\\303\\274\\n'; must be an address or a name without white space, in ASCII"},
      {[](Spec& s) { s.set_port(65536); }, "spec.port is 65536; must be from 0 to 65535"},
      {[](Spec& s) { s.set_workers(0); }, "spec.workers is 0; must be from 1 to 256"},
      {[](Spec& s) { s.set_workers(257); }, "spec.workers is 257; must be from 1 to 256"},
      {[](Spec& s) { s.set_framing(static_cast<v1::Framing>(5)); },
       "spec.framing is 5; must be from 1 to 4"},
      {[](Spec& s) { s.set_durability(static_cast<v1::Durability>(-1)); },
       "spec.durability is -1; must be from 1 to 2"},
      {[](Spec& s) { s.set_overflow(static_cast<v1::Overflow>(99)); },
       "spec.overflow is 99; must be from 1 to 2"},
      {[](Spec& s) { s.set_max_payload_bytes(0); },
       "spec.max_payload_bytes is 0; must be from 1 to 67108864"},
      {[](Spec& s) { s.set_max_payload_bytes((64 << 20) + 1); },
       "spec.max_payload_bytes is 67108865; must be from 1 to 67108864"},
      {[](Spec& s) { s.set_banner(std::string(4097, 'b')); },
       "spec.banner has 4097 bytes; at most 4096"},
      {[](Spec& s) { s.set_banner(std::string("ab\0c", 4)); },
       "spec.banner has a NUL byte at position 2; must have none"},
      {[](Spec& s) { s.set_max_connections(0); },
       "spec.max_connections is 0; must be from 1 to 1000000"},
      {[](Spec& s) { s.set_max_connections(1'000'001); },
       "spec.max_connections is 1000001; must be from 1 to 1000000"},
      {[](Spec& s) { s.set_max_connections_per_peer(1'000'001); },
       "spec.max_connections_per_peer is 1000001; must be from 0 to 1000000"},
      {[](Spec& s) { *s.mutable_frame_timeout() = FromDuration(absl::Microseconds(999)); },
       "spec.frame_timeout is 999us; must be from 1ms to 24h"},
      {[](Spec& s) { *s.mutable_frame_timeout() = FromDuration(absl::Hours(25)); },
       "spec.frame_timeout is 25h; must be from 1ms to 24h"},
      {[](Spec& s) { *s.mutable_idle_timeout() = FromDuration(-absl::Seconds(1)); },
       "spec.idle_timeout is -1s; must be from 0 to 24h"},
      {[](Spec& s) { s.set_max_buffer_bytes((1 << 20) - 1); },
       "spec.max_buffer_bytes is 1048575; must be from 1048576 to 68719476736"},
      {[](Spec& s) { s.set_max_buffer_bytes((64ull << 30) + 1); },
       "spec.max_buffer_bytes is 68719476737; must be from 1048576 to 68719476736"},
      {[](Spec& s) { s.set_retain_bytes((128 << 20) - 1); },
       "spec.retain_bytes is 134217727; must be from 134217728 to 1125899906842624"},
      {[](Spec& s) { s.set_retain_bytes(std::numeric_limits<uint64_t>::max()); },
       "spec.retain_bytes is 18446744073709551615; must be from 134217728 to 1125899906842624"},
      {[](Spec& s) { *s.mutable_retain_age() = FromDuration(absl::Hours(24 * 3660 + 1)); },
       "spec.retain_age is 87841h; must be from 0 to 87840h"},
      {[](Spec& s) { s.set_segment_bytes((1 << 20) - 1); },
       "spec.segment_bytes is 1048575; must be from 1048576 to 1073741824"},
      {[](Spec& s) { *s.mutable_sync_interval() = FromDuration(absl::Nanoseconds(1)); },
       "spec.sync_interval is 1ns; must be from 1ms to 24h"},
      {[](Spec& s) {
         *s.mutable_drain_timeout() = FromDuration(absl::Hours(24) + absl::Seconds(1));
       },
       "spec.drain_timeout is 24h1s; must be from 1ms to 24h"},
  };
  return *fields;
}

const std::vector<BadField>& BadProcessFields() {
  using Spec = v1::ServerSpec;
  static const auto* fields = new std::vector<BadField>{
      {[](Spec& s) { s.set_restart(static_cast<v1::RestartPolicy>(4)); },
       "spec.restart is 4; must be from 1 to 3"},
      {[](Spec& s) { *s.mutable_start_timeout() = FromDuration(absl::Milliseconds(99)); },
       "spec.start_timeout is 99ms; must be from 100ms to 1h"},
      {[](Spec& s) { *s.mutable_liveness_timeout() = FromDuration(absl::Milliseconds(999)); },
       "spec.liveness_timeout is 999ms; must be from 1s to 1h"},
      {[](Spec& s) { *s.mutable_orphan_timeout() = FromDuration(absl::Hours(25)); },
       "spec.orphan_timeout is 25h; must be from 0 to 24h"},
      {[](Spec& s) { s.set_compute_threads(17); },
       "spec.compute_threads is 17; must be from 1 to 16"},
      {[](Spec& s) { s.mutable_task_modules()->add_paths("tasks.so"); },
       "spec.task_modules has 'tasks.so'; must be absolute paths of at most 4095 bytes, without "
       "NUL"},
      {[](Spec& s) { s.mutable_task_modules()->add_paths(std::string("/a\0b", 4)); },
       "spec.task_modules has '/a\\000b'; must be absolute paths of at most 4095 bytes, without "
       "NUL"},
      {[](Spec& s) {
         for (int i = 0; i < 17; ++i) s.mutable_task_modules()->add_paths("/a.so");
       },
       "spec.task_modules has 17 paths; at most 16"},
      {[](Spec& s) { *s.mutable_cancel_grace() = FromDuration(absl::Hours(2)); },
       "spec.cancel_grace is 2h; must be from 1ms to 1h"},
  };
  return *fields;
}

TEST(SpecTest, EachBadFieldOfTheProcessesIsNamedAsWell) {
  for (const BadField& bad : BadProcessFields()) {
    v1::ServerSpec spec = DefaultSpec();
    bad.spoil(spec);
    EXPECT_THAT(Check(spec), ElementsAre(bad.violation));
  }
}

TEST(SpecTest, EachBadFieldIsNamedWithItsValueAndItsLimit) {
  for (const BadField& bad : BadFields()) {
    v1::ServerSpec spec = DefaultSpec();
    bad.spoil(spec);
    EXPECT_THAT(Check(spec), ElementsAre(bad.violation));
  }
}

TEST(SpecTest, TheLimitsThemselvesAreAllowed) {
  v1::ServerSpec low = DefaultSpec();
  low.set_port(0);
  low.set_max_payload_bytes(1);
  low.set_max_buffer_bytes(1);
  low.set_max_connections(1);
  low.set_segment_bytes(kSegmentBytesMin);
  low.set_retain_bytes(2 * kSegmentBytesMin);
  *low.mutable_frame_timeout() = FromDuration(absl::Milliseconds(1));
  *low.mutable_sync_interval() = FromDuration(kSyncIntervalMin);
  *low.mutable_drain_timeout() = FromDuration(absl::Milliseconds(1));
  *low.mutable_start_timeout() = FromDuration(kStartTimeoutMin);
  *low.mutable_liveness_timeout() = FromDuration(kLivenessTimeoutMin);
  EXPECT_THAT(Check(low), IsEmpty());

  v1::ServerSpec high = DefaultSpec();
  high.set_host(std::string(kHostBytesMax, 'h'));
  high.set_port(65535);
  high.set_workers(kWorkersPerServerMax);
  high.set_framing(v1::FRAMING_CHUNK);
  high.set_max_payload_bytes(kPayloadBytesMax);
  high.set_banner(std::string(kBannerBytesMax, 'b'));
  high.set_max_connections(kConnectionsMax);
  high.set_max_connections_per_peer(kConnectionsMax);
  high.set_max_buffer_bytes(kBufferBytesMax);
  high.set_segment_bytes(kSegmentBytesMax);
  high.set_retain_bytes(kRetainBytesMax);
  *high.mutable_idle_timeout() = FromDuration(kTimeoutMax);
  *high.mutable_retain_age() = FromDuration(kRetainAgeMax);
  high.set_restart(v1::RESTART_POLICY_NEVER);
  *high.mutable_start_timeout() = FromDuration(kSupervisionTimeoutMax);
  *high.mutable_liveness_timeout() = FromDuration(kSupervisionTimeoutMax);
  *high.mutable_orphan_timeout() = FromDuration(kTimeoutMax);
  high.set_compute_threads(kComputeThreadsMax);
  for (int i = 0; i < kTaskModulesMax; ++i) {
    high.mutable_task_modules()->add_paths("/" + std::string(kPathBytesMax - 1, 'p'));
  }
  *high.mutable_cancel_grace() = FromDuration(kSupervisionTimeoutMax);
  EXPECT_THAT(Check(high), IsEmpty());
}

TEST(SpecTest, DurationsThatAreNoneAreRefused) {
  for (const int64_t seconds :
       {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    v1::ServerSpec spec = DefaultSpec();
    spec.mutable_drain_timeout()->set_seconds(seconds);
    EXPECT_THAT(Check(spec), ElementsAre(HasSubstr("spec.drain_timeout is ")));
  }
  v1::ServerSpec spec = DefaultSpec();
  spec.mutable_drain_timeout()->set_nanos(1'000'000'000);
  EXPECT_THAT(Check(spec), ElementsAre(HasSubstr("spec.drain_timeout is ")));
}

TEST(SpecTest, WhatARequestLeavesOutStaysAndWhatItSetsReplaces) {
  v1::ServerSpec base = DefaultSpec();
  base.set_banner("hello");
  *base.mutable_frame_timeout() = FromDuration(absl::Milliseconds(1500));
  v1::ServerSpec request;
  request.set_workers(3);
  request.set_framing(v1::FRAMING_LENGTH);
  *request.mutable_frame_timeout() = FromDuration(absl::Seconds(2));

  v1::ServerSpec expected = base;
  expected.set_workers(3);
  expected.set_framing(v1::FRAMING_LENGTH);
  *expected.mutable_frame_timeout() = FromDuration(absl::Seconds(2));
  EXPECT_EQ(MergeSpec(base, request).SerializeAsString(), expected.SerializeAsString());
  EXPECT_EQ(MergeSpec(base, {}).SerializeAsString(), base.SerializeAsString());
}

TEST(SpecTest, FieldsWithPresenceCanBeSetToNothing) {
  v1::ServerSpec base = DefaultSpec();
  base.set_banner("hello");
  base.set_no_listen(true);
  base.mutable_task_modules()->add_paths("/a.so");
  v1::ServerSpec request;
  request.set_no_listen(false);
  request.mutable_task_modules();
  request.set_port(0);
  request.set_banner("");
  const v1::ServerSpec merged = MergeSpec(base, request);
  EXPECT_EQ(merged.port(), 0u);
  EXPECT_EQ(merged.banner(), "");
  EXPECT_FALSE(merged.no_listen());
  EXPECT_EQ(merged.task_modules().paths_size(), 0);
}

TEST(SpecTest, TaskModulesAreReplacedAsAWhole) {
  v1::ServerSpec base = DefaultSpec();
  base.mutable_task_modules()->add_paths("/a.so");
  v1::ServerSpec request;
  request.mutable_task_modules()->add_paths("/b.so");
  EXPECT_THAT(MergeSpec(base, request).task_modules().paths(), ElementsAre("/b.so"));
  EXPECT_THAT(MergeSpec(base, {}).task_modules().paths(), ElementsAre("/a.so"));
}

TEST(SpecTest, ADurationOfZeroIsLeftOut) {
  v1::ServerSpec request;
  request.mutable_frame_timeout();
  request.mutable_idle_timeout();
  request.mutable_retain_age();
  request.mutable_sync_interval();
  request.mutable_drain_timeout();
  EXPECT_EQ(MergeSpec(DefaultSpec(), request).SerializeAsString(),
            DefaultSpec().SerializeAsString());
}

TEST(SpecTest, BadNamesAndRequestIdsAreNamed) {
  for (const std::string& name : {std::string(), std::string("Web"), std::string("-x"),
                                  std::string("a/b"), std::string(64, 'n')}) {
    std::vector<rpc::FieldViolation> violations;
    CheckName(name, &violations);
    ASSERT_EQ(violations.size(), 1u) << name;
    EXPECT_EQ(violations[0].field, "name");
    EXPECT_THAT(violations[0].description, HasSubstr(name));
  }
  std::vector<rpc::FieldViolation> violations;
  CheckName(std::string(63, 'n'), &violations);
  CheckRequestId(std::string(128, 'r'), &violations);
  EXPECT_TRUE(violations.empty());
  CheckRequestId(std::string(129, 'r'), &violations);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "request_id");
  EXPECT_EQ(violations[0].description, "has 129 bytes; at most 128");
}

TEST(SpecTest, TimesSurviveTheirProtobufForm) {
  for (const absl::Duration duration : {absl::ZeroDuration(), absl::Nanoseconds(1),
                                        absl::Milliseconds(1500), -absl::Seconds(1.5)}) {
    EXPECT_EQ(ToDuration(FromDuration(duration)), duration);
  }
  const auto before_1970 = FromTime(absl::UnixEpoch() - absl::Milliseconds(250));
  EXPECT_EQ(before_1970.seconds(), -1);
  EXPECT_EQ(before_1970.nanos(), 750'000'000);
}

TEST(SpecTest, AnEmptyNameIsTheDefaultServer) {
  EXPECT_EQ(ServerNameOrDefault(""), "default");
  EXPECT_EQ(ServerNameOrDefault("web"), "web");
}

}  // namespace
}  // namespace center::coordinator

// An engine with tasks for tests, and results as plain values.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "services/common/clock.h"
#include "services/worker/compute/engine.h"

namespace center::compute {

// Far more than anything takes, on a loaded machine and with sanitizers.
inline constexpr absl::Duration kWaitLimit = absl::Seconds(60);

inline std::string ModulePath(const std::string& name) {
  return absl::StrCat(CENTER_TASK_MODULES, "/lib", name, ".so");
}

// The records, one by one.
inline std::vector<std::string> Unpack(const PackedRecords& packed) {
  std::vector<std::string> records;
  size_t at = 0;
  for (uint64_t i = 0; i < packed.count; ++i) {
    const size_t size = packed.uniform() ? packed.uniform_size : packed.sizes[i];
    records.push_back(packed.data.substr(at, size));
    at += size;
  }
  EXPECT_EQ(at, packed.data.size()) << "bytes that belong to no record";
  return records;
}

inline Inputs MakeRecords(const std::vector<std::string>& records) {
  struct Owned {
    std::vector<uint32_t> sizes;
    std::string data;
  };
  auto owned = std::make_shared<Owned>();
  for (const std::string& record : records) {
    owned->sizes.push_back(static_cast<uint32_t>(record.size()));
    owned->data += record;
  }
  const Inputs::Packed packed{.sizes = owned->sizes, .data = owned->data};
  auto inputs = Inputs::Records(packed, std::move(owned));
  EXPECT_TRUE(inputs.ok()) << inputs.status();
  return *std::move(inputs);
}

inline Chunk MakeChunk(const std::string& task, const std::vector<std::string>& inputs,
                       const std::vector<std::string>& args = {}) {
  Chunk chunk;
  chunk.id = 1;
  chunk.job = "j1";
  chunk.task = task;
  chunk.args = args;
  chunk.inputs = MakeRecords(inputs);
  return chunk;
}
inline Chunk MakeRangeChunk(const std::string& task, int64_t first, uint64_t count,
                            const std::vector<std::string>& args = {}) {
  Chunk chunk = MakeChunk(task, {}, args);
  chunk.inputs = *Inputs::Range(first, count);
  return chunk;
}

// A result that will come.
class Pending {
 public:
  Engine::Done Taker() {
    return [this](ChunkResult result) {
      result_ = std::move(result);
      done_.Notify();
    };
  }
  bool Wait() const { return done_.WaitForNotificationWithTimeout(kWaitLimit); }
  bool has_come() const { return done_.HasBeenNotified(); }
  const ChunkResult& result() const {
    EXPECT_TRUE(Wait()) << "the chunk was not answered";
    return result_;
  }

 private:
  ChunkResult result_;
  absl::Notification done_;
};

// Runs the chunk and waits for its result.
inline ChunkResult RunChunk(Engine& engine, Chunk chunk) {
  Pending pending;
  const auto ticket = engine.Submit(std::move(chunk), pending.Taker());
  EXPECT_TRUE(ticket.ok()) << ticket.status();
  return ticket.ok() ? pending.result() : ChunkResult();
}

// True as soon as `condition` holds.
inline bool Eventually(const std::function<bool()>& condition) {
  absl::Mutex mutex;
  const absl::Time deadline = absl::Now() + kWaitLimit;
  while (absl::Now() < deadline) {
    if (condition()) return true;
    absl::MutexLock lock(&mutex);
    bool never = false;
    mutex.AwaitWithTimeout(absl::Condition(&never), absl::Milliseconds(1));
  }
  return condition();
}

// A task that runs until it is let go, or told to stop.
class Gate {
 public:
  Gate() { Instance() = this; }
  ~Gate() { Instance() = nullptr; }

  static center_task Task() {
    return {"gate", "waits for the test", "", nullptr, nullptr, &Gate::Run, nullptr};
  }
  // A task that waits, whatever it is told.
  static center_task DeafTask() {
    return {"deaf", "waits for the test", "", nullptr, nullptr, &Gate::RunDeaf, nullptr};
  }
  void Open() { open_.store(true); }
  bool WaitForEntries(int count) {
    return Eventually([&] { return entries_.load() >= count; });
  }
  int entries() const { return entries_.load(); }

 private:
  static Gate*& Instance() {
    static Gate* instance = nullptr;
    return instance;
  }
  static int Run(void* /*state*/, center_call* call) { return Instance()->Enter(call, true); }
  static int RunDeaf(void* /*state*/, center_call* call) { return Instance()->Enter(call, false); }
  int Enter(center_call* call, bool heed) {
    ++entries_;
    Eventually([&] { return open_.load() || (heed && call->stopping(call) != 0); });
    if (!open_.load()) return 1;
    return call->append(call, "through", 7);
  }

  std::atomic<bool> open_{false};
  std::atomic<int> entries_{0};
};

}  // namespace center::compute

// What a process leaves behind when it dies, so that whoever finds it dead can say why: a block of
// shared memory (part of the scoreboard's file) that the process writes and its coordinator reads.
// It survives any death of the writer, also one that leaves it no time for a word.
//
// The writer clears it with Begin at its start, says what it is running as it goes, and ends with
// one of the three Ends. A process that is gone while its `end` is kNone was ended by SIGKILL:
// every other end passes through its handlers.
//
// All members are lock-free atomics: written from signal handlers, read by another process.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

#include "services/common/signal_sender.h"

namespace center {

struct alignas(64) FlightRecorder {
  static constexpr uint32_t kThreadsMax = 16;

  enum class End : uint32_t {
    kNone = 0,
    kExit = 1,    // end_value is the exit code
    kSignal = 2,  // end_value is the fatal signal
  };

  // What a compute thread is at. chunk 0: idle.
  struct Running {
    std::atomic<uint64_t> chunk;  // RunChunk.chunk_id
    std::atomic<uint64_t> input;  // index in the job
  };

  std::atomic<int32_t> pid;  // of the writer
  std::atomic<uint32_t> end;
  std::atomic<int32_t> end_value;
  // Who sent the signal that made it end (SIGTERM, SIGINT, or a fatal one that was sent). 0:
  // nobody.
  std::atomic<int32_t> sender_pid;
  std::atomic<uint32_t> sender_uid;
  Running running[kThreadsMax];
  // SignalSender.command, which outlives the sender here.
  std::atomic<uint64_t> sender_command[2];

  void Begin(int32_t its_pid) {
    end.store(static_cast<uint32_t>(End::kNone), std::memory_order_relaxed);
    end_value.store(0, std::memory_order_relaxed);
    sender_pid.store(0, std::memory_order_relaxed);
    sender_uid.store(0, std::memory_order_relaxed);
    for (std::atomic<uint64_t>& part : sender_command) part.store(0, std::memory_order_relaxed);
    for (Running& thread : running) {
      thread.chunk.store(0, std::memory_order_relaxed);
      thread.input.store(0, std::memory_order_relaxed);
    }
    pid.store(its_pid, std::memory_order_release);
  }

  // Async-signal-safe.
  void SetSender(const SignalSender& sender) {
    uint64_t parts[2];
    static_assert(sizeof parts == SignalSender::kCommandBytes);
    std::memcpy(parts, sender.command, sizeof parts);
    for (int i = 0; i < 2; ++i) sender_command[i].store(parts[i], std::memory_order_relaxed);
    sender_uid.store(sender.uid, std::memory_order_relaxed);
    sender_pid.store(sender.pid, std::memory_order_release);
  }
  SignalSender Sender() const {
    SignalSender sender;
    sender.pid = sender_pid.load(std::memory_order_acquire);
    sender.uid = sender_uid.load(std::memory_order_relaxed);
    uint64_t parts[2];
    for (int i = 0; i < 2; ++i) parts[i] = sender_command[i].load(std::memory_order_relaxed);
    std::memcpy(sender.command, parts, sizeof parts);
    // Written by another process, which may be of any mind.
    sender.command[SignalSender::kCommandBytes - 1] = '\0';
    return sender;
  }

  // Async-signal-safe.
  void Finish(End how, int32_t value) {
    end_value.store(value, std::memory_order_relaxed);
    end.store(static_cast<uint32_t>(how), std::memory_order_release);
  }
};

static_assert(std::atomic<uint64_t>::is_always_lock_free, "locks do not work across processes");

}  // namespace center

// What a worker's engine costs per input, in one process: no gRPC, no coordinator.
//
//   engine_bench [--benchmark_filter=…]
//
// items_per_second is of inputs; the column CPU is of the process, for a machine that does other
// things as well. "OneByOne" and "Many" are the same task by center_task.run and by run_many.
#include <signal.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "benchmark/benchmark.h"
#include "services/common/clock.h"
#include "services/worker/compute/engine.h"

namespace center::compute {
namespace {

int NothingOneByOne(void* /*state*/, center_call* call) { return call->append(call, "0", 1); }
int NothingMany(void* /*state*/, center_call* call) {
  while (call->next(call) != 0) call->append(call, "0", 1);
  return 0;
}

class Harness {
 public:
  Harness() : tasks_(TaskRegistry::WithBuiltIns()) {
    tasks_.Add({"one-by-one", "", "", nullptr, nullptr, &NothingOneByOne, nullptr}).IgnoreError();
    tasks_.Add({"many", "", "", nullptr, nullptr, nullptr, &NothingMany}).IgnoreError();
    engine_ = std::make_unique<Engine>(Engine::Options{.nice = 0}, tasks_, nullptr, RealClock());
  }
  // Runs the chunk to its end. False: something has failed.
  bool Run(const std::string& task, const Inputs& inputs, std::vector<std::string> args) {
    Chunk chunk;
    chunk.id = 1;
    chunk.task = task;
    chunk.args = std::move(args);
    chunk.inputs = inputs;
    absl::Notification done;
    bool good = false;
    const auto ticket = engine_->Submit(std::move(chunk), [&](ChunkResult result) {
      good = result.failures.empty() && result.results.count == inputs.count();
      done.Notify();
    });
    if (!ticket.ok()) return false;
    done.WaitForNotification();
    return good;
  }

 private:
  TaskRegistry tasks_;
  std::unique_ptr<Engine> engine_;
};

Inputs Records(uint32_t size, uint64_t count) {
  auto data = std::make_shared<std::string>(size * count, 'x');
  const Inputs::Packed packed{.data = *data, .uniform_size = size, .count = count};
  return *Inputs::Records(packed, std::move(data));
}

void RunChunks(benchmark::State& state, const std::string& task, const Inputs& inputs,
               std::vector<std::string> args = {}) {
  Harness harness;
  for (auto _ : state) {
    if (!harness.Run(task, inputs, args)) state.SkipWithError("an input has failed");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(inputs.count()));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(inputs.bytes()));
}

void BM_RangeOneByOne(benchmark::State& state) {
  RunChunks(state, "one-by-one", *Inputs::Range(0, 1'000'000));
}
void BM_RangeMany(benchmark::State& state) {
  RunChunks(state, "many", *Inputs::Range(0, 1'000'000));
}
void BM_RangeCountdown0(benchmark::State& state) {
  RunChunks(state, "countdown", *Inputs::Range(0, 1'000'000), {"0"});
}
void BM_RangeEcho(benchmark::State& state) {
  RunChunks(state, "echo", *Inputs::Range(0, 1'000'000));
}
void BM_Echo100Bytes(benchmark::State& state) { RunChunks(state, "echo", Records(100, 100'000)); }
void BM_Sha256(benchmark::State& state) {
  const auto size = static_cast<uint32_t>(state.range(0));
  RunChunks(state, "sha256", Records(size, (16 << 20) / size));
}
void BM_ExperimentCountdown(benchmark::State& state) {
  RunChunks(state, "countdown", *Inputs::Range(0, 1000), {"10000"});
}
void BM_ChunkOfOne(benchmark::State& state) { RunChunks(state, "echo", Records(100, 1)); }
void BM_ExecTrue(benchmark::State& state) { RunChunks(state, "exec", Records(1, 20), {"true"}); }

BENCHMARK(BM_RangeOneByOne)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_RangeMany)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_RangeCountdown0)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_RangeEcho)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_Echo100Bytes)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_Sha256)->Arg(100)->Arg(4096)->Arg(1 << 20)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_ExperimentCountdown)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_ChunkOfOne)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(BM_ExecTrue)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace
}  // namespace center::compute

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // as the worker does
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

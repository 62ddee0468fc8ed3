// How fast ingest is on one core: the framers alone, framers with the encoding of batches, and the
// whole server from loopback sockets into a journal that only counts.
//
//   build/bin/ingest_bench [--benchmark_filter=…]
//
// items_per_second is payloads per second. The bench makes no claim about a machine: compare ratios
// of one run.
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "benchmark/benchmark.h"
#include "services/common/net_address.h"
#include "services/worker/ingest/batch_group.h"
#include "services/worker/ingest/framer.h"
#include "services/worker/ingest/ingest_server.h"

namespace center::ingest {
namespace {

constexpr size_t kReadBytes = 256 << 10;

// A read's worth of whole frames with payloads of `size` bytes.
std::string MakeStream(Framing framing, size_t size) {
  const std::string payload(size, 'x');
  std::string frame;
  if (framing == Framing::kLine) frame = payload + "\n";
  if (framing == Framing::kOctet) frame = absl::StrCat(size, " ", payload);
  if (framing == Framing::kLength) {
    for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(size >> shift));
    frame += payload;
  }
  std::string stream;
  while (stream.size() + frame.size() <= kReadBytes || stream.empty()) stream += frame;
  return stream;
}

// Copies the stream into the buffer as recv would, and scans it.
void BM_Framer(benchmark::State& state) {
  const auto framing = static_cast<Framing>(state.range(0));
  const std::string stream = MakeStream(framing, static_cast<size_t>(state.range(1)));
  std::vector<char> buffer(stream.size());
  std::vector<uint32_t> sizes(kBatchPayloadsMax);
  Framer framer(framing, 1 << 20);
  size_t payloads = 0;
  for (auto _ : state) {
    std::memcpy(buffer.data(), stream.data(), stream.size());
    char* at = buffer.data();
    ScanResult result;
    do {
      result = framer.Scan(at, static_cast<size_t>(buffer.data() + buffer.size() - at),
                           {sizes, kBatchBytesMax});
      at += result.consumed;
      payloads += result.count;
    } while (result.limited);
  }
  state.SetItemsProcessed(static_cast<int64_t>(payloads));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * stream.size()));
  state.SetLabel(std::string(FramingName(framing)));
}
BENCHMARK(BM_Framer)->ArgsProduct({{static_cast<int64_t>(Framing::kLine),
                                    static_cast<int64_t>(Framing::kLength),
                                    static_cast<int64_t>(Framing::kOctet)},
                                   {10, 100, 1024, 65536}});

// The same with everything up to the append: batches encoded, four reads to a group.
void BM_FramerIntoGroup(benchmark::State& state) {
  const std::string stream = MakeStream(Framing::kLine, static_cast<size_t>(state.range(0)));
  uint64_t offset = 0;
  const JournalPort port{.next_offset = [&] { return offset; },
                         .append =
                             [&](absl::Span<const EncodedBatch> batches) {
                               for (const EncodedBatch& batch : batches) offset += batch.count;
                               return absl::OkStatus();
                             }};
  BatchGroup group("default/0", 2 * kReadBytes, &port);
  std::vector<uint32_t> sizes(kBatchPayloadsMax);
  Framer framer(Framing::kLine, 1 << 20);
  for (auto _ : state) {
    for (int read = 0; read < 4; ++read) {
      char* at = group.tail();
      char* const end = at + stream.size();
      std::memcpy(at, stream.data(), stream.size());
      const char* packed = at;
      ScanResult result;
      do {
        result = framer.Scan(at, static_cast<size_t>(end - at), {sizes, kBatchBytesMax});
        if (result.count > 0) {
          group.Add({.peer = "127.0.0.1:12345", .receive_time_ns = 1'700'000'000'123'456'789},
                    {at, result.data_bytes}, {sizes.data(), result.count});
        }
        packed = at + result.data_bytes;
        at += result.consumed;
      } while (result.limited);
      group.AdvanceTail(packed);
    }
    if (!group.Flush().ok()) state.SkipWithError("flush failed");
  }
  state.SetItemsProcessed(static_cast<int64_t>(offset));
}
BENCHMARK(BM_FramerIntoGroup)->Arg(10)->Arg(100)->Arg(1024)->Arg(65536);

// Producers that send the same lines over and over until they are told to stop.
class Producers {
 public:
  Producers(uint16_t port, int count, const std::string& stream) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this, port, &stream] {
        auto fd = ConnectTcp("127.0.0.1", port);
        while (fd.ok() && !stop_ &&
               ::send(fd->get(), stream.data(), stream.size(), MSG_NOSIGNAL) > 0) {
        }
      });
    }
  }
  ~Producers() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

// From loopback sockets: the producers share the machine, so this is a lower bound.
void BM_Server(benchmark::State& state) {
  const std::string stream = MakeStream(Framing::kLine, static_cast<size_t>(state.range(0)));
  asio::io_context io;
  uint64_t offset = 0;
  uint64_t appends = 0;
  JournalPort port{.next_offset = [&] { return offset; },
                   .append =
                       [&](absl::Span<const EncodedBatch> batches) {
                         for (const EncodedBatch& batch : batches) offset += batch.count;
                         ++appends;
                         return absl::OkStatus();
                       }};
  auto listener = ListenTcp("127.0.0.1", 0, 64);
  const auto tcp_port = listener.ok() ? LocalPort(listener->get()) : listener.status();
  if (!tcp_port.ok()) return state.SkipWithError("cannot listen");
  auto server = IngestServer::Create(io, {.worker_name = "default/0"}, std::move(*listener),
                                     nullptr, port, RealClock(), nullptr);
  if (!server.ok()) return state.SkipWithError("cannot create the server");
  (*server)->Start();
  auto producers = std::make_unique<Producers>(*tcp_port, static_cast<int>(state.range(1)), stream);
  for (auto _ : state) {
    const uint64_t target = offset + 1'000'000;
    while (offset < target) io.run_one();
  }
  state.SetItemsProcessed(static_cast<int64_t>(offset));
  state.counters["payloads_per_append"] =
      appends == 0 ? 0.0 : static_cast<double>(offset) / static_cast<double>(appends);
  (*server)->StopNow();  // ends the producers' sends
  producers.reset();
}
BENCHMARK(BM_Server)->Args({100, 1})->Args({100, 4})->Args({100, 64})->MinTime(2)->UseRealTime();

}  // namespace
}  // namespace center::ingest

BENCHMARK_MAIN();

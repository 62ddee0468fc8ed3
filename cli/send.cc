// `send TARGET [FILE]`: a file or stdin, over TCP, to a server.
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "cli/block_reader.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/progress.h"
#include "cli/tcp.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr uint32_t kSendConnectionsMax = 10'000;

struct SendFlags {
  std::string target;
  std::string file = "-";
  std::string framing;
  uint32_t connections = 1;
};

struct Totals {
  std::atomic<uint64_t> payloads{0};
  std::atomic<uint64_t> bytes{0};     // of the input
  std::atomic<uint32_t> finished{0};  // connections
};

// Frames each line of the block as a payload of its own.
void FrameLines(v1::Framing framing, absl::string_view block, std::string* out) {
  out->clear();
  while (!block.empty()) {
    const size_t end = block.find('\n');
    AppendFrame(ToFraming(framing), block.substr(0, end), out);
    if (end == absl::string_view::npos) return;
    block.remove_prefix(end + 1);
  }
}

// Sends blocks over one connection until there are no more.
absl::Status SendBlocks(BlockReader& reader, int fd, v1::Framing framing, const Target& target,
                        absl::Duration timeout, Totals& totals) {
  std::string block;
  std::string framed;
  for (;;) {
    ASSIGN_OR_RETURN(const uint64_t lines, reader.Next(&block));
    if (block.empty()) break;
    absl::string_view data = block;
    if (framing == v1::FRAMING_LENGTH || framing == v1::FRAMING_OCTET) {
      FrameLines(framing, block, &framed);
      data = framed;
    }
    RETURN_IF_ERROR(SendAll(fd, data, target));
    totals.payloads += lines;
    totals.bytes += block.size();
  }
  return FinishSending(fd, timeout, target);
}

v1::Framing FramingOf(const SendFlags& flags, const Target& target) {
  if (flags.framing == "length") return v1::FRAMING_LENGTH;
  if (flags.framing == "octet") return v1::FRAMING_OCTET;
  if (flags.framing == "chunk") return v1::FRAMING_CHUNK;
  if (flags.framing.empty() && target.server.has_value()) return target.server->spec().framing();
  return v1::FRAMING_LINE;
}

absl::Status PrintTotals(Context& context, const Totals& totals, v1::Framing framing,
                         uint32_t connections, double seconds) {
  const double rate_divisor = std::max(seconds, 1e-9);
  const bool counted = framing != v1::FRAMING_CHUNK;
  if (context.globals().format == Format::kJson) {
    context.out().Append(absl::StrFormat(
        "{\"payloads\": %s, \"bytes\": \"%d\", \"connections\": %d, \"seconds\": %.6f}\n",
        counted ? absl::StrCat("\"", totals.payloads.load(), "\"") : "null", totals.bytes.load(),
        connections, seconds));
    return context.out().Flush();
  }
  const std::string what = counted ? absl::StrCat(FormatCount(totals.payloads),
                                                  totals.payloads == 1 ? " payload" : " payloads",
                                                  " (", FormatBytes(totals.bytes), ")")
                                   : FormatBytes(totals.bytes);
  context.Say(absl::StrCat(
      "sent ", what, " in ", FormatShortDuration(absl::Seconds(seconds)), " over ", connections,
      connections == 1 ? " connection: " : " connections: ",
      counted ? absl::StrCat(FormatSi(static_cast<double>(totals.payloads) / rate_divisor),
                             " payloads/s, ")
              : "",
      FormatBytes(static_cast<uint64_t>(static_cast<double>(totals.bytes) / rate_divisor)), "/s"));
  return absl::OkStatus();
}

// One thread a connection; this one draws the progress bar.
absl::Status SendOver(Context& context, const std::vector<ScopedFd>& fds, BlockReader& reader,
                      v1::Framing framing, const Target& target, uint64_t total_bytes,
                      Totals& totals) {
  absl::Mutex mutex;
  absl::Status result;
  std::vector<std::thread> threads;
  threads.reserve(fds.size());
  for (const ScopedFd& fd : fds) {
    threads.emplace_back([&, connection = fd.get()] {
      const absl::Status status =
          SendBlocks(reader, connection, framing, target, context.globals().timeout, totals);
      if (!status.ok()) reader.Stop();
      absl::MutexLock lock(&mutex);
      result.Update(status);
      ++totals.finished;
    });
  }
  {
    ProgressBar bar(context, total_bytes);
    const auto done = [&] { return totals.finished == fds.size(); };
    absl::MutexLock lock(&mutex);
    while (!mutex.AwaitWithTimeout(absl::Condition(&done), absl::Milliseconds(100))) {
      bar.Update(totals.bytes);
    }
  }
  for (std::thread& thread : threads) thread.join();
  return result;
}

absl::Status Send(Context& context, const SendFlags& flags) {
  RETURN_IF_ERROR(RequireFormat(context, {Format::kJson}));
  ASSIGN_OR_RETURN(const Target target, ResolveTarget(context, flags.target));
  const v1::Framing framing = FramingOf(flags, target);
  ScopedFd file;
  int in_fd = context.dependencies().in_fd;
  if (flags.file != "-") {
    file = ScopedFd(::open(flags.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return ErrnoStatus(errno, absl::StrCat("open ", flags.file));
    in_fd = file.get();
  }
  struct stat info{};
  const bool regular = ::fstat(in_fd, &info) == 0 && S_ISREG(info.st_mode);
  const uint64_t total_bytes = regular ? static_cast<uint64_t>(info.st_size) : 0;
  std::vector<ScopedFd> fds;
  for (uint32_t i = 0; i < flags.connections; ++i) {
    ASSIGN_OR_RETURN(ScopedFd fd, ConnectToTarget(target));
    fds.push_back(std::move(fd));
  }
  BlockReader reader(in_fd, /*lines=*/framing != v1::FRAMING_CHUNK);
  Totals totals;
  const SteadyTime start = context.clock().Steady();
  absl::Status sent = SendOver(context, fds, reader, framing, target, total_bytes, totals);
  const double seconds = std::chrono::duration<double>(context.clock().Steady() - start).count();
  if (!sent.ok()) {
    context.Warn(
        absl::StrCat("centerctl: ", FormatBytes(totals.bytes),
                     " were sent before it failed; how much of it was received is unknown"));
    return sent;
  }
  return PrintTotals(context, totals, framing, flags.connections, seconds);
}

}  // namespace

void AddSendCommand(CLI::App& root, Selection& selection) {
  CLI::App* send = root.add_subcommand("send", "Send a file or stdin to a server over TCP");
  auto flags = std::make_shared<SendFlags>();
  send->add_option("TARGET", flags->target, "host:port, or the name of a server")
      ->type_name("TARGET")
      ->required();
  send->add_option("FILE", flags->file, "What to send; - or nothing: stdin")->type_name("FILE");
  AddChoice(*send, "--framing", &flags->framing, {"line", "length", "octet", "chunk"},
            "How payloads are delimited (default: as the named server wants it, else line)");
  send->add_option("--connections", flags->connections,
                   "Send over so many at once; the order between them is lost (default 1)")
      ->type_name("N")
      ->check(WholeNumber(1, kSendConnectionsMax));
  send->footer(
      "Each line of the input becomes a payload; with --framing chunk the bytes go as they are.\n"
      "It returns when the server has read everything.\n"
      "\n"
      "Examples:\n"
      "  centerctl send default access.log\n"
      "  my-producer | centerctl send 127.0.0.1:5000");
  OnSelected(send, selection, [flags](Context& context) { return Send(context, *flags); });
}

}  // namespace center::cli

#include "services/client/api/flags.h"

#include <functional>
#include <iostream>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/client/load/pacer.h"
#include "services/common/rpc/tls_flags.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::client {
namespace {

constexpr int kExitUsage = 2;
constexpr uint64_t kPayloadBytesMax = 64 << 20;
constexpr uint32_t kMixWeightMax = 1000;

// The one way to tell CLI11 about a mistake is an exception, which it catches itself.
template <typename Parse>
CLI::Option* AddParsed(CLI::App& app, const std::string& name, const std::string& help,
                       const std::string& default_text, Parse parse) {
  return app
      .add_option_function<std::string>(
          name,
          [name, parse = std::move(parse)](const std::string& text) {
            const absl::Status status = parse(text);
            if (!status.ok()) throw CLI::ValidationError(name, std::string(status.message()));
          },
          help)
      ->default_str(default_text);
}

template <typename T>
std::function<absl::Status(const std::string&)> Into(
    T* value, std::function<absl::StatusOr<T>(const std::string&)> parse) {
  return [value, parse = std::move(parse)](const std::string& text) {
    ASSIGN_OR_RETURN(*value, parse(text));
    return absl::OkStatus();
  };
}

std::function<absl::Status(const std::string&)> IntoDuration(SteadyDuration* value) {
  return [value](const std::string& text) {
    ASSIGN_OR_RETURN(const absl::Duration duration, ParseDurationFlag(text));
    *value = absl::ToChronoNanoseconds(duration);
    return absl::OkStatus();
  };
}

absl::Status ParseRate(const std::string& text, LoadOptions* load) {
  if (text == "max") {
    load->pace = PaceKind::kUnlimited;
    return absl::OkStatus();
  }
  if (!absl::SimpleAtod(text, &load->rate) || !(load->rate > 0) || load->rate > Pacer::kRateMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "': use payloads a second (more than 0, at most ",
                     FormatSi(Pacer::kRateMax), "), or max"));
  }
  load->pace = PaceKind::kRate;
  return absl::OkStatus();
}

void AddLoadFlags(CLI::App& app, LoadOptions* load) {
  app.add_option("--connections", load->connections, "TCP connections")
      ->check(CLI::Range(1U, kConnectionsMax))
      ->capture_default_str();
  auto* interval = AddParsed(app, "--interval", "Each connection sends one payload every so often",
                             "5s", IntoDuration(&load->interval));
  AddParsed(app, "--rate", "Payloads a second of all connections together; max: as many as go", "",
            [load](const std::string& text) { return ParseRate(text, load); })
      ->excludes(interval);
  app.add_option("--count", load->count, "Payloads in all, then end; 0: no end")
      ->capture_default_str();
  AddParsed(app, "--payload-bytes", "Pad payloads to this size", "0",
            [load](const std::string& text) {
              ASSIGN_OR_RETURN(load->payloads.payload_bytes, ParseByteSize(text));
              if (load->payloads.payload_bytes <= kPayloadBytesMax) return absl::OkStatus();
              return absl::InvalidArgumentError(
                  absl::StrCat("at most ", FormatByteSize(kPayloadBytesMax)));
            });
  AddParsed(app, "--mix", "What is sent in turn: json=N,string=M", "json=1,string=1",
            [load](const std::string& text) { return ParseMix(text, &load->payloads); });
  AddParsed(app, "--framing", "How payloads are framed: line, length, octet or chunk", "line",
            Into<Framing>(&load->target.framing,
                          [](const std::string& text) { return ParseFraming(text); }));
  AddParsed(app, "--drain-timeout", "How long the end of the connections may take", "10s",
            IntoDuration(&load->drain_timeout));
}

}  // namespace

absl::Status ParseMix(absl::string_view text, PayloadOptions* options) {
  uint32_t json = 0;
  uint32_t string = 0;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(part, '=');
    uint32_t* weight = pair.first == "json" ? &json : pair.first == "string" ? &string : nullptr;
    if (weight == nullptr || !absl::SimpleAtoi(pair.second, weight) || *weight > kMixWeightMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", part, "': use json=N and string=N with N up to ", kMixWeightMax));
    }
  }
  if (json == 0 && string == 0) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "': nothing would be sent"));
  }
  options->json = json;
  options->text = string;
  return absl::OkStatus();
}

ParsedFlags ParseFlags(int argc, const char* const* argv) {
  Flags flags;
  CLI::App app(
      "center-client: connects to a TCP server and sends payloads.\n"
      "Usually started by center-coordinator (centerctl client start).");
  app.get_formatter()->column_width(36);
  app.set_version_flag("--version", "center-client " CENTER_VERSION);
  app.add_option("--name", flags.name, "This process: CLIENT/NUMBER")->capture_default_str();
  AddParsed(app, "--to", "Where to send: host:port", "", [&flags](const std::string& text) {
    ASSIGN_OR_RETURN(const NetAddress to, ParseNetAddress(text));
    if (to.is_unix || to.port == 0) {
      return absl::InvalidArgumentError(absl::StrCat("'", text, "': use host:port"));
    }
    flags.load.target.host = to.host;
    flags.load.target.port = to.port;
    return absl::OkStatus();
  })->required();
  AddParsed(app, "--coordinator", "Where to report: unix:/path or host:port", "",
            [&flags](const std::string& text) {
              ASSIGN_OR_RETURN(flags.coordinator, ParseNetAddress(text));
              return absl::OkStatus();
            });
  AddParsed(app, "--orphan-timeout", "End after so long without a coordinator; 0s: never", "0s",
            IntoDuration(&flags.orphan_timeout));
  rpc::AddTlsFlags(app, &flags.tls);
  AddLoadFlags(app, &flags.load);
  app.add_option("--log-format", flags.log.format, "text or json")->capture_default_str();
  app.add_option("--log-level", flags.log.level, "trace, debug, info, warning, error or off")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (flags.load.interval < std::chrono::microseconds(1)) {
    std::cerr << "--interval: at least 1us; --rate max sends without pause\n";
    return kExitUsage;
  }
  flags.log.name = flags.name;
  return flags;
}

}  // namespace center::client

#include "cli/client_flags.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/flags.h"
#include "cli/views.h"
#include "services/common/config/client_spec.h"
#include "services/common/net_address.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

using ClientSpecPtr = std::shared_ptr<v1::ClientSpec>;

// Values that the user wrote, until the spec takes them over.
struct ClientWords {
  std::string framing;
  uint64_t bytes = 0;
  absl::Duration interval, drain_timeout, orphan_timeout;
};

std::string CheckTarget(const std::string& text) {
  const auto address = ParseNetAddress(text);
  if (!address.ok()) return std::string(address.status().message());
  if (address->is_unix || address->port == 0) {
    return absl::StrCat("\"", text, "\" is not HOST:PORT");
  }
  return "";
}

std::string CheckRate(const std::string& text) {
  double rate = 0;
  // Not a number is neither.
  if (absl::SimpleAtod(text, &rate) && rate > 0 && rate <= kRateMax) return "";
  return absl::StrCat("\"", text, "\" is no number of payloads a second, more than 0 and at most ",
                      FormatSi(kRateMax));
}

void AddTargetFlags(CLI::App& app, const ClientSpecPtr& spec) {
  CLI::Option* server =
      app.add_option_function<std::string>(
             "--server", [spec](const std::string& name) { spec->set_server(name); },
             "The server to send to (default: \"default\")")
          ->type_name("SERVER");
  app.add_option_function<std::string>(
         "--to", [spec](const std::string& address) { spec->set_address(address); },
         "Send to this address instead, whoever listens there")
      ->type_name("HOST:PORT")
      ->check(CheckTarget, "")
      ->excludes(server);
}

void AddPaceFlags(CLI::App& app, const ClientSpecPtr& spec,
                  const std::shared_ptr<ClientWords>& words) {
  CLI::Option* interval =
      AddDuration(app, "--interval", &words->interval,
                  "Every connection sends one payload every so often (default 5s)")
          ->check(
              [words](const std::string&) {
                return words->interval >= kIntervalMin
                           ? std::string()
                           : std::string("must be at least 1us; --unlimited sends without pause");
              },
              "")
          ->each([spec, words](const std::string&) {
            *spec->mutable_pace()->mutable_interval() = ToProto(words->interval);
          });
  CLI::Option* rate =
      app.add_option_function<std::string>(
             "--rate",
             [spec](const std::string& text) {
               double value = 0;
               if (absl::SimpleAtod(text, &value)) spec->mutable_pace()->set_rate(value);
             },
             "Payloads a second of each process, over all its connections; 0.1 is one in 10 s")
          ->type_name("RATE")
          ->check(CheckRate, "")
          ->excludes(interval);
  app.add_flag_callback(
         "--unlimited", [spec] { spec->mutable_pace()->set_unlimited(true); },
         "As fast as the server takes them")
      ->excludes(interval)
      ->excludes(rate);
}

}  // namespace

void AddClientFlags(CLI::App& app, const ClientSpecPtr& spec) {
  auto words = std::make_shared<ClientWords>();
  AddTargetFlags(app, spec);
  app.add_option_function<uint32_t>(
         "--processes", [spec](const uint32_t& n) { spec->set_processes(n); },
         "Processes, 1 to 64 (default 1)")
      ->type_name("N")
      ->check(WholeNumber(1, kProcessesPerClientMax));
  app.add_option_function<uint32_t>(
         "--connections", [spec](const uint32_t& n) { spec->set_connections(n); },
         "Connections of each process, 1 to 10000 (default 1)")
      ->type_name("N")
      ->check(WholeNumber(1, kConnectionsPerProcessMax));
  AddPaceFlags(app, spec, words);
  AddByteSize(app, "--payload-bytes", &words->bytes,
              "Pad payloads to this size (default: as they come; at most 64MiB)")
      ->each([spec, words](const std::string&) { spec->set_payload_bytes(words->bytes); });
  app.add_option_function<std::string>(
         "--mix",
         [spec](const std::string& text) { ParseMix(text, spec->mutable_mix()).IgnoreError(); },
         "What is sent in turn: so many JSON payloads, then so many of text (default "
         "json=1,string=1)")
      ->type_name("json=N,string=N")
      ->check(
          [](const std::string& text) {
            v1::Mix ignored;
            return std::string(ParseMix(text, &ignored).message());
          },
          "");
  app.add_option_function<uint64_t>(
         "--count", [spec](const uint64_t& n) { spec->set_count(n); },
         "Payloads of each process, after which it ends (default: no end)")
      ->type_name("N")
      ->check(WholeNumber(1));
  AddChoice(app, "--framing", &words->framing, {"line", "length", "octet", "chunk"},
            "How payloads are framed (default: as the server wants it; line with --to)");
  AddDuration(app, "--drain-timeout", &words->drain_timeout,
              "How long the end of the connections may take at a stop (default 10s)")
      ->each([spec, words](const std::string&) {
        *spec->mutable_drain_timeout() = ToProto(words->drain_timeout);
      });
  AddDuration(app, "--orphan-timeout", &words->orphan_timeout,
              "Its processes end when they have had no coordinator for so long (default 0s: never)")
      ->each([spec, words](const std::string&) {
        *spec->mutable_orphan_timeout() = ToProto(words->orphan_timeout);
      });
  app.parse_complete_callback([spec, words] {
    // The word was checked against the choices, so it is known.
    v1::Framing framing;
    if (v1::Framing_Parse(absl::StrCat("FRAMING_", absl::AsciiStrToUpper(words->framing)),
                          &framing)) {
      spec->set_framing(framing);
    }
  });
}

}  // namespace center::cli

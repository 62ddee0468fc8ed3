#include "services/common/text.h"

#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace center {
namespace {

constexpr std::array<absl::string_view, 7> kBinaryUnits = {"B",   "KiB", "MiB", "GiB",
                                                           "TiB", "PiB", "EiB"};

// Three significant digits, never an exponent: 1.50, 64.0, 999.
std::string ThreeDigits(double value) {
  if (value < 9.995) return absl::StrFormat("%.2f", value);
  if (value < 99.95) return absl::StrFormat("%.1f", value);
  return absl::StrFormat("%.0f", value);
}

// At most one decimal, and none when it would be 0: "1.5", "10".
std::string Short(double value) {
  const double tenths = std::round(value * 10);
  return std::fmod(tenths, 10) == 0 ? absl::StrFormat("%.0f", tenths / 10)
                                    : absl::StrFormat("%.1f", tenths / 10);
}

// The larger unit always, the smaller one when it is not zero.
std::string TwoUnits(int64_t seconds) {
  struct Unit {
    int64_t seconds;
    const char* name;
  };
  constexpr Unit kUnits[] = {{86'400, "d"}, {3'600, "h"}, {60, "m"}, {1, "s"}};
  for (size_t i = 0; i + 1 < std::size(kUnits); ++i) {
    if (seconds < kUnits[i].seconds) continue;
    std::string text = absl::StrCat(seconds / kUnits[i].seconds, kUnits[i].name);
    const int64_t rest = seconds % kUnits[i].seconds / kUnits[i + 1].seconds;
    if (rest > 0) absl::StrAppend(&text, rest, kUnits[i + 1].name);
    return text;
  }
  return absl::StrCat(seconds, "s");
}

// 0 for a unit that is not known.
double UnitFactor(absl::string_view unit) {
  static constexpr std::pair<absl::string_view, double> kUnits[] = {
      {"", 1},       {"b", 1},        {"k", 0x1p10},   {"m", 0x1p20},   {"g", 0x1p30},
      {"t", 0x1p40}, {"kib", 0x1p10}, {"mib", 0x1p20}, {"gib", 0x1p30}, {"tib", 0x1p40},
      {"kb", 1e3},   {"mb", 1e6},     {"gb", 1e9},     {"tb", 1e12}};
  for (const auto& [name, factor] : kUnits) {
    if (absl::AsciiStrToLower(unit) == name) return factor;
  }
  return 0;
}

}  // namespace

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  // 999.5 rather than 1024 keeps it at three digits.
  while (value >= 999.5 && unit + 1 < kBinaryUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return absl::StrCat(ThreeDigits(value), " ", kBinaryUnits[unit]);
}

std::string FormatByteSize(uint64_t bytes) {
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kBinaryUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrCat(bytes, kBinaryUnits[unit]);
}

std::string FormatCount(uint64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string FormatSi(double value) {
  constexpr const char* kUnits[] = {"", " k", " M", " G", " T"};
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return absl::StrCat(std::llround(value));
  return absl::StrCat(ThreeDigits(value), kUnits[unit]);
}

std::string FormatShortDuration(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) return absl::StrCat("-", FormatShortDuration(-duration));
  if (duration == absl::InfiniteDuration()) return "inf";
  const double seconds = absl::ToDoubleSeconds(duration);
  if (duration == absl::ZeroDuration()) return "0s";
  if (seconds < 0.9995e-6) return absl::StrCat(absl::ToInt64Nanoseconds(duration), "ns");
  if (seconds < 0.99995e-3) return absl::StrCat(Short(seconds * 1e6), "us");
  if (seconds < 0.99995) return absl::StrCat(Short(seconds * 1e3), "ms");
  if (seconds < 59.95) return absl::StrCat(Short(seconds), "s");
  return TwoUnits(std::llround(seconds));
}

std::string FormatAge(absl::Duration age) {
  if (age < absl::ZeroDuration()) age = absl::ZeroDuration();
  return TwoUnits(absl::ToInt64Seconds(age));
}

absl::StatusOr<uint64_t> ParseByteSize(absl::string_view text) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  size_t digits = 0;
  while (digits < trimmed.size() &&
         (absl::ascii_isdigit(trimmed[digits]) || trimmed[digits] == '.')) {
    ++digits;
  }
  const absl::string_view number = trimmed.substr(0, digits);
  const double factor = UnitFactor(absl::StripLeadingAsciiWhitespace(trimmed.substr(digits)));
  const auto wrong = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is no size: write bytes (1048576) or a unit (64KiB, 64MiB, 1GiB)"));
  };
  if (number.empty() || factor == 0) return wrong();
  uint64_t whole = 0;
  if (factor == 1) {
    if (!absl::SimpleAtoi(number, &whole)) return wrong();
    return whole;
  }
  double value = 0;
  if (!absl::SimpleAtod(number, &value)) return wrong();
  const double bytes = value * factor;
  if (bytes >= 0x1p64) return wrong();
  return static_cast<uint64_t>(bytes);  // towards zero
}

absl::StatusOr<absl::Duration> ParseDurationFlag(absl::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(std::string(text), &duration)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is no duration: write a number with its unit (250ms, 30s, 1m30s, 2h)"));
  }
  if (duration < absl::ZeroDuration() || duration == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" must be zero or more, and finite"));
  }
  return duration;
}

absl::Status ValidateName(absl::string_view what, absl::string_view name) {
  const auto wrong = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(what, " \"", name, "\" ", why));
  };
  if (name.empty()) return absl::InvalidArgumentError(absl::StrCat(what, " is empty"));
  if (name.size() > kMaxNameBytes) return wrong("is longer than 63 characters");
  if (!absl::ascii_islower(name[0])) return wrong("must begin with a letter a-z");
  for (const char c : name) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '-') {
      return wrong("may only have a-z, 0-9 and -");
    }
  }
  return absl::OkStatus();
}

}  // namespace center

// Numbers, sizes and times as people write and read them, and the one rule for names. Shared by the
// programs that take such text in flags and print it in tables and messages.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace center {

// The longest name of a server or subscription.
inline constexpr size_t kMaxNameBytes = 63;

// Binary units, three significant digits: "0 B", "999 B", "1.50 KiB", "64.0 MiB", "1.00 GiB".
std::string FormatBytes(uint64_t bytes);

// A byte count as a flag would say it: the largest binary unit that divides it: "64MiB", "1000B".
std::string FormatByteSize(uint64_t bytes);

// Digits in groups of three: "1,234,567".
std::string FormatCount(uint64_t count);

// Decimal units, three significant digits, for rates: "950", "12.3 k", "5.31 M", "1.02 G".
std::string FormatSi(double value);

// Two units at most, without a space: "0s", "350us", "1.5ms", "12.3s", "2m30s", "3h5m", "4d2h".
// "inf" for an infinite duration. (Not named FormatDuration: absl has one, found by argument
// lookup.)
std::string FormatShortDuration(absl::Duration duration);

// How long ago, in whole seconds or larger: "0s", "45s", "3m12s", "5h3m", "12d4h". Never negative:
// clocks of two machines differ.
std::string FormatAge(absl::Duration age);

// "1048576", "64KiB", "64 MiB", "1.5GiB", "10MB" (decimal), "512B", "64k"/"64M"/"64G" (binary, as
// most tools take them); case does not matter. InvalidArgument, naming the text, for anything else
// and for what does not fit into 64 bits.
absl::StatusOr<uint64_t> ParseByteSize(absl::string_view text);

// "30s", "1m30s", "250ms", "0"; not negative, not infinite. InvalidArgument, naming the text; a
// bare number is refused because its unit would be a guess.
absl::StatusOr<absl::Duration> ParseDurationFlag(absl::string_view text);

// The rule for names of servers and subscriptions: 1 to 63 characters of [a-z0-9-], the first a
// letter. InvalidArgument that says what is wrong; `what` is "server name" or the like.
absl::Status ValidateName(absl::string_view what, absl::string_view name);

}  // namespace center

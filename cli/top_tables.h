// The tables of `top`.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "cli/output.h"
#include "cli/top_data.h"
#include "cli/top_view.h"

namespace center::cli {

// Brackets show which table is scrolled; an arrow shows what it is sorted by.
Table TopServerTable(const std::vector<TopServer>& rows, const TopView& view);
Table TopWorkerTable(const std::vector<TopWorker>& rows, const TopView& view);
Table TopClientTable(const std::vector<TopClient>& rows, const TopView& view);
Table TopJobTable(const std::vector<TopJob>& rows, const TopView& view, absl::Time now);
Table TopEventTable(const std::vector<v1::Event>& events, const TopView& view, absl::Time now);

// "153%", or "-" while it is not known.
std::string CpuText(const absl::optional<double>& cpu);
// "12.3 k/s", "506 MiB/s", or "-".
std::string RateText(const absl::optional<double>& per_s);
std::string ByteRateText(const absl::optional<double>& per_s);

}  // namespace center::cli

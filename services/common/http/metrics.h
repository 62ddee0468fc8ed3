// Figures for Prometheus, as they are at one moment.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace center::http {

// Names follow Prometheus' conventions: center_, then what it is, then its unit in the plural
// (seconds, bytes), then _total for what only grows. A label's values must be few and known:
// server, worker, slot, cause, state; never what strangers send.
class MetricSet {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  class Family {
   public:
    void Add(double value, Labels labels = {});
    // Of a summary: how often something happened, and what it took altogether.
    void AddSummary(uint64_t count, double sum, Labels labels = {});

   private:
    friend class MetricSet;
    enum class Kind { kCounter, kGauge, kSummary };
    struct Sample {
      double value = 0;
      uint64_t count = 0;
      Labels labels;
    };
    std::string name_;
    std::string help_;
    Kind kind_ = Kind::kGauge;
    std::vector<Sample> samples_;
  };

  // Each name once. The family stays where it is until the set is gone.
  Family& Counter(absl::string_view name, absl::string_view help);
  Family& Gauge(absl::string_view name, absl::string_view help);
  Family& Summary(absl::string_view name, absl::string_view help);

  // The text format. Families without a sample are left out.
  std::string ToText() const;
  static constexpr absl::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  Family& Make(Family::Kind kind, absl::string_view name, absl::string_view help);

  std::deque<Family> families_;
};

}  // namespace center::http

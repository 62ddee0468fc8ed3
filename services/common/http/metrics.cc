#include "services/common/http/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace center::http {

void MetricSet::Family::Add(double value, Labels labels) {
  samples_.push_back({.value = value, .labels = std::move(labels)});
}

void MetricSet::Family::AddSummary(uint64_t count, double sum, Labels labels) {
  samples_.push_back({.value = sum, .count = count, .labels = std::move(labels)});
}

MetricSet::Family& MetricSet::Make(Family::Kind kind, absl::string_view name,
                                   absl::string_view help) {
  Family& family = families_.emplace_back();
  family.kind_ = kind;
  family.name_ = std::string(name);
  family.help_ = std::string(help);
  return family;
}

MetricSet::Family& MetricSet::Counter(absl::string_view name, absl::string_view help) {
  return Make(Family::Kind::kCounter, name, help);
}

MetricSet::Family& MetricSet::Gauge(absl::string_view name, absl::string_view help) {
  return Make(Family::Kind::kGauge, name, help);
}

MetricSet::Family& MetricSet::Summary(absl::string_view name, absl::string_view help) {
  return Make(Family::Kind::kSummary, name, help);
}

std::string MetricSet::ToText() const {
  std::vector<prometheus::MetricFamily> out;
  for (const Family& family : families_) {
    if (family.samples_.empty()) continue;
    prometheus::MetricFamily& to = out.emplace_back();
    to.name = family.name_;
    to.help = family.help_;
    for (const Family::Sample& sample : family.samples_) {
      prometheus::ClientMetric& metric = to.metric.emplace_back();
      for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
      switch (family.kind_) {
        case Family::Kind::kCounter:
          to.type = prometheus::MetricType::Counter;
          metric.counter.value = sample.value;
          break;
        case Family::Kind::kGauge:
          to.type = prometheus::MetricType::Gauge;
          metric.gauge.value = sample.value;
          break;
        case Family::Kind::kSummary:
          to.type = prometheus::MetricType::Summary;
          metric.summary.sample_count = sample.count;
          metric.summary.sample_sum = sample.value;
          break;
      }
    }
  }
  return prometheus::TextSerializer().Serialize(out);
}

}  // namespace center::http

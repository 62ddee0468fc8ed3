#include "cli/top_data.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/job_views.h"
#include "cli/views.h"

namespace center::cli {
namespace {

// Another process under the same name counts from nothing again.
std::string KeyOf(const v1::Worker& worker) {
  return absl::StrCat(worker.name(), " ", worker.pid());
}
std::string KeyOf(const v1::ClientProcess& process) {
  return absl::StrCat("client ", process.name(), " ", process.pid());
}
std::string KeyOf(const v1::Job& job) { return absl::StrCat("job ", job.id()); }

template <typename T>
void AddTo(absl::optional<T>* sum, const absl::optional<T>& value) {
  if (value.has_value()) *sum = sum->value_or(0) + *value;
}

double Grown(uint64_t before, uint64_t after) {
  return after > before ? static_cast<double>(after - before) : 0;
}

uint64_t DoneOf(const v1::Job& job) { return job.inputs_succeeded() + job.inputs_failed(); }

}  // namespace

void TopFigures::Add(const TopFigures& other) {
  connections += other.connections;
  resident_bytes += other.resident_bytes;
  journal_bytes += other.journal_bytes;
  AddTo(&cpu, other.cpu);
  AddTo(&payloads_per_s, other.payloads_per_s);
  AddTo(&bytes_per_s, other.bytes_per_s);
  // The lag of several is that of the slowest.
  if (other.lag.has_value()) lag = std::max(lag.value_or(0), *other.lag);
}

void TopHistory::Remember(const std::string& key, const Sample& sample,
                          std::map<std::string, Samples>* kept) {
  Samples samples = std::move(samples_[key]);
  samples.push_back(sample);
  // One sample from the window's beginning or before stays: the rate is over the whole window.
  while (samples.size() > 2 && absl::FromChrono(sample.when - samples[1].when) >= kTopRateWindow) {
    samples.pop_front();
  }
  (*kept)[key] = std::move(samples);
}

void TopHistory::Add(TopAnswer answer) {
  std::map<std::string, Samples> kept;  // what is gone is forgotten
  for (const v1::Server& server : answer.servers) {
    for (const v1::Worker& worker : server.workers()) {
      const v1::WorkerStats& stats = worker.stats();
      Remember(KeyOf(worker),
               {.when = answer.steady,
                .cpu_seconds = absl::ToDoubleSeconds(ToDuration(stats.cpu_time())),
                .payloads = stats.payloads(),
                .bytes = stats.bytes()},
               &kept);
    }
  }
  for (const v1::Client& client : answer.clients) {
    for (const v1::ClientProcess& process : client.processes()) {
      const v1::ClientStats& stats = process.stats();
      Remember(KeyOf(process),
               {.when = answer.steady,
                .payloads = stats.payloads_sent(),
                .bytes = stats.bytes_sent(),
                .acknowledged = stats.payloads_acknowledged()},
               &kept);
    }
  }
  for (const v1::Job& job : answer.jobs) {
    Remember(KeyOf(job), {.when = answer.steady, .payloads = DoneOf(job)}, &kept);
  }
  samples_ = std::move(kept);
  last_ = std::move(answer);
}

void TopHistory::AddEvent(v1::Event event) {
  events_.push_front(std::move(event));
  if (events_.size() > kTopEventsMax) events_.pop_back();
}

absl::optional<uint64_t> TopHistory::LagOf(const std::string& server,
                                           const v1::Worker& worker) const {
  absl::optional<uint64_t> lag;
  for (const v1::Subscription& subscription : last_->subscriptions) {
    if (subscription.server() != server) continue;
    uint64_t offset = worker.stats().first_offset();
    const auto& committed = subscription.cursor().next_offsets();
    if (const auto found = committed.find(worker.name()); found != committed.end()) {
      offset = std::max(offset, found->second);
    }
    const uint64_t end = worker.stats().end_offset();
    lag = std::max(lag.value_or(0), end > offset ? end - offset : 0);
  }
  return lag;
}

TopFigures TopHistory::FiguresOf(const v1::Worker& worker) const {
  const v1::WorkerStats& stats = worker.stats();
  TopFigures figures{.connections = stats.connections(),
                     .resident_bytes = stats.resident_bytes(),
                     .journal_bytes = stats.journal_bytes()};
  const auto found = samples_.find(KeyOf(worker));
  if (worker.pid() == 0 || found == samples_.end()) return figures;
  const Sample& first = found->second.front();
  const Sample& last = found->second.back();
  const double seconds = absl::ToDoubleSeconds(absl::FromChrono(last.when - first.when));
  if (seconds <= 0) return figures;
  figures.cpu = std::max(0.0, last.cpu_seconds - first.cpu_seconds) / seconds;
  figures.payloads_per_s = Grown(first.payloads, last.payloads) / seconds;
  figures.bytes_per_s = Grown(first.bytes, last.bytes) / seconds;
  return figures;
}

TopClient TopHistory::RowOf(const v1::Client& client, const v1::ClientProcess& process) const {
  TopClient row{.client = client, .process = process};
  row.client.clear_processes();
  row.figures.connections = process.stats().connections();
  const auto found = samples_.find(KeyOf(process));
  if (process.pid() == 0 || found == samples_.end()) return row;
  const Sample& first = found->second.front();
  const Sample& last = found->second.back();
  const double seconds = absl::ToDoubleSeconds(absl::FromChrono(last.when - first.when));
  if (seconds <= 0) return row;
  row.figures.payloads_per_s = Grown(first.payloads, last.payloads) / seconds;
  row.figures.bytes_per_s = Grown(first.bytes, last.bytes) / seconds;
  row.acknowledged_per_s = Grown(first.acknowledged, last.acknowledged) / seconds;
  return row;
}

TopData TopHistory::Data() const {
  TopData data;
  if (!last_.has_value()) return data;
  data.time = last_->time;
  data.coordinator = last_->coordinator;
  for (const v1::Server& server : last_->servers) {
    TopServer& row = data.servers.emplace_back();
    row.server = server;
    for (const v1::Worker& worker : server.workers()) {
      TopFigures figures = FiguresOf(worker);
      figures.lag = LagOf(server.name(), worker);
      row.figures.Add(figures);
      data.workers.push_back({worker, figures});
    }
    data.total.Add(row.figures);
  }
  for (const v1::Client& client : last_->clients) {
    for (const v1::ClientProcess& process : client.processes()) {
      data.clients.push_back(RowOf(client, process));
    }
    if (client.processes().empty()) data.clients.push_back({.client = client});
  }
  for (const v1::Job& job : last_->jobs) {
    TopJob& row = data.jobs.emplace_back();
    row.job = job;
    const auto found = samples_.find(KeyOf(job));
    if (HasEnded(job) || found == samples_.end()) continue;
    const Sample& first = found->second.front();
    const Sample& last = found->second.back();
    const double seconds = absl::ToDoubleSeconds(absl::FromChrono(last.when - first.when));
    if (seconds > 0) row.inputs_per_s = Grown(first.payloads, last.payloads) / seconds;
  }
  std::stable_partition(data.jobs.begin(), data.jobs.end(),
                        [](const TopJob& row) { return !HasEnded(row.job); });
  data.events.assign(events_.begin(), events_.end());
  return data;
}

}  // namespace center::cli

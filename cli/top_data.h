// What `top` knows: answers of the coordinator, and what follows from two of them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "center/v1/client.pb.h"
#include "center/v1/event.pb.h"
#include "center/v1/job.pb.h"
#include "center/v1/payload.pb.h"
#include "center/v1/server.pb.h"
#include "services/common/clock.h"

namespace center::cli {

// What one round of questions has brought.
struct TopAnswer {
  absl::Time time;
  SteadyTime steady;
  v1::Coordinator coordinator;
  std::vector<v1::Server> servers;
  std::vector<v1::Subscription> subscriptions;
  std::vector<v1::Client> clients;
  std::vector<v1::Job> jobs;  // the newest first
};

// What a process, or several together, do and use. Rates are nullopt until two answers have it.
struct TopFigures {
  uint64_t connections = 0;
  uint64_t resident_bytes = 0;
  uint64_t journal_bytes = 0;
  absl::optional<double> cpu;  // 1: one core
  absl::optional<double> payloads_per_s;
  absl::optional<double> bytes_per_s;
  // Payloads that the slowest named subscription has not committed; nullopt: there is none.
  absl::optional<uint64_t> lag;

  void Add(const TopFigures& other);
};

struct TopWorker {
  v1::Worker worker;
  TopFigures figures;
};

struct TopServer {
  v1::Server server;
  TopFigures figures;
};

// A process of a client, or a client that has none.
struct TopClient {
  v1::Client client;  // without its processes
  absl::optional<v1::ClientProcess> process;
  TopFigures figures;  // payloads and bytes: those that it sends
  absl::optional<double> acknowledged_per_s;

  const std::string& name() const { return process.has_value() ? process->name() : client.name(); }
  const v1::ClientStats& stats() const {
    return process.has_value() ? process->stats() : client.stats();
  }
};

struct TopJob {
  v1::Job job;
  absl::optional<double> inputs_per_s;
};

// Everything that can be shown.
struct TopData {
  absl::Time time;  // of the last answer
  v1::Coordinator coordinator;
  std::vector<TopServer> servers;
  std::vector<TopWorker> workers;
  std::vector<TopClient> clients;
  std::vector<TopJob> jobs;       // those that run first, then the newest first
  std::vector<v1::Event> events;  // the newest first
  TopFigures total;
};

inline constexpr size_t kTopEventsMax = 200;
// Rates are means over so long: workers report once a second, so less would be mostly noise.
inline constexpr absl::Duration kTopRateWindow = absl::Seconds(5);

// Keeps what rates are made of. One thread.
class TopHistory {
 public:
  void Add(TopAnswer answer);
  void AddEvent(v1::Event event);
  // An Add has been.
  bool any() const { return last_.has_value(); }
  TopData Data() const;

 private:
  struct Sample {
    SteadyTime when;
    double cpu_seconds = 0;
    uint64_t payloads = 0;
    uint64_t bytes = 0;
    uint64_t acknowledged = 0;  // of a client
  };
  // The samples of one process or job within the window, the oldest first.
  using Samples = std::deque<Sample>;

  void Remember(const std::string& key, const Sample& sample, std::map<std::string, Samples>* kept);
  TopFigures FiguresOf(const v1::Worker& worker) const;
  TopClient RowOf(const v1::Client& client, const v1::ClientProcess& process) const;
  absl::optional<uint64_t> LagOf(const std::string& server, const v1::Worker& worker) const;

  absl::optional<TopAnswer> last_;
  std::map<std::string, Samples> samples_;
  std::deque<v1::Event> events_;  // the newest first
};

}  // namespace center::cli

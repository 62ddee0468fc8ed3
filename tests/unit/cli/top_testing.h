// A fleet for the tests of `top`.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "cli/top_data.h"
#include "cli/views.h"

namespace center::cli {

// Workers of a fake fleet that have done this much by now.
struct Progress {
  uint64_t payloads = 0;
  uint64_t bytes = 0;
  double cpu_seconds = 0;
  int32_t pid = 100;
};

inline v1::Worker MakeWorker(const std::string& server, uint32_t slot, const Progress& progress) {
  v1::Worker worker;
  worker.set_name(absl::StrCat(server, "/", slot));
  worker.set_slot(slot);
  worker.set_pid(progress.pid + static_cast<int32_t>(slot));
  worker.set_state(v1::WORKER_STATE_READY);
  v1::WorkerStats& stats = *worker.mutable_stats();
  stats.set_connections(slot + 1);
  stats.set_payloads(progress.payloads);
  stats.set_bytes(progress.bytes);
  stats.set_end_offset(progress.payloads);
  stats.set_resident_bytes(10 << 20);
  stats.set_journal_bytes(1 << 20);
  *stats.mutable_cpu_time() = ToProto(absl::Seconds(progress.cpu_seconds));
  return worker;
}

inline v1::Server MakeServer(const std::string& name, uint32_t workers, const Progress& progress) {
  v1::Server server;
  server.set_name(name);
  server.set_state(v1::SERVER_STATE_RUNNING);
  server.set_address("127.0.0.1:5000");
  server.mutable_spec()->set_workers(workers);
  for (uint32_t slot = 0; slot < workers; ++slot) {
    *server.add_workers() = MakeWorker(name, slot, progress);
  }
  return server;
}

// A client whose processes have sent as many payloads each, of ten bytes.
inline v1::Client MakeClient(const std::string& name, const std::string& server, int processes,
                             uint64_t sent) {
  v1::Client client;
  client.set_name(name);
  client.set_state(processes > 0 ? v1::CLIENT_STATE_RUNNING : v1::CLIENT_STATE_STOPPED);
  client.mutable_spec()->set_server(server);
  for (int number = 0; number < processes; ++number) {
    v1::ClientProcess& process = *client.add_processes();
    process.set_name(absl::StrCat(name, "/", number));
    process.set_pid(200 + number);
    process.set_state(v1::WORKER_STATE_READY);
    process.mutable_stats()->set_connections(3);
    process.mutable_stats()->set_payloads_sent(sent);
    process.mutable_stats()->set_bytes_sent(10 * sent);
    process.mutable_stats()->set_payloads_acknowledged(sent / 2);
  }
  return client;
}

// An answer so many seconds after the first.
inline TopAnswer AnswerAt(double seconds, std::vector<v1::Server> servers) {
  TopAnswer answer;
  answer.time = absl::FromUnixSeconds(1'700'000'000) + absl::Seconds(seconds);
  answer.steady = SteadyTime() + absl::ToChronoNanoseconds(absl::Seconds(seconds));
  answer.coordinator.set_version("0.1.0");
  *answer.coordinator.mutable_start_time() = ToProto(answer.time - absl::Minutes(3));
  answer.servers = std::move(servers);
  return answer;
}

inline v1::Event MakeEvent(uint64_t id, const std::string& subject, const std::string& reason) {
  v1::Event event;
  event.set_id(id);
  event.set_type(v1::EVENT_TYPE_WORKER_DIED);
  event.set_subject(subject);
  event.set_reason(reason);
  event.mutable_time()->set_seconds(1'700'000'000);
  return event;
}

}  // namespace center::cli

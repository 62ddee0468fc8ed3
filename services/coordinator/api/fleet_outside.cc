// Servers that are kept outside of Center (StatefulSets of a cluster): their number of workers is
// kept there, and whoever else changes it is followed, not fought.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/log.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/spec.h"

namespace center::coordinator {

std::unique_ptr<supervision::Backend> Fleet::MakeBackend() {
  if (deps_.make_backend) return deps_.make_backend(*this);
  return std::make_unique<supervision::Supervisor>(*deps_.launcher, *deps_.clock, *this,
                                                   SupervisorSettings());
}

void Fleet::SetWorkers(const std::string& name, uint32_t workers, Done done) {
  // Until it is done, what is told from outside may be this.
  setting_.insert(name);
  supervisor_.SetWorkers(name, workers,
                         [this, name, workers, done = std::move(done)](const absl::Status& status) {
                           setting_.erase(name);
                           dirty_.insert(name);
                           ScheduleSettle();
                           const auto outside = outside_.find(name);
                           if (status.ok() && outside != outside_.end())
                             outside->second.workers = workers;
                           done(status);
                         });
}

absl::Status Fleet::CheckOutside(const v1::ServerSpec& changes, const std::string& name) const {
  if (supervisor_.Launches()) return absl::OkStatus();
  v1::ServerSpec other = changes;
  other.clear_workers();
  if (other.ByteSizeLong() == 0) return absl::OkStatus();
  return rpc::InvalidFields(
      {{"spec", absl::StrCat("in a cluster the settings of a server are those of its StatefulSet; "
                             "only the number of workers can be said here. Change the others by: "
                             "centerctl server manifest ",
                             name, " [FLAGS] | kubectl apply -f -")}});
}

void Fleet::OnOutside(const std::map<std::string, supervision::OutsideServer>& servers) {
  outside_ = servers;
  outside_known_ = true;
  for (const auto& [name, outside] : outside_) {
    if (!servers_.contains(name) && servers_.size() < kServersMax) {
      Entry& entry = servers_[name];
      entry.record.name = name;
      entry.spec = DefaultSpec();
    }
  }
  for (const auto& [name, entry] : servers_) dirty_.insert(name);
  ScheduleSettle();
}

// Makes of a server what it is outside. Called whenever something of it has changed; what is under
// way is waited for.
void Fleet::FollowOutside(Entry& entry) {
  if (!outside_known_ || shutting_down_) return;
  if (entry.run == Run::kBinding || entry.run == Run::kStopping) return;
  const std::string& name = entry.record.name;
  if (setting_.contains(name)) return;
  const auto outside = outside_.find(name);
  const bool exists = outside != outside_.end();
  const uint32_t workers =
      exists ? std::min(outside->second.workers, supervision::kSlotsPerServerMax) : 0;
  const bool runs = entry.run == Run::kSupervised;
  const uint32_t before = runs ? entry.spec.workers() : 0;
  if (absl::Status stored = StoreOutside(entry, workers); !stored.ok()) {
    spdlog::error("server {}: {}", name, stored);
  }
  if (!exists && !runs) entry.detail = "there is no StatefulSet for it";
  if (workers == before) return;
  if (workers == 0) {
    AddEvent(v1::EVENT_TYPE_SERVER_SCALED, name,
             exists ? absl::StrCat("from ", before, " to 0 workers, not by Center")
                    : std::string("its StatefulSet was deleted"));
    return BeginStop(entry, /*now=*/false);
  }
  absl::Status status;
  if (runs) {
    AddEvent(v1::EVENT_TYPE_SERVER_SCALED, name,
             absl::StrCat("from ", before, " to ", workers, " workers, not by Center"));
    status = supervisor_.Scale(name, workers, /*now=*/false);
  } else {
    status = Supervise(entry);
  }
  if (!status.ok()) spdlog::error("server {}: {}", name, status);
  dirty_.insert(name);
  ScheduleSettle();
}

absl::Status Fleet::StoreOutside(Entry& entry, uint32_t workers) {
  const auto outside = outside_.find(entry.record.name);
  v1::ServerSpec spec = entry.spec;
  if (workers > 0) spec.set_workers(workers);
  if (outside != outside_.end()) {
    spec.set_host(outside->second.host);
    spec.set_port(outside->second.port);
    spec.set_no_listen(outside->second.port == 0);
  }
  state::ServerRecord wanted = entry.record;
  wanted.spec = spec.SerializeAsString();
  wanted.port = static_cast<uint16_t>(spec.port());
  wanted.desired_running = workers > 0;
  const bool is_new = entry.record.spec.empty();
  if (is_new) wanted.create_time = deps_.clock->Wall();
  if (!is_new && wanted.spec == entry.record.spec && wanted.port == entry.record.port &&
      wanted.desired_running == entry.record.desired_running) {
    return absl::OkStatus();
  }
  entry.spec = std::move(spec);
  entry.record = wanted;
  return deps_.store->PutServer(wanted);
}

}  // namespace center::coordinator

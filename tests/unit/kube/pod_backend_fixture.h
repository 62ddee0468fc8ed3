// A backend with an API server that keeps what it is asked, a clock that moves only when told, and
// pods that are as the test says.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/coordinator/kube/pod_backend.h"
#include "tests/unit/kube/fake_calls.h"
#include "tests/unit/kube/pod_json.h"
#include "tests/unit/supervision/fakes.h"

namespace center::kube {

class PodBackendTest : public ::testing::Test {
 protected:
  // What the observer hears of servers outside, as "default 2 center-default:5000".
  class OutsideObserver final : public supervision::Observer {
   public:
    explicit OutsideObserver(supervision::RecordingObserver& rest) : rest_(rest) {}
    void OnSlotChanged(absl::string_view server, const supervision::SlotView& slot) override {
      rest_.OnSlotChanged(server, slot);
    }
    void OnServerStopped(absl::string_view server) override { rest_.OnServerStopped(server); }
    void OnEvent(const supervision::SupervisionEvent& event) override { rest_.OnEvent(event); }
    void RequestDrain(absl::string_view worker, bool now) override {
      rest_.RequestDrain(worker, now);
    }
    void OnOutside(const std::map<std::string, supervision::OutsideServer>& servers) override {
      std::string line;
      for (const auto& [name, server] : servers) {
        absl::StrAppend(&line, line.empty() ? "" : ", ", name, " ", server.workers);
      }
      outside.push_back(line);
    }
    std::vector<std::string> outside;

   private:
    supervision::RecordingObserver& rest_;
  };

  void Follow(int replicas) {
    backend_.OnStatefulSets({Set("default", replicas)});
    backend_.OnPods({});
  }
  static StatefulSet Set(const std::string& server, int replicas, uint64_t version = 0) {
    StatefulSet set = *ParseStatefulSet(SetJson(server, replicas));
    set.version = version;
    return set;
  }
  static supervision::ServerPlan Plan(uint32_t slots) {
    supervision::ServerPlan plan;
    plan.name = "default";
    plan.slots = slots;
    return plan;
  }
  void Start(uint32_t slots) { ASSERT_TRUE(backend_.Start(Plan(slots)).ok()); }
  static Pod PodIn(uint32_t ordinal, const std::string& uid, const Json& state, int restarts = 0,
                   const Json& last = Json::object()) {
    return *ParsePod(
        WithState(PodJson(absl::StrCat("center-default-", ordinal), uid), state, restarts, last));
  }
  static Pod RunningPod(uint32_t ordinal, const std::string& uid) {
    Pod pod = PodIn(ordinal, uid, Running());
    pod.ready = true;
    return pod;
  }
  static Pod Leaving(Pod pod) {
    pod.deleting = true;
    return pod;
  }
  static std::string Worker(uint32_t ordinal) { return absl::StrCat("default/", ordinal); }
  // The pod is there, runs and its worker has said READY.
  void Serve(uint32_t ordinal, const std::string& uid) {
    backend_.OnPod(RunningPod(ordinal, uid));
    Say(ordinal, uid + ".1");
  }
  void Say(uint32_t ordinal, const std::string& token) {
    const absl::Status registered = backend_.Register(Worker(ordinal), 1, token);
    ASSERT_TRUE(registered.ok()) << registered;
    backend_.SetReady(Worker(ordinal));
  }
  // Its pod ends in order and is replaced by another, which serves.
  void Replace(uint32_t ordinal, const std::string& uid, const std::string& next) {
    backend_.OnPod(Leaving(RunningPod(ordinal, uid)));
    backend_.OnPodGone(Leaving(PodIn(ordinal, uid, Ended(0, "Completed"))));
    Serve(ordinal, next);
  }
  std::string State(uint32_t ordinal) {
    const auto slots = backend_.Slots("default");
    if (ordinal >= slots.size()) return "none";
    return std::string(SlotStateName(slots[ordinal].state));
  }
  std::vector<std::string> Died() { return recorded_.Events(supervision::EventType::kWorkerDied); }
  supervision::SlotView View(uint32_t ordinal) { return backend_.Slots("default").at(ordinal); }

  supervision::FakeClock clock_;
  FakeCalls calls_;
  supervision::RecordingObserver recorded_;
  OutsideObserver observer_{recorded_};
  PodBackend backend_{calls_, clock_, observer_};
};

}  // namespace center::kube

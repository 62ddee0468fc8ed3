// A supervisor over fakes, with shorthand for what workers do.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/supervision/fakes.h"

namespace center::supervision {

class SupervisorFixture : public testing::Test {
 protected:
  SupervisorFixture() {
    options.random = [] { return 0.5; };  // no jitter
    options.on_deadline = [this](SteadyTime when) { deadline = std::min(deadline, when); };
    supervisor = std::make_unique<Supervisor>(launcher, clock, observer, options);
  }

  ServerPlan Plan(std::string name, uint32_t slots) {
    ServerPlan plan{.name = name, .slots = slots, .drain_timeout = absl::Seconds(10)};
    plan.launch = [this, name](uint32_t slot, const std::string& token) {
      tokens[absl::StrCat(name, "/", slot)] = token;
      return LaunchSpec{.program = "worker", .log_name = absl::StrCat(name, "/", slot)};
    };
    return plan;
  }

  SlotView View(const std::string& worker) const {
    const size_t slash = worker.find('/');
    return supervisor->Slots(worker.substr(0, slash)).at(std::stoul(worker.substr(slash + 1)));
  }
  SlotState State(const std::string& worker) const { return View(worker).state; }
  int64_t Pid(const std::string& worker) const { return View(worker).pid; }

  void Register(const std::string& worker) {
    ASSERT_TRUE(supervisor->Register(worker, Pid(worker), tokens[worker]).ok());
  }
  void MakeReady(const std::string& worker) {
    Register(worker);
    supervisor->SetReady(worker);
    ASSERT_EQ(State(worker), SlotState::kReady);
  }
  void StartReady(uint32_t slots = 1) {
    ASSERT_TRUE(supervisor->Start(Plan("s", slots)).ok());
    for (uint32_t i = 0; i < slots; ++i) MakeReady(absl::StrCat("s/", i));
  }

  // Moves time on as the control thread's timer would: it ticks at every deadline on the way.
  void Pass(SteadyDuration duration) {
    const SteadyTime end = clock.Steady() + duration;
    while (deadline <= end) {
      clock.AdvanceTo(std::max(deadline, clock.Steady()));
      deadline = SteadyTime::max();
      deadline = std::min(deadline, supervisor->Tick());
    }
    clock.AdvanceTo(end);
  }
  // The same, with a heartbeat of these workers every second.
  void PassAlive(std::chrono::seconds duration, const std::vector<std::string>& workers) {
    for (int i = 0; i < duration.count(); ++i) {
      for (const std::string& worker : workers) supervisor->Heartbeat(worker);
      Pass(std::chrono::seconds(1));
    }
  }

  FakeClock clock;
  FakeLauncher launcher;
  RecordingObserver observer;
  SupervisorOptions options;
  std::map<std::string, std::string> tokens;
  SteadyTime deadline = SteadyTime::max();  // what the supervisor wants of its timer
  std::unique_ptr<Supervisor> supervisor;
};

}  // namespace center::supervision

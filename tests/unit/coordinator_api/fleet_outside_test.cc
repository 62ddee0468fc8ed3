// A fleet whose workers are pods: the StatefulSets are as the test says.
#include <string>
#include <vector>

#include "services/coordinator/kube/pod_backend.h"
#include "tests/unit/coordinator_api/fleet_fixture.h"
#include "tests/unit/kube/fake_calls.h"
#include "tests/unit/kube/pod_json.h"

namespace center::coordinator {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class FleetOutsideTest : public FleetTest {
 protected:
  FleetOutsideTest() {
    make_backend_ = [this](supervision::Observer& observer) {
      auto pods = std::make_unique<kube::PodBackend>(
          calls_, clock_, observer, kube::PodBackendOptions{.on_deadline = [this](SteadyTime when) {
            timer_ = std::min(timer_, when);
          }});
      pods_ = pods.get();
      return pods;
    };
    NewFleet();
    Reconcile();
  }

  void Sets(const std::map<std::string, int>& replicas) {
    std::vector<kube::StatefulSet> sets;
    for (const auto& [server, count] : replicas) {
      sets.push_back(*kube::ParseStatefulSet(kube::SetJson(server, count)));
    }
    pods_->OnStatefulSets(std::move(sets));
    if (!std::exchange(listed_, true)) pods_->OnPods({});
    Settle();
  }
  static kube::Pod PodOf(uint32_t ordinal, const std::string& uid) {
    kube::Pod pod = *kube::ParsePod(kube::WithState(
        kube::PodJson(absl::StrCat("center-default-", ordinal), uid), kube::Running()));
    pod.ready = true;
    return pod;
  }
  std::shared_ptr<FakeLine> Serve(uint32_t ordinal, const std::string& uid) {
    pods_->OnPod(PodOf(ordinal, uid));
    v1::Hello hello;
    hello.set_worker(WorkerName("default", ordinal));
    hello.set_pid(1);
    hello.set_token(uid + ".1");
    hello.set_address(absl::StrCat("10.0.0.", ordinal, ":7072"));
    auto line = std::make_shared<FakeLine>();
    const absl::Status status = fleet_->Register(hello, line);
    EXPECT_TRUE(status.ok()) << status;
    Beat(hello.worker(), line, v1::WORKER_STATE_READY);
    return line;
  }
  void Gone(uint32_t ordinal, const std::string& uid) {
    pods_->OnPodGone(PodOf(ordinal, uid));
    Settle();
  }
  void AnswerScale(const absl::StatusOr<uint64_t>& version = 1) {
    auto scaled = std::exchange(calls_.scaled, {});
    for (const auto& done : scaled) done(version);
    Settle();
  }
  v1::StartServerRequest Workers(uint32_t workers) {
    v1::StartServerRequest request;
    request.mutable_spec()->set_workers(workers);
    request.set_wait_ready(true);
    return request;
  }

  kube::FakeCalls calls_;
  kube::PodBackend* pods_ = nullptr;
  bool listed_ = false;
};

TEST_F(FleetOutsideTest, AServerIsThereAsSoonAsItsStatefulSetIs) {
  Sets({{"default", 2}});
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STARTING);
  EXPECT_EQ(Get().spec().workers(), 2u);
  EXPECT_EQ(Get().address(), "center-default..svc:5000");
  Serve(0, "u0");
  Serve(1, "u1");
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_RUNNING);
  EXPECT_TRUE(health_["default"]);
  EXPECT_THAT(calls_.asked, IsEmpty()) << "nothing was asked for";
}

TEST_F(FleetOutsideTest, StartingScalesTheStatefulSetAndWaitsForReady) {
  Sets({{"default", 0}});
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STOPPED);
  auto answer = StartLater(Workers(2));
  EXPECT_THAT(calls_.asked, ElementsAre("scale center-default 2"));
  AnswerScale();
  EXPECT_FALSE(answer->has_value());
  Serve(0, "u0");
  Serve(1, "u1");
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok()) << (*answer)->status();
  EXPECT_EQ((**answer)->state(), v1::SERVER_STATE_RUNNING);
}

TEST_F(FleetOutsideTest, WithoutAStatefulSetStartingSaysHowToMakeOne) {
  Sets({});
  const Answer answer = Start(Workers(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(answer.status()));
  EXPECT_THAT(std::string(answer.status().message()),
              HasSubstr("centerctl server manifest default"));
  EXPECT_TRUE(absl::IsNotFound(fleet_->GetServer("default").status())) << "nothing was stored";
}

TEST_F(FleetOutsideTest, WhatTheApiServerRefusesIsToldAndChangesNothing) {
  Sets({{"default", 0}});
  auto answer = StartLater(Workers(2));
  AnswerScale(absl::PermissionDeniedError("cannot patch statefulsets/scale"));
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(absl::IsPermissionDenied((*answer)->status()));
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STOPPED);
}

TEST_F(FleetOutsideTest, SettingsBelongToTheStatefulSet) {
  Sets({{"default", 0}});
  v1::StartServerRequest request = Workers(1);
  request.mutable_spec()->set_framing(v1::FRAMING_OCTET);
  const Answer answer = Start(request);
  EXPECT_TRUE(absl::IsInvalidArgument(answer.status()));
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("StatefulSet"));
  EXPECT_THAT(calls_.asked, IsEmpty());
}

TEST_F(FleetOutsideTest, ScalingFromOutsideIsFollowedAndTold) {
  Sets({{"default", 1}});
  Serve(0, "u0");
  Sets({{"default", 3}});
  EXPECT_EQ(Get().workers_size(), 3);
  EXPECT_EQ(Get().spec().workers(), 3u);
  EXPECT_THAT(EventNames(), Contains("default SERVER_SCALED"));
  Sets({{"default", 1}});
  EXPECT_EQ(Get().workers_size(), 1);
  Sets({{"default", 0}});
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_DRAINING);
  Gone(0, "u0");
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STOPPED);
  Sets({{"default", 1}});
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STARTING);
  EXPECT_THAT(calls_.asked, IsEmpty()) << "it is not fought";
}

TEST_F(FleetOutsideTest, OurOwnScalingIsNotTakenForAnothers) {
  Sets({{"default", 1}});
  Serve(0, "u0");
  v1::ScaleServerRequest request;
  request.set_workers(2);
  absl::StatusOr<v1::ScaleServerResponse> answer = absl::UnknownError("none");
  fleet_->ScaleServer(request, SteadyTime::max(), [&](const auto& result) { answer = result; });
  Settle();
  // The watch is faster than the answer.
  Sets({{"default", 2}});
  AnswerScale();
  Serve(1, "u1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->workers_before(), 1u);
  auto page = events_->Read({.limit = 1000});
  for (const v1::Event& event : page->events) {
    EXPECT_THAT(event.reason(), Not(HasSubstr("not by Center")));
  }
}

TEST_F(FleetOutsideTest, StoppingScalesToNothingAndWaitsForThePods) {
  Sets({{"default", 1}});
  Serve(0, "u0");
  auto answer = StopLater({});
  EXPECT_THAT(calls_.asked, ElementsAre("scale center-default 0"));
  AnswerScale();
  EXPECT_FALSE(answer->has_value());
  Gone(0, "u0");
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((**answer)->state(), v1::SERVER_STATE_STOPPED);
  Sets({{"default", 0}});
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STOPPED);
}

TEST_F(FleetOutsideTest, AStatefulSetThatIsDeletedLeavesAStoppedServer) {
  Sets({{"default", 1}});
  Serve(0, "u0");
  Sets({});
  Gone(0, "u0");
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STOPPED);
  EXPECT_THAT(Get().detail(), HasSubstr("no StatefulSet"));
}

TEST_F(FleetOutsideTest, AWorkerThatIsNotKnownYetIsToldToTryAgain) {
  Sets({{"default", 1}});
  v1::Hello hello;
  hello.set_worker("default/0");
  hello.set_token("u0.1");
  hello.set_address("10.0.0.1:7072");
  EXPECT_TRUE(absl::IsUnavailable(fleet_->Register(hello, std::make_shared<FakeLine>())));
}

TEST_F(FleetOutsideTest, AnEndingCoordinatorLeavesThePods) {
  Sets({{"default", 1}});
  const auto line = Serve(0, "u0");
  bool done = false;
  fleet_->Shutdown(/*now=*/false, [&done] { done = true; });
  Settle();
  EXPECT_TRUE(done);
  EXPECT_THAT(line->said, Not(Contains("drain")));
  EXPECT_THAT(calls_.asked, IsEmpty());
  // The next one finds it.
  NewFleet();
  Reconcile();
  listed_ = true;
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STARTING) << "it has not been told yet";
  pods_->OnPods({PodOf(0, "u0")});
  Sets({{"default", 1}});
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STARTING);
  Serve(0, "u0");
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_RUNNING);
  EXPECT_THAT(EventNames(), Contains("default/0 WORKER_ADOPTED"));
}

TEST_F(FleetOutsideTest, AClusterThatDoesNotTellIsNoServerThatIsStopped) {
  Sets({{"default", 1}});
  NewFleet();
  Reconcile();
  pods_->OnTrouble("pods", absl::PermissionDeniedError("pods is forbidden"));
  EXPECT_EQ(Get().state(), v1::SERVER_STATE_STARTING);
  EXPECT_THAT(Get().detail(), HasSubstr("pods is forbidden"));
  v1::ScaleServerRequest request;
  request.set_workers(2);
  absl::StatusOr<v1::ScaleServerResponse> answer = absl::UnknownError("none");
  fleet_->ScaleServer(request, SteadyTime::max(), [&](const auto& result) { answer = result; });
  Settle();
  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("pods is forbidden"));
  EXPECT_THAT(std::string(fleet_->GetServer("other").status().message()),
              HasSubstr("pods is forbidden"));
}

TEST_F(FleetOutsideTest, RestartingDeletesOnePodAfterTheOther) {
  Sets({{"default", 2}});
  Serve(0, "u0");
  Serve(1, "u1");
  v1::RestartServerRequest request;
  absl::StatusOr<v1::RestartServerResponse> answer = absl::UnknownError("none");
  fleet_->RestartServer(request, SteadyTime::max(), [&](const auto& result) { answer = result; });
  Settle();
  EXPECT_THAT(calls_.asked, ElementsAre("delete center-default-0 u0"));
  Gone(0, "u0");
  Serve(0, "v0");
  Gone(1, "u1");
  Serve(1, "v1");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->restarted(), 2u);
}

}  // namespace
}  // namespace center::coordinator

// A fleet with shorthand for changes to servers that run.
#pragma once

#include <memory>
#include <string>

#include "tests/unit/coordinator_api/fleet_fixture.h"

namespace center::coordinator {

class FleetChangeTest : public FleetTest {
 protected:
  template <typename Response>
  using Later = std::shared_ptr<absl::optional<absl::StatusOr<Response>>>;

  void StartReady(uint32_t workers) {
    ASSERT_TRUE(Start(StartRequest(workers)).ok());
    for (uint32_t slot = 0; slot < workers; ++slot) MakeReady(slot);
    ASSERT_EQ(Get().state(), v1::SERVER_STATE_RUNNING);
  }

  Later<v1::RestartServerResponse> Restart(v1::RestartServerRequest request = {},
                                           SteadyTime deadline = SteadyTime::max()) {
    return Call<v1::RestartServerResponse>(
        [&](auto answer) { fleet_->RestartServer(request, deadline, std::move(answer)); });
  }
  Later<v1::ScaleServerResponse> Scale(uint32_t workers, SteadyTime deadline = SteadyTime::max()) {
    v1::ScaleServerRequest request;
    request.set_workers(workers);
    return Call<v1::ScaleServerResponse>(
        [&](auto answer) { fleet_->ScaleServer(request, deadline, std::move(answer)); });
  }
  Later<v1::UpdateServerResponse> Update(const v1::UpdateServerRequest& request,
                                         SteadyTime deadline = SteadyTime::max()) {
    return Call<v1::UpdateServerResponse>(
        [&](auto answer) { fleet_->UpdateServer(request, deadline, std::move(answer)); });
  }
  Later<v1::RestartWorkerResponse> RestartOne(const std::string& worker) {
    v1::RestartWorkerRequest request;
    request.set_name(worker);
    return Call<v1::RestartWorkerResponse>(
        [&](auto answer) { fleet_->RestartWorker(request, SteadyTime::max(), std::move(answer)); });
  }

  // The old process of a slot ends as it was asked to, the new one becomes ready.
  void Replace(uint32_t slot) {
    ASSERT_EQ(Get().workers(static_cast<int>(slot)).state(), v1::WORKER_STATE_DRAINING) << slot;
    Exit(Pid(slot));
    MakeReady(slot);
  }
  // A slot's process dies until it is given up.
  void Fail(uint32_t slot) { Exit(Pid(slot), 2); }

  template <typename Response>
  static std::string ReasonOf(const Later<Response>& later) {
    return later->has_value() ? rpc::ReasonOf((*later)->status()) : "no answer";
  }

 private:
  template <typename Response, typename Begin>
  Later<Response> Call(const Begin& begin) {
    auto later = std::make_shared<absl::optional<absl::StatusOr<Response>>>();
    begin(coordinator::Answer<Response>([later](const absl::StatusOr<Response>& result) {
      EXPECT_FALSE(later->has_value()) << "answered twice";
      *later = result;
    }));
    Settle();
    return later;
  }
};

}  // namespace center::coordinator

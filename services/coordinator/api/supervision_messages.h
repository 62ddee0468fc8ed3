// What the supervisor knows, as the API shows it: the same for workers and for processes of
// clients.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "center/v1/event.pb.h"
#include "center/v1/server.pb.h"
#include "services/coordinator/supervision/stacks.h"
#include "services/coordinator/supervision/supervisor.h"

namespace center::coordinator {

v1::WorkerState ToProto(supervision::SlotState state);
v1::WorkerExit ToProto(const supervision::ExitRecord& record);
v1::Event ToProto(const supervision::SupervisionEvent& event);

// Takes the stacks of a process; answers later, on the control thread. Empty: nobody can.
using TakeStacks = std::function<void(
    int64_t pid, std::function<void(absl::StatusOr<supervision::ProcessStacks>)>)>;
// SupervisorOptions::autopsy by such a function.
std::function<void(int64_t, std::function<void(absl::StatusOr<std::string>)>)> AutopsyBy(
    TakeStacks take_stacks);

}  // namespace center::coordinator

// What a pool costs when there is nothing to do, and the first thing one tries.
#include "services/worker/compute/tasks/built_in.h"

namespace center::compute {
namespace {

int EchoMany(void* /*state*/, center_call* call) {
  while (call->next(call) != 0) Append(call, ToView(call->input));
  return 0;
}

}  // namespace

const center_task kEchoTask = {"echo",
                               "returns each input as it is",
                               "Input:  any bytes, at most 16 MiB.\n"
                               "Result: the same.\n",
                               nullptr,
                               nullptr,
                               nullptr,
                               &EchoMany};

}  // namespace center::compute

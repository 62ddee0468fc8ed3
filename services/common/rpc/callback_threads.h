// gRPC's callback threads, kept for the life of the process.
#pragma once

namespace center::rpc {

// gRPC ends the threads that run callbacks when the last channel or server that used them goes.
// When that happens on one of these very threads (a call that is over held the last channel) it
// aborts the process. So one channel with one call, made once and never destroyed, keeps them for
// good.
//
// StartServer does this; a client that drops channels on such threads does it itself. May be called
// again.
void KeepCallbackThreads();

}  // namespace center::rpc

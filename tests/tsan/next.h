// Every program of a ThreadSanitizer build is linked with this folder.
//
// The distribution's Abseil and gRPC are not instrumented, so ThreadSanitizer sees no
// synchronisation in absl::Mutex or between a call and its callback, and would report what they
// guard. The definitions here take the place of the libraries' (in the libraries' own calls, too),
// call them, and tell ThreadSanitizer what they promise.
#pragma once

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

namespace center::tsan {

// The library's definition of the function that calls this one. Aborts unless that function is
// visible to the libraries, for then they do not call it.
template <typename Function>
[[gnu::noinline]] Function* Next() {
  Dl_info caller;
  if (dladdr(__builtin_return_address(0), &caller) == 0 || caller.dli_sname == nullptr) {
    fprintf(stderr, "tests/tsan: an interposed function is not exported\n");
    abort();
  }
  void* const next = dlsym(RTLD_NEXT, caller.dli_sname);
  if (next == nullptr) {
    fprintf(stderr, "tests/tsan: %s\n", dlerror());
    abort();
  }
  return reinterpret_cast<Function*>(next);
}

}  // namespace center::tsan

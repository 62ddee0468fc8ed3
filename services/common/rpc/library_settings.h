// What the libraries below gRPC have to be told.
#pragma once

#include <cstddef>

namespace center::rpc {

// What glibc keeps at the end of a heap before it gives the rest back, and from which size on a
// block is a mapping of its own. Each heap (glibc makes up to 8 a core) may hold so much that
// nobody uses.
inline constexpr size_t kKeptPerHeapBytes = size_t{8} << 20;
inline constexpr size_t kMappedFromBytes = size_t{2} << 20;

// Call it in main(), before there are threads.
//
// Memory: gRPC takes the buffers for what it reads from malloc and frees them with every message.
// With glibc's defaults (128 KiB for both, the second growing by what is freed) a fast stream gives
// memory back and takes it again all the time, and the kernel clears each page anew. With these
// sizes a relayed stream is about a fifth faster (`centerctl bench ingest --subscribers 1`). Who
// sets MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_ (mallopt(3)) is obeyed. Nothing happens
// where malloc is not glibc's.
//
// Mutexes: distributions build Abseil without NDEBUG. Then every absl::Mutex, gRPC's too, notes in
// a graph with a lock of its own which others are held, and ends the process when it sees an order
// that might deadlock some day. Sanitizer builds keep that; in production it costs time, and a
// process that goes on is worth more.
void ApplyLibrarySettings();

}  // namespace center::rpc

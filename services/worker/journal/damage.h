// Damaged bytes: saying what they are, and keeping them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/worker/journal/fs.h"
#include "services/worker/journal/scanner.h"

namespace center::journal {

// At most this many copies are made in one folder by a running journal; nothing ever deletes them.
inline constexpr size_t kCorruptFilesMax = 64;

// "00000000000000000000.seg: wrong checksum at byte 4711 (4096 bytes)". `item` is no record.
std::string DescribeDamage(absl::string_view segment_name, const Scanner::Item& item);

// Copies a range of a segment to `<segment>.<position>.corrupt` and returns that name. Where other
// bytes have that name (the segment was repaired, and damaged again), the copy gets a number:
// `<segment>.<position>.2.corrupt`. ResourceExhausted when there are `files_max` already or the
// disk is full; nothing is left behind then.
absl::StatusOr<std::string> KeepAside(FileSystem& fs, const std::string& directory,
                                      absl::string_view segment_name, const File& file,
                                      uint64_t position, uint64_t bytes,
                                      size_t files_max = kCorruptFilesMax);

// Appends a range of `from` to `to` at `to_position`, in pieces.
absl::Status CopyRange(const File& from, uint64_t position, uint64_t bytes, File& to,
                       uint64_t to_position);

}  // namespace center::journal

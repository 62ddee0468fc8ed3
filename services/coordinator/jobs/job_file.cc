#include "services/coordinator/jobs/job_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/crc32c.h"
#include "services/common/status_macros.h"

namespace center::jobs {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

constexpr uint32_t kMagic = 0x31524a43;  // "CJR1"
constexpr size_t kHeaderCrcAt = 36;
constexpr char kUniform = 'u';
constexpr char kSized = 's';

template <typename T>
void Put(char* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <typename T>
T Get(absl::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::array<char, RecordHeader::kBytes> Encode(const RecordHeader& header) {
  std::array<char, RecordHeader::kBytes> bytes{};
  Put(bytes.data(), kMagic);
  Put(bytes.data() + 4, static_cast<uint32_t>(header.type));
  Put(bytes.data() + 8, header.first);
  Put(bytes.data() + 16, header.count);
  Put(bytes.data() + 24, header.failed);
  Put(bytes.data() + 28, header.body_bytes);
  Put(bytes.data() + 32, header.body_crc);
  Put(bytes.data() + kHeaderCrcAt, Crc32c({bytes.data(), kHeaderCrcAt}));
  return bytes;
}

// Reads exactly `size` bytes. DataLoss when the file is shorter.
absl::Status ReadAt(int fd, uint64_t offset, char* to, size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t got = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
    if (got == 0) return absl::DataLossError(absl::StrCat(path, " ends early"));
    to += got;
    offset += static_cast<uint64_t>(got);
    size -= static_cast<size_t>(got);
  }
  return absl::OkStatus();
}

absl::StatusOr<RecordHeader> ReadHeader(int fd, uint64_t offset, const std::string& path) {
  std::array<char, RecordHeader::kBytes> bytes{};
  RETURN_IF_ERROR(ReadAt(fd, offset, bytes.data(), bytes.size(), path));
  return DecodeHeader({bytes.data(), bytes.size()});
}

absl::StatusOr<std::string> ReadBody(int fd, uint64_t offset, const RecordHeader& header,
                                     const std::string& path) {
  std::string body(header.body_bytes, '\0');
  RETURN_IF_ERROR(ReadAt(fd, offset + RecordHeader::kBytes, body.data(), body.size(), path));
  if (Crc32c(body) != header.body_crc) {
    return absl::DataLossError(absl::StrCat(path, ": the record at ", offset, " is damaged"));
  }
  return body;
}

absl::StatusOr<ScopedFd> OpenForRead(const std::string& path) {
  ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  return fd;
}

}  // namespace

absl::StatusOr<RecordHeader> DecodeHeader(absl::string_view bytes) {
  if (bytes.size() < RecordHeader::kBytes || Get<uint32_t>(bytes, 0) != kMagic ||
      Get<uint32_t>(bytes, kHeaderCrcAt) != Crc32c(bytes.substr(0, kHeaderCrcAt))) {
    return absl::DataLossError("not the header of a job's record");
  }
  return RecordHeader{.type = static_cast<RecordType>(Get<uint32_t>(bytes, 4)),
                      .first = Get<uint64_t>(bytes, 8),
                      .count = Get<uint64_t>(bytes, 16),
                      .failed = Get<uint32_t>(bytes, 24),
                      .body_bytes = Get<uint32_t>(bytes, 28),
                      .body_crc = Get<uint32_t>(bytes, 32)};
}

absl::StatusOr<JobFile> JobFile::Open(const std::string& path, uint64_t size) {
  ScopedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrCat("open ", path));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if (static_cast<uint64_t>(status.st_size) != size &&
      ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("truncate ", path));
  }
  return JobFile(std::move(fd), path, size);
}

absl::Status JobFile::Append(RecordHeader header, std::span<const absl::string_view> body) {
  if (broken_) return absl::DataLossError(absl::StrCat(path_, ": an earlier write has failed"));
  uint64_t bytes = 0;
  uint32_t crc = 0;
  for (const absl::string_view piece : body) {
    bytes += piece.size();
    crc = Crc32c(piece, crc);
  }
  if (bytes > RecordHeader::kBodyBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("a record of ", bytes, " bytes is too large"));
  }
  header.body_bytes = static_cast<uint32_t>(bytes);
  header.body_crc = crc;
  std::array<char, RecordHeader::kBytes> front = Encode(header);
  std::vector<iovec> parts = {{front.data(), front.size()}};
  for (const absl::string_view piece : body) {
    if (!piece.empty()) parts.push_back({const_cast<char*>(piece.data()), piece.size()});
  }
  uint64_t at = size_;
  for (size_t next = 0; next < parts.size();) {
    const ssize_t wrote = ::pwritev(fd_.get(), parts.data() + next,
                                    static_cast<int>(parts.size() - next), static_cast<off_t>(at));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const absl::Status failed = ErrnoStatus(errno, absl::StrCat("write ", path_));
      broken_ = ::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0;
      return failed;
    }
    at += static_cast<uint64_t>(wrote);
    for (auto left = static_cast<size_t>(wrote); left > 0;) {
      const size_t used = std::min(left, parts[next].iov_len);
      parts[next].iov_base = static_cast<char*>(parts[next].iov_base) + used;
      parts[next].iov_len -= used;
      left -= used;
      if (parts[next].iov_len == 0) ++next;
    }
  }
  size_ = at;
  return absl::OkStatus();
}

absl::StatusOr<ScannedFile> ScanJobFile(const std::string& path) {
  ASSIGN_OR_RETURN(const ScopedFd fd, OpenForRead(path));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  const auto end = static_cast<uint64_t>(status.st_size);
  ScannedFile scanned;
  while (scanned.size + RecordHeader::kBytes <= end) {
    const auto header = ReadHeader(fd.get(), scanned.size, path);
    if (!header.ok()) {
      if (absl::IsDataLoss(header.status())) break;
      return header.status();
    }
    const uint64_t next = scanned.size + RecordHeader::kBytes + header->body_bytes;
    if (next > end) break;
    scanned.records.push_back({*header, scanned.size});
    scanned.size = next;
  }
  while (!scanned.records.empty()) {
    const FoundRecord& last = scanned.records.back();
    const auto body = ReadBody(fd.get(), last.offset, last.header, path);
    if (body.ok()) break;
    if (!absl::IsDataLoss(body.status())) return body.status();
    scanned.size = last.offset;
    scanned.records.pop_back();
  }
  return scanned;
}

absl::StatusOr<std::string> ReadRecord(const std::string& path, uint64_t offset,
                                       RecordHeader* header) {
  ASSIGN_OR_RETURN(const ScopedFd fd, OpenForRead(path));
  ASSIGN_OR_RETURN(*header, ReadHeader(fd.get(), offset, path));
  return ReadBody(fd.get(), offset, *header, path);
}

std::string EncodeBlockFront(const RecordBlock& block) {
  std::string front(1, block.uniform() ? kUniform : kSized);
  if (block.uniform()) {
    const uint32_t size = block.uniform_size();
    front.append(reinterpret_cast<const char*>(&size), sizeof size);
    return front;
  }
  front.resize(1 + block.count() * sizeof(uint32_t));
  for (uint64_t i = 0; i < block.count(); ++i) {
    Put(front.data() + 1 + i * sizeof(uint32_t), static_cast<uint32_t>(block.Get(i).size()));
  }
  return front;
}

absl::StatusOr<std::shared_ptr<const RecordBlock>> DecodeBlock(const RecordHeader& header,
                                                               std::string body) {
  const absl::Status damaged = absl::DataLossError("a job's stored inputs are damaged");
  const bool uniform = !body.empty() && body[0] == kUniform;
  const uint64_t sizes = uniform ? 1 : header.count;
  if (body.empty() || sizes > (body.size() - 1) / sizeof(uint32_t)) return damaged;
  std::vector<uint32_t> values(sizes);
  std::memcpy(values.data(), body.data() + 1, sizes * sizeof(uint32_t));
  RecordBlock::Packed packed;
  if (uniform) {
    packed.uniform_size = values[0];
    packed.count = header.count;
  } else {
    packed.sizes = values;
  }
  packed.data = body.substr(1 + sizes * sizeof(uint32_t));
  auto block = RecordBlock::Make(std::move(packed));
  return block.ok() ? block : damaged;
}

}  // namespace center::jobs

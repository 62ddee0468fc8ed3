#include "services/coordinator/api/job_meta.h"

#include <cstdint>
#include <cstring>

#include "services/coordinator/api/spec.h"

namespace center::coordinator {

// The length of the submission (32 bits), the submission, a Job with its create_time.
std::string EncodeJobMeta(const JobEntry& job) {
  v1::Job times;
  *times.mutable_create_time() = FromTime(job.create_time);
  const std::string submission = job.submission.SerializeAsString();
  const auto size = static_cast<uint32_t>(submission.size());
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  return bytes + submission + times.SerializeAsString();
}

absl::Status DecodeJobMeta(absl::string_view bytes, JobEntry* job) {
  uint32_t size = 0;
  v1::Job times;
  if (bytes.size() >= sizeof size) {
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.remove_prefix(sizeof size);
    const absl::string_view rest = size <= bytes.size() ? bytes.substr(size) : "";
    if (size <= bytes.size() &&
        job->submission.ParseFromArray(bytes.data(), static_cast<int>(size)) &&
        times.ParseFromArray(rest.data(), static_cast<int>(rest.size()))) {
      job->create_time = absl::FromUnixSeconds(times.create_time().seconds()) +
                         absl::Nanoseconds(times.create_time().nanos());
      return absl::OkStatus();
    }
  }
  return absl::DataLossError("a stored job cannot be understood");
}

}  // namespace center::coordinator

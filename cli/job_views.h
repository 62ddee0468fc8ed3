// How jobs, their failures and tasks look to people.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "center/v1/job.pb.h"
#include "cli/output.h"

namespace center::cli {

bool HasEnded(const v1::Job& job);
// "running", "deadline exceeded".
std::string StateText(v1::JobState state);
Table::Cell StateCell(v1::JobState state);

// "5,200 of 10,000 inputs", "5,200 inputs" while they arrive still.
std::string DoneText(const v1::Job& job);
// One line about a job that has ended: "1,000 inputs in 1.2s (826/s)".
std::string EndText(const v1::Job& job);

// `wide` adds columns. `now` is for ages.
Table JobTable(const google::protobuf::RepeatedPtrField<v1::Job>& jobs, bool wide, absl::Time now);
// Which inputs have no result, and why; `more` of them are not shown.
std::string FailureText(const google::protobuf::RepeatedPtrField<v1::InputFailure>& failures,
                        uint64_t more, const Style& style);
// Everything about one job.
std::string JobText(const v1::Job& job, absl::Time now, const Style& style);
Table TaskTable(const google::protobuf::RepeatedPtrField<v1::TaskInfo>& tasks, bool wide);

}  // namespace center::cli

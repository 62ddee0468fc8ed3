// The verbs of `job` that stand in files of their own.
#pragma once

#include <initializer_list>
#include <string>

#include "CLI/CLI.hpp"
#include "cli/commands.h"
#include "cli/job_run.h"

namespace center::cli {

void AddJobSubmit(CLI::App* noun, Selection& selection);
void AddJobResults(CLI::App* noun, Selection& selection);

// One job as -o says: the table's row, everything, or its id.
absl::Status PrintJob(Context& context, const v1::Job& job);
// What is left to say of a job whose results were printed: on stderr how it went and which inputs
// failed. Ok when every input has a result, otherwise the error that the command ends with.
absl::Status Conclude(Context& context, const v1::Job& job);

}  // namespace center::cli

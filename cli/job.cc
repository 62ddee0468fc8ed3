// `job`: compute jobs over the workers of a server. `submit` and `results` are in files of their
// own.
#include "cli/job.h"

#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/consent.h"
#include "cli/flags.h"
#include "cli/job_views.h"
#include "cli/watch.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

constexpr uint32_t kJobsPerPage = 1000;

absl::Status RequireObjectFormat(Context& context) {
  return RequireFormat(
      context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml, Format::kName});
}

bool PrintsData(Format format) { return format == Format::kJson || format == Format::kYaml; }

struct ListFlags {
  std::string server;
  std::vector<std::string> states;
  std::vector<std::string> labels;
  uint64_t limit = 0;
};

absl::StatusOr<v1::ListJobsRequest> ListRequest(const ListFlags& flags) {
  v1::ListJobsRequest request;
  request.set_server(flags.server);
  request.set_page_size(kJobsPerPage);
  for (const std::string& word : flags.states) {
    std::string name = absl::StrCat("JOB_STATE_", absl::AsciiStrToUpper(word));
    for (char& c : name) c = c == '-' ? '_' : c;
    v1::JobState state;
    if (!v1::JobState_Parse(name, &state)) return UsageError(absl::StrCat("no state ", word));
    request.add_states(state);
  }
  for (const std::string& label : flags.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return UsageError(absl::StrCat("--label takes key=value, not \"", label, "\""));
    }
    (*request.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  return request;
}

absl::StatusOr<View> AskJobs(Context& context, v1::ListJobsRequest request, uint64_t limit) {
  auto all = std::make_shared<v1::ListJobsResponse>();
  const auto enough = [&] { return limit > 0 && static_cast<uint64_t>(all->jobs_size()) >= limit; };
  do {
    ASSIGN_OR_RETURN(auto page,
                     context.Call<v1::JobService>(&v1::JobService::Stub::ListJobs, request));
    request.set_page_token(page.next_page_token());
    all->mutable_jobs()->MergeFrom(page.jobs());
  } while (!request.page_token().empty() && !enough());
  while (limit > 0 && static_cast<uint64_t>(all->jobs_size()) > limit) {
    all->mutable_jobs()->RemoveLast();
  }
  View view;
  for (const v1::Job& job : all->jobs()) view.names.push_back(job.id());
  if (all->jobs().empty()) {
    view.nothing = "there are no such jobs: `centerctl job submit --help` shows how to submit one";
  }
  const bool wide = context.globals().format == Format::kWide;
  view.text = [all, wide](absl::Time now, const Style& style) {
    return JobTable(all->jobs(), wide, now).Render(style);
  };
  view.message = std::move(all);
  return view;
}

absl::Status List(Context& context, const WatchFlags& watch, const ListFlags& flags) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  ASSIGN_OR_RETURN(const v1::ListJobsRequest request, ListRequest(flags));
  return ShowView(context, watch,
                  [&](Context& asking) { return AskJobs(asking, request, flags.limit); });
}

absl::StatusOr<View> AskJob(Context& context, const std::string& id) {
  ASSIGN_OR_RETURN(v1::Job got, GetJob(context, id));
  const auto job = std::make_shared<const v1::Job>(std::move(got));
  const Format format = context.globals().format;
  View view;
  view.message = job;
  view.names = {job->id()};
  view.text = [job, format](absl::Time now, const Style& style) {
    if (format == Format::kDefault) return JobText(*job, now, style);
    google::protobuf::RepeatedPtrField<v1::Job> jobs;
    *jobs.Add() = *job;
    return JobTable(jobs, format == Format::kWide, now).Render(style);
  };
  return view;
}

absl::Status Get(Context& context, const WatchFlags& watch, const std::string& id) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  return ShowView(context, watch, [&](Context& asking) { return AskJob(asking, id); });
}

// Asks first when work that is under way would be lost.
absl::Status ConsentToCancel(Context& context, const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    const auto job = GetJob(context, id);
    if (!job.ok() || job->state() != v1::JOB_STATE_RUNNING) continue;
    RETURN_IF_ERROR(
        Confirm(context, absl::StrCat("job ", id, " runs: ", DoneText(*job), " are done")));
  }
  return absl::OkStatus();
}

absl::Status PlanCancel(Context& context, const std::vector<std::string>& ids) {
  std::vector<std::string> actions;
  for (const std::string& id : ids) {
    ASSIGN_OR_RETURN(const v1::Job job, GetJob(context, id));
    actions.push_back(job.state() == v1::JOB_STATE_RUNNING
                          ? absl::StrCat("cancel job ", id, ": ", DoneText(job), " are done")
                          : absl::StrCat("leave job ", id, " alone: it has ended"));
  }
  return PrintDryRun(context, actions);
}

absl::Status Cancel(Context& context, const std::vector<std::string>& ids, bool dry_run) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  if (dry_run) return PlanCancel(context, ids);
  RETURN_IF_ERROR(ConsentToCancel(context, ids));
  for (const std::string& id : ids) {
    v1::CancelJobRequest request;
    request.set_id(id);
    ASSIGN_OR_RETURN(const auto answer,
                     context.Call<v1::JobService>(&v1::JobService::Stub::CancelJob, request));
    context.Say(absl::StrCat("job ", id, " is cancelled: ", DoneText(answer.job()), " were done"));
    if (context.globals().format != Format::kDefault) {
      RETURN_IF_ERROR(PrintJob(context, answer.job()));
    }
  }
  return absl::OkStatus();
}

absl::Status Tasks(Context& context, const std::string& server, const std::string& only) {
  RETURN_IF_ERROR(RequireObjectFormat(context));
  v1::ListTasksRequest request;
  request.set_server(server);
  ASSIGN_OR_RETURN(auto answer,
                   context.Call<v1::JobService>(&v1::JobService::Stub::ListTasks, request));
  if (!only.empty()) {
    v1::ListTasksResponse one;
    for (const v1::TaskInfo& task : answer.tasks()) {
      if (task.name() == only) *one.add_tasks() = task;
    }
    if (one.tasks().empty()) {
      return WithHint(
          absl::NotFoundError(absl::StrCat("the workers of ", server, " have no task ", only)),
          absl::StrCat("`centerctl job tasks --server ", server, "` shows what there is."));
    }
    answer = one;
  }
  const Format format = context.globals().format;
  if (PrintsData(format)) {
    ASSIGN_OR_RETURN(const std::string text, Render(answer, format));
    context.out().Append(text);
  } else if (format == Format::kName) {
    for (const v1::TaskInfo& task : answer.tasks()) context.out().Append(task.name() + "\n");
  } else if (only.empty()) {
    context.out().Append(
        TaskTable(answer.tasks(), format == Format::kWide).Render(context.out_style()));
    context.Say("\n`centerctl job tasks NAME` tells how to use one.");
  } else {
    const v1::TaskInfo& task = answer.tasks(0);
    context.out().Append(
        absl::StrCat(context.out_style()(Color::kBold, task.name()), ": ", task.summary(), "\n\n",
                     absl::StripTrailingAsciiWhitespace(task.help()), "\n",
                     task.module().empty() ? "" : absl::StrCat("\nFrom ", task.module(), "\n")));
  }
  return absl::OkStatus();
}

void AddList(CLI::App* noun, Selection& selection) {
  CLI::App* list = noun->add_subcommand("list", "List the jobs, the newest first");
  auto flags = std::make_shared<ListFlags>();
  list->add_option("--server", flags->server, "Only jobs on this server")->type_name("NAME");
  list->add_option("--state", flags->states, "Only jobs in this state; may be repeated")
      ->type_name("running|succeeded|failed|cancelled|deadline-exceeded")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CLI::IsMember({"running", "succeeded", "failed", "cancelled", "deadline-exceeded"})
                  .description(""));
  list->add_option("--label", flags->labels, "Only jobs with this label; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  list->add_option("--limit", flags->limit, "At most so many (default 0: all)")
      ->type_name("N")
      ->check(WholeNumber());
  auto watch = AddWatchFlags(list);
  list->footer(
      "Examples:\n"
      "  centerctl job list --state running --watch\n"
      "  centerctl job list --label team=ops -o wide");
  OnSelected(list, selection, [=](Context& context) { return List(context, *watch, *flags); });
}

void AddTasks(CLI::App* noun, Selection& selection) {
  CLI::App* tasks = noun->add_subcommand("tasks", "List the tasks that a server's workers have");
  auto server = std::make_shared<std::string>("default");
  auto only = std::make_shared<std::string>();
  tasks->add_option("TASK", *only, "Show how to use this one")->type_name("TASK");
  tasks->add_option("--server", *server, "The server (default: \"default\")")->type_name("NAME");
  tasks->footer(
      "Examples:\n"
      "  centerctl job tasks\n"
      "  centerctl job tasks exec");
  OnSelected(tasks, selection, [=](Context& context) { return Tasks(context, *server, *only); });
}

}  // namespace

absl::Status PrintJob(Context& context, const v1::Job& job) {
  const Format format = context.globals().format;
  if (PrintsData(format)) {
    ASSIGN_OR_RETURN(const std::string text, Render(job, format));
    context.out().Append(text);
  } else if (format == Format::kTable || format == Format::kWide) {
    google::protobuf::RepeatedPtrField<v1::Job> jobs;
    *jobs.Add() = job;
    context.out().Append(JobTable(jobs, format == Format::kWide, context.clock().Wall())
                             .Render(context.out_style()));
  } else {
    context.out().Append(absl::StrCat(job.id(), "\n"));
  }
  return absl::OkStatus();
}

absl::Status Conclude(Context& context, const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_SUCCEEDED) {
    context.Say(absl::StrCat("job ", job.id(), " succeeded: ", EndText(job), " on ", job.workers(),
                             job.workers() == 1 ? " worker" : " workers"));
    return absl::OkStatus();
  }
  if (job.failures_size() > 0) {
    const auto shown = static_cast<uint64_t>(job.failures_size());
    const uint64_t more = job.inputs_failed() > shown ? job.inputs_failed() - shown : 0;
    const std::string text = FailureText(job.failures(), more, context.err_style());
    context.Warn(absl::StripSuffix(text, "\n"));
  }
  std::string message = absl::StrCat("job ", job.id(), " ");
  if (job.state() == v1::JOB_STATE_FAILED) {
    absl::StrAppend(&message, "failed: ", FormatCount(job.inputs_failed()), " of ",
                    FormatCount(job.inputs()), job.inputs() == 1 ? " input" : " inputs",
                    job.inputs_failed() == 1 ? " has" : " have", " no result");
  } else {
    absl::StrAppend(
        &message,
        job.state() == v1::JOB_STATE_CANCELLED ? "was cancelled" : "exceeded its deadline",
        " after ", DoneText(job));
  }
  if (!job.detail().empty()) absl::StrAppend(&message, ": ", job.detail());
  return WithHint(absl::AbortedError(message),
                  absl::StrCat("`centerctl job get ", job.id(), "` tells more."));
}

void AddJobCommands(CLI::App& root, Selection& selection) {
  CLI::App* noun = root.add_subcommand("job", "Run a task over many inputs on a server's workers");
  noun->require_subcommand(0, 1);
  AddJobSubmit(noun, selection);
  AddList(noun, selection);

  CLI::App* get = noun->add_subcommand("get", "Show a job and its failures");
  auto get_id = std::make_shared<std::string>();
  get->add_option("JOB", *get_id, "Its id")->type_name("JOB")->required();
  auto get_watch = AddWatchFlags(get);
  get->footer(
      "Examples:\n"
      "  centerctl job get j1\n"
      "  centerctl job get j1 -o json\n"
      "  centerctl job get j1 --watch");
  OnSelected(get, selection, [=](Context& context) { return Get(context, *get_watch, *get_id); });

  AddJobResults(noun, selection);

  CLI::App* cancel = noun->add_subcommand("cancel", "Cancel jobs; results that they have stay");
  auto cancel_ids = std::make_shared<std::vector<std::string>>();
  cancel->add_option("JOB", *cancel_ids, "Ids")->type_name("JOB...")->required();
  auto dry_run = AddDryRun(cancel);
  cancel->footer(
      "It returns when no worker runs any of it.\n"
      "\n"
      "Examples:\n"
      "  centerctl job cancel j1\n"
      "  centerctl job cancel $(centerctl job list --state running -o name)");
  OnSelected(cancel, selection,
             [=](Context& context) { return Cancel(context, *cancel_ids, *dry_run); });
  AddTasks(noun, selection);
}

}  // namespace center::cli

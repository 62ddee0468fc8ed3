// `job submit`.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "center/v1/job.grpc.pb.h"
#include "cli/consent.h"
#include "cli/flags.h"
#include "cli/job.h"
#include "cli/job_output.h"
#include "cli/job_plan.h"
#include "cli/job_progress.h"
#include "cli/job_views.h"
#include "cli/signals.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr char kFooter[] =
    "Inputs:\n"
    "  --range A:B    the whole numbers from A to B - 1, as in Python: 0:10 are ten inputs\n"
    "  --inputs FILE  each line of the file, without its line feed; - is stdin; with -0 each "
    "record\n"
    "                 that ends with NUL\n"
    "  --payloads     payloads that a server has stored; --from, --kind, --contains, --regex and\n"
    "                 --limit choose\n"
    "  -- WORD...     each word is an input. Beside one of the above, and for exec, words are\n"
    "                 the task's arguments instead: exec runs them as a program once for each\n"
    "                 input, which stands where they say {}\n"
    "\n"
    "Results are printed as they come (--ordered: in the order of the inputs), each on a line of\n"
    "visible text; -o wide puts the input's index before it, -o raw prints the result's bytes and "
    "a\n"
    "line feed, -o json an object a line, the job last. With --detach and --no-results the job is\n"
    "printed instead. The exit code is 1 when inputs failed. Ctrl-C cancels the job.\n"
    "\n"
    "Examples:\n"
    "  centerctl job submit sha256 --inputs names.txt --ordered -o raw\n"
    "  centerctl job submit countdown --range 0:20000 --no-results\n"
    "  centerctl job submit wordcount --payloads --from 1h\n"
    "  find . -name '*.png' -print0 |\n"
    "    centerctl job submit exec --inputs - -0 -- convert {} {}.webp\n"
    "  centerctl job submit primes --detach -- 1000003 1000033";

absl::Status RequireSubmitFormat(Context& context, const SubmitFlags& flags) {
  if (flags.detach || flags.no_results) {
    return RequireFormat(
        context, {Format::kTable, Format::kWide, Format::kJson, Format::kYaml, Format::kName});
  }
  return RequireFormat(context, {Format::kTable, Format::kWide, Format::kJson, Format::kRaw});
}

// Whether the server has the task, and what would be sent.
absl::Status PlanOnly(Context& context, const SubmitFlags& flags, const SubmitPlan& plan) {
  v1::ListTasksRequest request;
  request.set_server(flags.server);
  ASSIGN_OR_RETURN(const auto tasks,
                   context.Call<v1::JobService>(&v1::JobService::Stub::ListTasks, request));
  const bool known =
      std::any_of(tasks.tasks().begin(), tasks.tasks().end(),
                  [&](const v1::TaskInfo& task) { return task.name() == flags.task; });
  if (!known) {
    return WithHint(
        absl::NotFoundError(
            absl::StrCat("the workers of ", flags.server, " have no task ", flags.task)),
        absl::StrCat("`centerctl job tasks --server ", flags.server, "` shows what there is."));
  }
  std::string inputs = "one input";
  if (flags.payloads) inputs = "stored payloads";
  if (!flags.range.empty()) inputs = absl::StrCat("the numbers of ", flags.range);
  if (!plan.inputs_path.empty()) inputs = absl::StrCat("the records of ", plan.inputs_path);
  if (plan.inputs.has_value()) {
    inputs = Counted(static_cast<uint64_t>(plan.inputs->sizes_size()), "word", "words");
  }
  return PrintDryRun(context, {absl::StrCat("run task ", flags.task, " over ", inputs,
                                            " on server ", flags.server)});
}

absl::Status Submit(Context& context, const SubmitFlags& flags,
                    const std::vector<std::string>& words) {
  RETURN_IF_ERROR(RequireSubmitFormat(context, flags));
  ASSIGN_OR_RETURN(SubmitPlan plan, PlanSubmission(flags, words, context.clock().Wall()));
  if (flags.dry_run) return PlanOnly(context, flags, plan);
  ASSIGN_OR_RETURN(JobLog log, JobLog::Open(flags.joblog));
  ScopedFd file;
  std::unique_ptr<RecordReader> reader;
  if (!plan.inputs_path.empty()) {
    const bool is_stdin = plan.inputs_path == "-";
    if (!is_stdin) {
      file = ScopedFd(::open(plan.inputs_path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!file.valid()) return ErrnoStatus(errno, absl::StrCat("open ", plan.inputs_path));
    }
    reader = std::make_unique<RecordReader>(is_stdin ? context.dependencies().in_fd : file.get(),
                                            flags.nul_separated ? '\0' : '\n',
                                            is_stdin ? "stdin" : plan.inputs_path);
  }

  ResultPrinter printer(context, context.globals().format, std::move(log));
  JobProgress progress(context);
  JobListener listener;
  bool told = false;
  listener.on_job = [&](const v1::Job& job) {
    if (!std::exchange(told, true) && !flags.detach) context.Say(absl::StrCat("job ", job.id()));
    progress.Update(job);
  };
  listener.on_results = [&](const v1::ResultBatch& batch) {
    if (context.out().is_terminal()) progress.Hide();
    return printer.Print(batch);
  };
  JobRun run(context, plan.submission, std::move(listener));
  if (reader != nullptr) run.SetInputs(reader.get());
  if (plan.inputs.has_value()) run.SetInputs(std::move(*plan.inputs));
  SignalWatcher watcher([&](int count) { run.Interrupt(count); });
  const auto job = run.Run();
  progress.Hide();
  RETURN_IF_ERROR(job.status());

  if (flags.detach) {
    context.Say(absl::StrCat("job ", job->id(), " runs on; `centerctl job results ", job->id(),
                             " --follow` shows its results"));
    return PrintJob(context, *job);
  }
  if (flags.no_results) {
    if (context.globals().format != Format::kDefault) RETURN_IF_ERROR(PrintJob(context, *job));
  } else {
    RETURN_IF_ERROR(printer.PrintJob(*job));
  }
  const absl::Status concluded = Conclude(context, *job);
  if (!run.interrupted() || concluded.ok()) return concluded;
  context.Warn(Explain(concluded));
  return QuietExit(kExitInterrupted);
}

void AddInputFlags(CLI::App* submit, SubmitFlags& flags) {
  submit->add_option("--range", flags.range, "Whole numbers as inputs, from A to B - 1")
      ->type_name("A:B");
  submit->add_option("--inputs", flags.inputs, "Lines of a file as inputs; - is stdin")
      ->type_name("FILE");
  submit->add_flag("-0,--null", flags.nul_separated, "Inputs of the file end with NUL, not LF");
  submit->add_flag("--payloads", flags.payloads, "Stored payloads as inputs");
  submit
      ->add_option("--payload-server", flags.payload_server,
                   "Whose payloads (default: of the server that runs the job)")
      ->type_name("NAME");
  submit
      ->add_option("--from", flags.from,
                   "The first payload: earliest (the default), a time, 10m ago as 10m, cursor:FILE")
      ->type_name("PLACE");
  AddFilterFlags(*submit, flags.filter);
  submit->add_option("--limit", flags.limit, "At most so many payloads (default 0: all)")
      ->type_name("N")
      ->check(WholeNumber());
}

// A duration that is left out stays so.
void AddOptionalDuration(CLI::App* submit, const char* name,
                         absl::optional<absl::Duration>* duration, const char* description) {
  auto value = std::make_shared<absl::Duration>();
  AddDuration(*submit, name, value.get(), description)->each([value, duration](const std::string&) {
    *duration = *value;
  });
}

void AddRunFlags(CLI::App* submit, SubmitFlags& flags) {
  submit->add_flag("--dry-run", flags.dry_run, "Only say what would be done");
  submit->add_flag("--ordered", flags.ordered, "Results in the order of the inputs");
  submit->add_flag("--wait", flags.wait, "Wait for the end and print results (the default)");
  submit->add_flag("--detach", flags.detach,
                   "Return when all inputs have arrived; the job goes on by itself");
  submit->add_flag("--no-results", flags.no_results,
                   "Wait, but print no results; `job results` can later");
  submit->add_flag("--discard", flags.discard,
                   "Results are not kept once they are printed: for jobs with very many");
  submit
      ->add_option("--priority", flags.priority,
                   "Jobs of a higher one go first, -100 to 100 (default 0)")
      ->type_name("N")
      ->check(CLI::Range(-100, 100).description(""));
  AddOptionalDuration(submit, "--deadline", &flags.deadline,
                      "End the job this long after its submission (default: never)");
  AddOptionalDuration(submit, "--input-timeout", &flags.input_timeout,
                      "An input that takes longer fails (default: no limit)");
  submit
      ->add_option("--retry-limit", flags.retry_limit,
                   "How often inputs are tried again after their worker was killed (default 10)")
      ->type_name("N")
      ->check(WholeNumber(0, 1000));
  AddOptionalDuration(submit, "--result-ttl", &flags.result_ttl,
                      "How long results are kept after the end (default 1h)");
  submit->add_option("--label", flags.labels, "For people and `job list`; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  submit
      ->add_option("--joblog", flags.joblog,
                   "Write a line for each input: what became of it, tab-separated")
      ->type_name("FILE");
}

}  // namespace

void AddJobSubmit(CLI::App* noun, Selection& selection) {
  CLI::App* submit = noun->add_subcommand("submit", "Run a task over inputs");
  auto flags = std::make_shared<SubmitFlags>();
  submit->add_option("TASK", flags->task, "The task: `job tasks` shows what there is")
      ->type_name("TASK")
      ->required();
  submit->add_option("--server", flags->server, "Whose workers run it (default: \"default\")")
      ->type_name("NAME");
  AddInputFlags(submit, *flags);
  AddRunFlags(submit, *flags);
  submit->footer(kFooter);
  selection.word_commands.push_back(submit);
  OnSelected(submit, selection, [flags, &selection](Context& context) {
    return Submit(context, *flags, selection.words);
  });
}

}  // namespace center::cli

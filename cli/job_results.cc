// `job results`.
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "cli/flags.h"
#include "cli/job.h"
#include "cli/job_output.h"
#include "cli/job_views.h"
#include "cli/retry.h"
#include "cli/signals.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"
#include "services/common/text.h"

namespace center::cli {
namespace {

struct ResultsFlags {
  std::string id;
  bool ordered = false;
  bool follow = false;
  uint64_t from = 0;
  std::string joblog;
};

// Reads a job's results, once each, across lost connections.
class ResultsReader {
 public:
  ResultsReader(Context& context, const ResultsFlags& flags, ResultPrinter& printer)
      : context_(context), printer_(printer), reconnector_(context) {
    request_.set_id(flags.id);
    request_.set_ordered(flags.ordered);
    request_.set_follow(flags.follow);
    request_.set_position(flags.from);
  }

  absl::Status Run() {
    ASSIGN_OR_RETURN(const auto channel, context_.Channel());
    const auto stub = v1::JobService::NewStub(channel);
    for (;;) {
      grpc::ClientContext call;
      SetCall(&call);
      const auto stream = stub->StreamResults(&call, request_);
      v1::StreamResultsResponse response;
      absl::Status printed;
      while (printed.ok() && stream->Read(&response)) {
        reconnector_.OnProgress();
        printed = printer_.Print(response.results());
        if (printed.ok()) request_.set_position(response.results().next_position());
      }
      if (!printed.ok()) call.TryCancel();
      const absl::Status status = rpc::FromGrpc(stream->Finish());
      SetCall(nullptr);
      RETURN_IF_ERROR(printed);
      if (reconnector_.stopped()) return QuietExit(kExitInterrupted);
      if (status.ok()) return status;
      if (!reconnector_.ShouldRetry(status)) {
        return reconnector_.stopped() ? QuietExit(kExitInterrupted)
                                      : FromRpc(status, context_.address());
      }
    }
  }

  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    reconnector_.Stop();
    if (call_ != nullptr) call_->TryCancel();
  }

  uint64_t position() const { return request_.position(); }

 private:
  void SetCall(grpc::ClientContext* call) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    call_ = call;
    if (call != nullptr && reconnector_.stopped()) call->TryCancel();
  }

  Context& context_;
  ResultPrinter& printer_;
  Reconnector reconnector_;
  v1::StreamResultsRequest request_;
  absl::Mutex mutex_;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

absl::Status Results(Context& context, const ResultsFlags& flags) {
  RETURN_IF_ERROR(
      RequireFormat(context, {Format::kTable, Format::kWide, Format::kJson, Format::kRaw}));
  ASSIGN_OR_RETURN(JobLog log, JobLog::Open(flags.joblog));
  ResultPrinter printer(context, context.globals().format, std::move(log));
  ResultsReader reader(context, flags, printer);
  SignalWatcher watcher([&](int) { reader.Interrupt(); });
  RETURN_IF_ERROR(reader.Run());
  ASSIGN_OR_RETURN(const v1::Job job, GetJob(context, flags.id));
  if (HasEnded(job)) {
    RETURN_IF_ERROR(printer.PrintJob(job));
    return Conclude(context, job);
  }
  context.Say(absl::StrCat("job ", job.id(), " is running: ", DoneText(job), " done; --from ",
                           reader.position(), " goes on behind these results, --follow waits"));
  return absl::OkStatus();
}

}  // namespace

void AddJobResults(CLI::App* noun, Selection& selection) {
  CLI::App* results = noun->add_subcommand("results", "Print the results of a job");
  auto flags = std::make_shared<ResultsFlags>();
  results->add_option("JOB", flags->id, "Its id")->type_name("JOB")->required();
  results->add_flag("--ordered", flags->ordered, "In the order of the inputs");
  results->add_flag("-f,--follow", flags->follow, "Go on until the job has ended");
  results
      ->add_option("--from", flags->from,
                   "Go on at this position, as an earlier call told it (default 0: the first)")
      ->type_name("POSITION")
      ->check(WholeNumber());
  results
      ->add_option("--joblog", flags->joblog,
                   "Write a line for each input: what became of it, tab-separated")
      ->type_name("FILE");
  results->footer(
      "They are printed as `job submit` does. The exit code is 1 when the job has ended and "
      "inputs\n"
      "failed. A broken line to the coordinator is made again; nothing is printed twice.\n"
      "\n"
      "Examples:\n"
      "  centerctl job results j1 --ordered -o raw\n"
      "  centerctl job results j1 --follow -o json");
  OnSelected(results, selection, [flags](Context& context) { return Results(context, *flags); });
}

}  // namespace center::cli

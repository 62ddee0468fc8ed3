#include "cli/top_feed.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cli/views.h"
#include "services/common/rpc/status.h"
#include "services/common/status_macros.h"

namespace center::cli {
namespace {

constexpr uint32_t kServersPageSize = 1000;
constexpr uint32_t kClientsPageSize = 1000;
constexpr uint32_t kSubscriptionsPageSize = 1000;

}  // namespace

// One round. Guarded by the feed's mutex, but for what a single answer writes.
struct TopFeed::Round {
  size_t open = 1;  // calls that have not ended, and StartRound itself
  TopAnswer answer;
  absl::Status status;
  std::vector<std::shared_ptr<grpc::ClientContext>> calls;
};

struct TopFeed::EventStream {
  grpc::ClientContext call;
  std::unique_ptr<grpc::ClientAsyncReader<v1::WatchEventsResponse>> reader;
  v1::WatchEventsResponse response;
  grpc::Status status;
};

absl::StatusOr<std::unique_ptr<TopFeed>> TopFeed::Create(Context& context, Options options) {
  ASSIGN_OR_RETURN(auto channel, context.Channel());
  ScopedFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.valid()) return ErrnoStatus(errno, "eventfd");
  return std::unique_ptr<TopFeed>(
      new TopFeed(context, options, std::move(channel), std::move(wake)));
}

TopFeed::TopFeed(Context& context, Options options, std::shared_ptr<grpc::Channel> channel,
                 ScopedFd wake)
    : context_(context),
      options_(options),
      channel_(std::move(channel)),
      servers_(v1::ServerService::NewStub(channel_)),
      clients_(v1::ClientService::NewStub(channel_)),
      jobs_(v1::JobService::NewStub(channel_)),
      payloads_(v1::PayloadService::NewStub(channel_)),
      events_(v1::EventService::NewStub(channel_)),
      wake_(std::move(wake)) {
  watch_.set_follow(options.follow_events);
  *watch_.mutable_since_time() = ToProto(context.clock().Wall() - kTopEventsAge);
  thread_ = std::thread([this] { RunQueue(); });
}

TopFeed::~TopFeed() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    if (round_ != nullptr) {
      for (const auto& call : round_->calls) call->TryCancel();
    }
    if (stream_ != nullptr) stream_->call.TryCancel();
    const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return open_ == 0; };
    mutex_.Await(absl::Condition(&idle));
  }
  queue_.Shutdown();
  thread_.join();
}

void TopFeed::RunQueue() {
  void* tag = nullptr;
  for (bool ok = false; queue_.Next(&tag, &ok);) {
    const std::unique_ptr<Tag> done(static_cast<Tag*>(tag));
    (*done)(ok);
  }
}

bool TopFeed::asking() const {
  absl::MutexLock lock(&mutex_);
  return round_ != nullptr;
}

template <typename Request, typename Response>
void TopFeed::Ask(const std::shared_ptr<Round>& round, const Request& request,
                  const std::function<std::unique_ptr<grpc::ClientAsyncResponseReader<Response>>(
                      grpc::ClientContext*, const Request&)>& call,
                  std::function<void(Response&)> on_answer) {
  struct Question {
    grpc::ClientContext call;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
    Response response;
    grpc::Status status;
  };
  auto question = std::make_shared<Question>();
  Context::SetDeadline(question->call, context_.globals().timeout);
  {
    absl::MutexLock lock(&mutex_);
    if (closing_) return;
    ++open_;
    ++round->open;
    round->calls.emplace_back(question, &question->call);
  }
  question->reader = call(&question->call, request);
  auto done =
      std::make_unique<Tag>([this, round, question, on_answer = std::move(on_answer)](bool /*ok*/) {
        if (question->status.ok()) on_answer(question->response);
        absl::MutexLock lock(&mutex_);
        --open_;
        Finish(round, rpc::FromGrpc(question->status));
      });
  question->reader->Finish(&question->response, &question->status, done.release());
}

void TopFeed::Finish(const std::shared_ptr<Round>& round, const absl::Status& status) {
  // A server that is gone since the last round, or a coordinator without that service.
  if (!absl::IsNotFound(status) && !absl::IsUnimplemented(status)) round->status.Update(status);
  if (--round->open > 0) return;
  round->calls.clear();
  round_ = nullptr;
  server_names_.clear();
  for (const v1::Server& server : round->answer.servers) server_names_.push_back(server.name());
  if (round->status.ok()) {
    news_.answer = std::move(round->answer);
  } else {
    news_.answer = FromRpc(round->status, context_.address());
  }
  Wake();
}

void TopFeed::AskServers(const std::shared_ptr<Round>& round, const std::string& page_token) {
  v1::ListServersRequest request;
  request.set_page_size(kServersPageSize);
  request.set_page_token(page_token);
  Ask<v1::ListServersRequest, v1::ListServersResponse>(
      round, request,
      [this](grpc::ClientContext* call, const v1::ListServersRequest& asked) {
        return servers_->AsyncListServers(call, asked, &queue_);
      },
      [this, round](v1::ListServersResponse& response) {
        round->answer.steady = context_.clock().Steady();
        round->answer.time = context_.clock().Wall();
        for (v1::Server& server : *response.mutable_servers()) {
          round->answer.servers.push_back(std::move(server));
        }
        if (!response.next_page_token().empty()) AskServers(round, response.next_page_token());
      });
}

void TopFeed::AskClients(const std::shared_ptr<Round>& round, const std::string& page_token) {
  v1::ListClientsRequest request;
  request.set_page_size(kClientsPageSize);
  request.set_page_token(page_token);
  Ask<v1::ListClientsRequest, v1::ListClientsResponse>(
      round, request,
      [this](grpc::ClientContext* call, const v1::ListClientsRequest& asked) {
        return clients_->AsyncListClients(call, asked, &queue_);
      },
      [this, round](v1::ListClientsResponse& response) {
        for (v1::Client& client : *response.mutable_clients()) {
          round->answer.clients.push_back(std::move(client));
        }
        if (!response.next_page_token().empty()) AskClients(round, response.next_page_token());
      });
}

void TopFeed::AskJobs(const std::shared_ptr<Round>& round) {
  v1::ListJobsRequest request;
  request.set_page_size(kTopJobsMax);
  Ask<v1::ListJobsRequest, v1::ListJobsResponse>(
      round, request,
      [this](grpc::ClientContext* call, const v1::ListJobsRequest& asked) {
        return jobs_->AsyncListJobs(call, asked, &queue_);
      },
      [round](v1::ListJobsResponse& response) {
        for (v1::Job& job : *response.mutable_jobs()) {
          round->answer.jobs.push_back(std::move(job));
        }
      });
}

void TopFeed::AskSubscriptions(const std::shared_ptr<Round>& round, const std::string& server) {
  v1::ListSubscriptionsRequest request;
  request.set_server(server);
  request.set_page_size(kSubscriptionsPageSize);
  Ask<v1::ListSubscriptionsRequest, v1::ListSubscriptionsResponse>(
      round, request,
      [this](grpc::ClientContext* call, const v1::ListSubscriptionsRequest& asked) {
        return payloads_->AsyncListSubscriptions(call, asked, &queue_);
      },
      [this, round](v1::ListSubscriptionsResponse& response) {
        absl::MutexLock lock(&mutex_);
        for (v1::Subscription& subscription : *response.mutable_subscriptions()) {
          round->answer.subscriptions.push_back(std::move(subscription));
        }
      });
}

void TopFeed::StartRound() {
  const auto round = std::make_shared<Round>();
  std::vector<std::string> names;
  {
    absl::MutexLock lock(&mutex_);
    round_ = round;
    names = server_names_;
  }
  AskServers(round, "");
  Ask<v1::GetCoordinatorRequest, v1::GetCoordinatorResponse>(
      round, {},
      [this](grpc::ClientContext* call, const v1::GetCoordinatorRequest& asked) {
        return servers_->AsyncGetCoordinator(call, asked, &queue_);
      },
      [round](v1::GetCoordinatorResponse& response) {
        round->answer.coordinator = std::move(*response.mutable_coordinator());
      });
  AskClients(round, "");
  AskJobs(round);
  for (size_t i = 0; i < std::min(names.size(), kTopSubscriptionServersMax); ++i) {
    AskSubscriptions(round, names[i]);
  }
  absl::MutexLock lock(&mutex_);
  Finish(round, absl::OkStatus());
}

void TopFeed::StartEvents() {
  const auto stream = std::make_shared<EventStream>();
  v1::WatchEventsRequest request;
  {
    absl::MutexLock lock(&mutex_);
    ++open_;
    stream_ = stream;
    request = watch_;
  }
  // Begins to read when it has begun, and goes on from there.
  stream->reader = events_->PrepareAsyncWatchEvents(&stream->call, request, &queue_);
  stream->reader->StartCall(new Tag([this, stream](bool ok) { OnEvent(stream, ok); }));
}

void TopFeed::OnEvent(const std::shared_ptr<EventStream>& stream, bool ok) {
  if (!ok) {
    // How it ended does not matter: where the coordinator is away the round says so, too.
    stream->reader->Finish(&stream->status, new Tag([this, stream](bool /*ok*/) {
      absl::MutexLock lock(&mutex_);
      --open_;
      news_.events_ended = true;
      Wake();
    }));
    return;
  }
  if (stream->response.has_event()) {
    absl::MutexLock lock(&mutex_);
    watch_.clear_since_time();
    watch_.set_since_id(stream->response.event().id());
    news_.events.push_back(std::move(*stream->response.mutable_event()));
    Wake();
  }
  stream->response.Clear();
  stream->reader->Read(&stream->response,
                       new Tag([this, stream](bool read) { OnEvent(stream, read); }));
}

void TopFeed::Wake() const {
  const uint64_t one = 1;
  // Only a full counter refuses, and then fd() is readable anyway.
  if (::write(wake_.get(), &one, sizeof(one)) != sizeof(one)) return;
}

TopFeed::News TopFeed::Take() {
  uint64_t count = 0;
  if (::read(wake_.get(), &count, sizeof(count)) != sizeof(count)) count = 0;  // nothing is new
  absl::MutexLock lock(&mutex_);
  return std::exchange(news_, News());
}

}  // namespace center::cli

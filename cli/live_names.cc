#include "cli/live_names.h"

#include "center/v1/client.grpc.pb.h"
#include "center/v1/job.grpc.pb.h"
#include "center/v1/payload.grpc.pb.h"
#include "center/v1/server.grpc.pb.h"
#include "cli/context_file.h"

namespace center::cli {
namespace {

constexpr uint32_t kNamesMax = 1000;

// The names in a page of a list; a coordinator that does not answer has none.
template <typename Service, typename Request, typename Response, typename NamesOf>
std::vector<std::string> Names(Context& context,
                               grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                     const Request&, Response*),
                               NamesOf&& names_of) {
  Request request;
  request.set_page_size(kNamesMax);
  const auto response = context.Call<Service>(method, request, kLiveNamesTimeout);
  std::vector<std::string> names;
  if (response.ok()) names_of(*response, &names);
  return names;
}

}  // namespace

LiveNames MakeLiveNames(Context& context) {
  return [&context](LiveName kind) -> std::vector<std::string> {
    using Out = std::vector<std::string>;
    switch (kind) {
      case LiveName::kServer:
        return Names<v1::ServerService>(context, &v1::ServerService::Stub::ListServers,
                                        [](const v1::ListServersResponse& response, Out* out) {
                                          for (const v1::Server& server : response.servers())
                                            out->push_back(server.name());
                                        });
      case LiveName::kWorker:
        return Names<v1::ServerService>(context, &v1::ServerService::Stub::ListWorkers,
                                        [](const v1::ListWorkersResponse& response, Out* out) {
                                          for (const v1::Worker& worker : response.workers())
                                            out->push_back(worker.name());
                                        });
      case LiveName::kClient:
        return Names<v1::ClientService>(context, &v1::ClientService::Stub::ListClients,
                                        [](const v1::ListClientsResponse& response, Out* out) {
                                          for (const v1::Client& client : response.clients())
                                            out->push_back(client.name());
                                        });
      case LiveName::kJob:
        return Names<v1::JobService>(context, &v1::JobService::Stub::ListJobs,
                                     [](const v1::ListJobsResponse& response, Out* out) {
                                       for (const v1::Job& job : response.jobs())
                                         out->push_back(job.id());
                                     });
      case LiveName::kContext: {
        const auto file = ReadContextFile();
        Out names;
        if (!file.ok()) return names;
        for (const NamedContext& named : file->contexts) names.push_back(named.name);
        return names;
      }
      case LiveName::kSubscription:
        return Names<v1::PayloadService>(
            context, &v1::PayloadService::Stub::ListSubscriptions,
            [](const v1::ListSubscriptionsResponse& response, Out* out) {
              for (const v1::Subscription& subscription : response.subscriptions()) {
                out->push_back(subscription.name());
              }
            });
    }
    return {};
  };
}

}  // namespace center::cli

#include "services/coordinator/api/coordinator.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/fd.h"
#include "services/common/log.h"
#include "services/common/rpc/server.h"
#include "services/common/status_macros.h"
#include "services/coordinator/api/client_fleet.h"
#include "services/coordinator/api/client_service.h"
#include "services/coordinator/api/coordinator_cluster.h"
#include "services/coordinator/api/coordinator_paths.h"
#include "services/coordinator/api/coordinator_run.h"
#include "services/coordinator/api/data_dir.h"
#include "services/coordinator/api/event_service.h"
#include "services/coordinator/api/fleet.h"
#include "services/coordinator/api/fleet_applier.h"
#include "services/coordinator/api/handover_server.h"
#include "services/coordinator/api/job_manager.h"
#include "services/coordinator/api/job_service.h"
#include "services/coordinator/api/listener.h"
#include "services/coordinator/api/orphan_reaper.h"
#include "services/coordinator/api/process_identity.h"
#include "services/coordinator/api/registry_service.h"
#include "services/coordinator/api/server_service.h"
#include "services/coordinator/api/stack_helper.h"
#include "services/coordinator/api/subscriptions.h"
#include "services/coordinator/relay/payload_relay.h"
#include "services/coordinator/supervision/event_loop.h"
#include "services/coordinator/supervision/oom.h"
#include "services/coordinator/supervision/slot.h"

namespace center::coordinator {
namespace {

// After a second signal: workers close their connections and flush, and the supervisor kills those
// that have not ended within its grace. Longer than that, so that none outlives us unseen.
constexpr SteadyDuration kStopNowTimeout =
    supervision::SlotLimits{}.drain_grace + std::chrono::seconds(3);
// Calls that are still open when all workers have ended.
constexpr auto kCallsTimeout = std::chrono::seconds(1);

}  // namespace

// In the order of construction: what comes later uses what comes before.
struct Coordinator::Parts {
  Parts(CoordinatorOptions given, DataDir dir, std::unique_ptr<state::Store> opened,
        std::unique_ptr<jobs::JobStore> opened_jobs, Post* post_of_jobs,
        std::unique_ptr<kube::Cluster> connected)
      : options(std::move(given)),
        data_dir(std::move(dir)),
        store(std::move(opened)),
        job_store(std::move(opened_jobs)),
        cluster(std::move(connected)),
        launcher(loop.context()),
        events(*store, RealClock()),
        oom([](const std::string& path) { return ReadSmallFile(path); }, RealClock()),
        oom_timer(loop,
                  [this] {
                    oom.Sample();
                    return RealClock().Steady() + supervision::OomWatch::kSampleInterval;
                  }),
        stacks({.program = options.stacks_program, .timeout = options.stacks_timeout}, post),
        listener(post),
        reaper(post),
        timer(loop, [this] { return fleet.OnTimer(); }),
        stop_timer(loop,
                   [this] {
                     spdlog::warn("workers have not ended in time; they are left alone");
                     EndServing();
                     return SteadyTime::max();
                   }),
        job_timer(loop, [this] { return jobs.OnTimer(); }),
        jobs(JobDependencies(), options.jobs),
        fleet(MakeDependencies(), Launching()),
        client_timer(loop, [this] { return clients.OnTimer(); }),
        clients(ClientDependencies(
                    MakeDependencies(), [this](SteadyTime when) { client_timer.ArmBy(when); },
                    [this](const std::string& name) { return fleet.FindTarget(name); }),
                Launching()),
        apply_timer(loop, [this] { return applier.OnTimer(); }),
        applier({.fleet = &fleet,
                 .clients = &clients,
                 .clock = &RealClock(),
                 .post = post,
                 .arm_timer = [this](SteadyTime when) { apply_timer.ArmBy(when); },
                 .tell = tell_reloaded}),
        duties(DutyDependencies()),
        server_service(fleet, post, self),
        registry_service(fleet, post),
        event_service(events, post),
        job_service(jobs, post),
        client_service(clients, post),
        client_registry_service(clients, post),
        relay(directory, MakeSubscriptionStore(*store, RealClock()),
              [this](absl::string_view server) {
                loop.Post([this, name = std::string(server)] { fleet.OnCommitted(name); });
              },
              {.connect = rpc::ConnectorWith(options.tls)}) {
    *post_of_jobs = post;
  }

  ~Parts() {
    if (ending.joinable()) ending.join();
  }

  Fleet::Dependencies MakeDependencies() {
    return {
        .launcher = &launcher,
        .clock = &RealClock(),
        .store = store.get(),
        .directory = &directory,
        .events = &events,
        .post = post,
        .arm_timer = [this](SteadyTime when) { timer.ArmBy(when); },
        .listen = [this](const std::string& host, uint16_t port,
                         const Fleet::Listened& done) { listener.Listen(host, port, done); },
        .open_process = [](const state::ProcessRecord& process) { return OpenProcess(process); },
        .end_process =
            [this](const state::ProcessRecord& process, absl::Duration grace,
                   std::function<void()> ended) {
              return reaper.End(process, grace, std::move(ended));
            },
        .set_health = [this](const std::string& server,
                             bool serving) { SetHealth(server, serving); },
        .judge_oom = [this] { return oom.Judge(); },
        .take_stacks = [this](int64_t pid,
                              StackHelper::Done done) { stacks.Take(pid, std::move(done)); },
        .describe_running = [this](const std::string& /*worker*/, uint64_t chunk,
                                   uint64_t input) { return jobs.DescribeRunning(chunk, input); },
        .observer = &jobs,
        .make_backend = PodsOf(cluster.get(), [this](SteadyTime when) { timer.ArmBy(when); }),
    };
  }

  // What all processes are told at their launch.
  LaunchContext Launching() const {
    return {.data_dir = &data_dir,
            .worker_program = options.worker_program,
            .client_program = options.client_program,
            .log_format = options.log_format,
            .log_level = options.log_level};
  }

  JobManager::Dependencies JobDependencies() {
    return {
        .clock = &RealClock(),
        .store = job_store.get(),
        .events = &events,
        .directory = &directory,
        .post = post,
        .arm_timer = [this](SteadyTime when) { job_timer.ArmBy(when); },
        .kill = [this](const std::string& worker, int64_t pid,
                       const std::string& reason) { fleet.KillForTask(worker, pid, reason); },
        .running = [this](const std::string& worker) { return fleet.RunningTasks(worker); },
        .subscription = [this](const std::string& server, const std::string& name)
            -> absl::StatusOr<std::map<std::string, uint64_t>> {
          ASSIGN_OR_RETURN(auto record, store->GetCursor(server, name));
          return record.next_offsets;
        },
        .connect = rpc::ConnectorWith(options.tls),
    };
  }

  OpsDependencies OpsSources() {
    return {
        .post = post,
        .figures =
            [this] {
              return CoordinatorFigures{
                  .fleet = fleet.Figures(),
                  .clients = clients.Figures(),
                  .jobs = jobs.Figures(),
                  .payload_streams = relay.stream_count(),
                  .start_time_seconds = static_cast<double>(self.start_time().seconds())};
            },
        .stopping = [this] { return stop_requests > 0 || ended; },
        .version = CENTER_VERSION,
    };
  }

  HostDuties::Dependencies DutyDependencies() {
    return {
        .loop = &loop,
        .notifier = Notifier::FromEnvironment(),
        .is_ours = [this](int64_t pid) { return launcher.LooksAfter(pid); },
        .status = [this] { return DescribeCounts(fleet); },
        .read_again = options.read_again,
        .set_log_level =
            [this](const std::string& level) {
              spdlog::set_level(spdlog::level::from_str(level));
              fleet.SetLogLevel(level);
              clients.SetLogLevel(level);
            },
        .apply_fleet = [this](FleetFile file) { applier.Apply(std::move(file)); },
        .tell = tell_reloaded,
        .log_level = options.log_level,
    };
  }

  void Tell(v1::EventType type, const std::string& reason) {
    events.Append(CoordinatorEvent(type, reason));
  }
  // Of "center.v1/server/NAME": whether a worker of it serves. The coordinator's is another.
  void SetHealth(const std::string& server, bool serving) {
    auto* health = bound.server == nullptr ? nullptr : bound.server->GetHealthCheckService();
    if (health != nullptr) health->SetServingStatus("center.v1/server/" + server, serving);
  }
  absl::Status Serve();
  void OnSignal(const SignalPipe::Arrival& arrival);
  void OnStopRequested(const std::string& why);
  void OnLeaveRequested(const std::string& why);
  // When no worker is left: ends the streams, then the loop, as soon as gRPC has let go.
  void EndServing();

  const CoordinatorOptions options;
  const DataDir data_dir;
  const std::unique_ptr<state::Store> store;
  supervision::EventLoop loop;
  const std::unique_ptr<jobs::JobStore> job_store;
  const std::unique_ptr<kube::Cluster> cluster;  // null: workers are processes of this machine
  const Post post = [this](std::function<void()> task) { loop.Post(std::move(task)); };
  const std::function<void(const std::string&)> tell_reloaded = [this](const std::string& what) {
    Tell(v1::EVENT_TYPE_COORDINATOR_RELOADED, what);
  };
  supervision::PosixLauncher launcher;
  relay::WorkerDirectory directory;
  EventLog events;
  supervision::OomWatch oom;
  supervision::DeadlineTimer oom_timer;
  StackHelper stacks;
  Listener listener;
  OrphanReaper reaper;
  supervision::DeadlineTimer timer;
  supervision::DeadlineTimer stop_timer;
  supervision::DeadlineTimer job_timer;
  JobManager jobs;
  Fleet fleet;
  supervision::DeadlineTimer client_timer;
  ClientFleet clients;
  supervision::DeadlineTimer apply_timer;
  FleetApplier applier;
  HostDuties duties;
  v1::Coordinator self;  // what GetCoordinator says
  ServerServiceImpl server_service;
  RegistryServiceImpl registry_service;
  EventServiceImpl event_service;
  JobServiceImpl job_service;
  ClientServiceImpl client_service;
  ClientRegistryServiceImpl client_registry_service;
  relay::PayloadRelay relay;
  rpc::BoundServer bound;
  std::unique_ptr<HandoverServer> handovers;
  std::unique_ptr<http::Server> http;  // null: off. Asks the loop, so it ends before that does

  // Control thread.
  int stop_requests = 0;
  bool ended = false;
  std::thread ending;
};

absl::Status Coordinator::Parts::Serve() {
  directory.SetOnWanted([this](const std::string& server) {
    loop.Post([this, server] { fleet.OnArchiveWanted(server); });
  });
  RETURN_IF_ERROR(
      loop.HandleSignals({SIGTERM, SIGINT, SIGUSR2, SIGHUP},
                         [this](const SignalPipe::Arrival& arrival) { OnSignal(arrival); }));
  for (const NetAddress& address : options.listen) {
    if (address.is_unix) RETURN_IF_ERROR(PrepareSocketFolder(address));
  }
  oom_timer.ArmBy(RealClock().Steady());
  jobs.Recover(job_store->TakeFound());
  ASSIGN_OR_RETURN(
      bound, rpc::StartServer(
                 {.addresses = options.listen,
                  .services = {&server_service, &registry_service, &event_service, &job_service,
                               &client_service, &client_registry_service, &relay},
                  .health_of = ServicesWithHealth(),
                  .tls = options.tls,
                  .rules = options.rules}));
  // Calls are answered by the control thread, which does not run yet: nobody reads this before.
  ASSIGN_OR_RETURN(http, ServeOps(options.http, CoordinatorPages(OpsSources())));
  self = DescribeRun(data_dir.path(), bound.addresses, http.get());
  ASSIGN_OR_RETURN(const v1::Event begun, BeginRun(*store, data_dir.path()));
  events.Append(begun);
  const std::string handover_path = data_dir.HandoverPath();
  ASSIGN_OR_RETURN(handovers, HandoverServer::Listen(
                                  loop, handover_path, [this](Handover handover, int64_t pid) {
                                    return fleet.TakeHandover(std::move(handover), pid);
                                  }));
  const std::string address = AddressForWorkers(bound.addresses);
  RETURN_IF_ERROR(
      fleet.Reconcile({.coordinator = address, .handover = absl::StrCat("unix:", handover_path)}));
  FollowCluster(cluster.get());
  return clients.Reconcile(address);
}

void Coordinator::Parts::OnSignal(const SignalPipe::Arrival& arrival) {
  const std::string why = DescribeSignal(arrival);
  if (arrival.signal == SIGUSR2) return OnLeaveRequested(why);
  if (arrival.signal == SIGHUP) return duties.Reload(why);
  OnStopRequested(why);
}

void Coordinator::Parts::OnStopRequested(const std::string& why) {
  ++stop_requests;
  rpc::SetServing(*bound.server, false);
  const bool now = stop_requests > 1;
  const std::string how = HowItStops(cluster.get(), now);
  Tell(v1::EVENT_TYPE_COORDINATOR_STOPPING, absl::StrCat(why, ": ", how));
  duties.Stopping(how);
  if (now) stop_timer.ArmBy(RealClock().Steady() + kStopNowTimeout);
  // Those who send end first, so that everything they have sent is read.
  clients.Shutdown(now,
                   [this] { fleet.Shutdown(/*now=*/stop_requests > 1, [this] { EndServing(); }); });
}

void Coordinator::Parts::OnLeaveRequested(const std::string& why) {
  if (stop_requests > 0) return;  // the workers are ending
  if (::getpid() == 1) {
    spdlog::error("{}: ignored: when process 1 leaves, the kernel kills its workers", why);
    return;
  }
  rpc::SetServing(*bound.server, false);
  const std::string how = "leaves; workers go on and wait for the next coordinator";
  Tell(v1::EVENT_TYPE_COORDINATOR_STOPPING, absl::StrCat(why, ": ", how));
  duties.Stopping(how);
  clients.Leave();
  fleet.Leave();
  EndServing();
}

void Coordinator::Parts::EndServing() {
  if (std::exchange(ended, true)) return;
  event_service.EndStreams();
  job_service.EndStreams();
  jobs.Shutdown();
  // Shutdown waits for open calls, and those need the control thread to end.
  ending = std::thread([this] {
    relay.EndStreams();
    http.reset();
    bound.server->Shutdown(std::chrono::system_clock::now() + kCallsTimeout);
    bound.server->Wait();
    loop.Stop();
  });
}

Coordinator::Coordinator(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Coordinator::~Coordinator() = default;

absl::StatusOr<std::unique_ptr<Coordinator>> Coordinator::Create(CoordinatorOptions options) {
  ASSIGN_OR_RETURN(DataDir data_dir, DataDir::Open(options.data_dir));
  ASSIGN_OR_RETURN(auto store,
                   state::Store::Open(data_dir.database(), {.events_max = options.events_max}));
  // Answers go through the control thread, which comes with the parts.
  auto post = std::make_shared<Post>();
  const auto run_later = [post](std::function<void()> task) { (*post)(std::move(task)); };
  ASSIGN_OR_RETURN(auto job_store, OpenJobs(data_dir.path() + "/jobs", run_later));
  ASSIGN_OR_RETURN(auto cluster, ConnectCluster(options.cluster, run_later));
  auto parts = std::make_unique<Parts>(std::move(options), std::move(data_dir), std::move(store),
                                       std::move(job_store), post.get(), std::move(cluster));
  absl::Status served = parts->Serve();
  // Not make_unique: the constructor is private.
  std::unique_ptr<Coordinator> coordinator(new Coordinator(std::move(parts)));
  if (served.ok()) return coordinator;
  if (coordinator->parts_->bound.server != nullptr) {
    coordinator->Stop();
    coordinator->Run();
  }
  return served;
}

const std::vector<NetAddress>& Coordinator::addresses() const { return parts_->bound.addresses; }

void Coordinator::Run() {
  // Said by the control thread, which is this one from now on.
  parts_->loop.Post([this] {
    if (parts_->stop_requests > 0) return;
    parts_->duties.Ready();
    if (!parts_->options.fleet.WantsNothing()) parts_->applier.Apply(parts_->options.fleet);
  });
  parts_->loop.Run();
  EndRun(*parts_->store);
  spdlog::info("stopped");
}

void Coordinator::Stop() {
  parts_->loop.Post([this] { parts_->OnStopRequested("asked by the program"); });
}

}  // namespace center::coordinator

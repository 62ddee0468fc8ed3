"""Drives every rpc with good and bad calls, made from nothing but the .proto files and Python's gRPC.

api_client.py GENERATED COORDINATOR WORKER SERVICE/METHOD…

GENERATED is where protoc has put the Python modules, COORDINATOR and WORKER are addresses, and the rpcs are what
reflection lists. Prints a line {"rpc": …, "case": …, "got": …, "want": …, "ok": …} for each call; an rpc without cases
is one that is not ok.
"""
import importlib.util
import json
import sys

import grpc

sys.path.insert(0, sys.argv[1])
from google.protobuf import descriptor_pb2  # noqa: E402
from google.rpc import error_details_pb2  # noqa: E402
from google.rpc import status_pb2  # noqa: E402
from center.v1 import client_pb2, event_pb2, job_pb2, payload_pb2, server_pb2, worker_pb2  # noqa: E402



def load(path):
    """A generated module whose package is one that is installed, too: grpc."""
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), f"{sys.argv[1]}/{path}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


health_pb2 = load("grpc/health/v1/health_pb2")

TIMEOUT_S = 60
# Both are of a field that no message has: 1000.
UNKNOWN_FIELD = b"\xc0\x3e\x01"
BIG_BYTES = 100 << 20
LONG_NAME = "x" * 100_000
WRONG_ENUM = 99
OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

OK, NOT_FOUND, INVALID = "OK", "NOT_FOUND", "INVALID_ARGUMENT"


def varint(number):
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


BIG_FIELD = b"\xc2\x3e" + varint(BIG_BYTES) + bytes(BIG_BYTES)


def fields_of(message):
    """The fields of a serialised message: [(number, value)]; enough of the wire format for channelz."""
    at, found = 0, []

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(message):
        tag = number()
        if tag & 7 == 0:
            found.append((tag >> 3, number()))
        elif tag & 7 == 2:
            size = number()
            found.append((tag >> 3, message[at:at + size]))
            at += size
        else:
            at += 8 if tag & 7 == 1 else 4
    return found


def first(message, *path):
    """The first value under this path of field numbers, or None."""
    for step in path:
        message = next((value for number, value in fields_of(message) if number == step), None)
        if message is None:
            return None
    return message


class Want:
    """A status: code, and for an error of Center's own the reason and the fields that are to blame."""

    def __init__(self, code, reason="", fields=(), own=True):
        self.code, self.reason, self.fields, self.own = code, reason, list(fields), own

    def accepts(self, got):
        if got["code"] not in self.code.split("|"):
            return False
        if got["code"] == "OK" or not self.own:
            return True
        if got["domain"] != "center.v1" or (self.reason and got["reason"] != self.reason):
            return False
        if got["code"] == INVALID and not got["fields"]:
            return False
        return all(any(field in given for given in got["fields"]) for field in self.fields)

    def show(self):
        return " ".join([self.code, self.reason, *self.fields]).strip()


def foreign(code):
    """A status that gRPC itself gives."""
    return Want(code, own=False)


class Peer:
    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=OPTIONS)

    def call(self, rpc, kind, requests, timeout=TIMEOUT_S, cancel=False):
        """Calls with serialised requests; returns what came, serialised, and the status."""
        method = getattr(self.channel, kind)("/" + rpc)
        argument = requests[0] if kind.startswith("unary") else iter(requests)
        responses = []
        try:
            if kind.endswith("stream"):
                call = method(argument, timeout=timeout)
                if cancel:
                    call.cancel()
                responses.extend(call)
            else:
                call = method.future(argument, timeout=timeout)
                if cancel:
                    call.cancel()
                responses.append(call.result())
        except grpc.FutureCancelledError:
            return responses, status_of(grpc.StatusCode.CANCELLED, ())
        except grpc.RpcError as error:
            return responses, status_of(error.code(), error.trailing_metadata() or ())
        return responses, status_of(grpc.StatusCode.OK, ())


def status_of(code, metadata):
    got = {"code": code.name, "domain": "", "reason": "", "fields": []}
    for key, value in metadata:
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            if detail.Unpack(info):
                got["domain"], got["reason"] = info.domain, info.reason
            elif detail.Unpack(bad):
                got["fields"] = [violation.field for violation in bad.field_violations]
    return got


class Api:
    """The kinds and message types of Center's own rpcs, as their protos have them."""

    def __init__(self):
        self.rpcs = {}
        for module in (client_pb2, event_pb2, job_pb2, payload_pb2, server_pb2, worker_pb2, health_pb2):
            proto = descriptor_pb2.FileDescriptorProto()
            module.DESCRIPTOR.CopyToProto(proto)
            for service in proto.service:
                for method in service.method:
                    kind = "_".join("stream" if streams else "unary"
                                    for streams in (method.client_streaming, method.server_streaming))
                    self.rpcs[f"{proto.package}.{service.name}/{method.name}"] = (
                        kind, self.message(module, method.input_type), self.message(module, method.output_type))

    @staticmethod
    def message(module, full_name):
        """The class, also where the type is of another file."""
        name = full_name.rsplit(".", 1)[1]
        for candidate in (module, payload_pb2, server_pb2, event_pb2, job_pb2):
            if hasattr(candidate, name):
                return getattr(candidate, name)
        raise KeyError(full_name)


def encode(request):
    return request if isinstance(request, bytes) else request.SerializeToString()


class Case:
    """How one rpc is called. `good` makes the requests anew each time, because most of them change something."""

    def __init__(self, good, want=None, missing=None, enum=None, kind=None, long=None, worker=False):
        self.good, self.want = good, want or Want(OK)
        self.missing, self.enum, self.kind = missing, enum, kind
        self.long, self.worker = long, worker


class Driver:
    def __init__(self, coordinator, worker):
        self.api, self.coordinator = Api(), Peer(coordinator)
        self.worker = Peer(worker)
        self.count = 0
        self.ensure("default")

    # What good calls need.

    def ask(self, rpc, request):
        kind, _, response = self.api.rpcs["center.v1." + rpc]
        responses, status = self.coordinator.call("center.v1." + rpc, kind, [encode(request)])
        if status["code"] not in ("OK", "ALREADY_EXISTS"):
            raise RuntimeError(f"{rpc}: {status}")
        return [response.FromString(one) for one in responses]

    def ensure(self, name):
        """A server of that name that runs."""
        spec = server_pb2.ServerSpec(port=0)
        self.ask("ServerService/StartServer",
                 server_pb2.StartServerRequest(name=name, spec=spec, wait_ready=True))
        return name

    def fresh(self):
        self.count += 1
        return f"fresh-{self.count}"

    def running(self):
        return self.ensure(self.fresh())

    def cancel_jobs(self):
        """Those of calls that did not come to cancelling them would keep the workers busy."""
        running = job_pb2.ListJobsRequest(states=[job_pb2.JOB_STATE_RUNNING])
        for job in self.ask("JobService/ListJobs", running)[0].jobs:
            self.coordinator.call("center.v1.JobService/CancelJob", "unary_unary",
                                  [encode(job_pb2.CancelJobRequest(id=job.id))])

    def job(self, task="countdown", count=3):
        spec = job_pb2.JobSpec(task=task, range=job_pb2.IntegerRange(first=100, count=count))
        submit = job_pb2.SubmitJobRequest(submission=job_pb2.JobSubmission(spec=spec, detach=True))
        return self.ask("JobService/SubmitJob", submit)[-1].job.id

    def subscription(self, name):
        self.ask("PayloadService/CommitCursor",
                 payload_pb2.CommitCursorRequest(subscription=name, cursor=payload_pb2.Cursor()))
        return name

    @staticmethod
    def channelz(peer, method, *path):
        responses, _ = peer.call("grpc.channelz.v1.Channelz/" + method, "unary_unary", [b""])
        return first(responses[0], *path)

    # One rpc.

    def report(self, rpc, name, got, want):
        print(json.dumps({"rpc": rpc, "case": name, "got": got, "want": want.show(), "ok": want.accepts(got)}))

    def drive(self, rpc, case):
        kind = case.kind or self.api.rpcs[rpc][0]
        peer = self.worker if case.worker else self.coordinator
        own = rpc.startswith("center.v1.")

        def run(name, want, requests, **how):
            self.report(rpc, name, peer.call(rpc, kind, [encode(one) for one in requests], **how)[1], want)

        run("good", case.want, case.good())
        run("unknown field", case.want, [encode(one) + UNKNOWN_FIELD for one in case.good()])
        run("expired deadline", foreign("DEADLINE_EXCEEDED"), case.good(), timeout=-1)
        # A call may be over before its time is, or before it is cancelled; it must not fail otherwise.
        run("short deadline", foreign("DEADLINE_EXCEEDED|" + case.want.code), case.good(), timeout=1e-3)
        # Stacks are taken one worker after the other: what was given up before this may still be at work.
        busy = "|RESOURCE_EXHAUSTED" if rpc.endswith("/GetWorkerStacks") else ""
        run("cancelled", foreign("CANCELLED|" + case.want.code + busy), case.good(), cancel=True)
        # A stream may be answered before its first request has come.
        early = "|" + case.want.code if kind.startswith("stream") else ""
        run("100 MiB", foreign("RESOURCE_EXHAUSTED" + early), [encode(case.good()[0]) + BIG_FIELD])
        if case.missing:
            request, want = case.missing
            run("missing field", want, request())
        if case.enum:
            request, want = case.enum
            run("wrong enum", want, request())
        if own and case.long:
            run("long name", Want("INVALID_ARGUMENT|NOT_FOUND|FAILED_PRECONDITION"), [case.long])
        self.cancel_jobs()


def server_cases(driver):
    pb = server_pb2
    bad_spec = pb.ServerSpec(port=0, framing=WRONG_ENUM)

    def start(**more):
        spec = pb.ServerSpec(port=0)
        return [pb.StartServerRequest(name=driver.fresh(), spec=spec, wait_ready=True, **more)]

    def worker():
        return driver.running() + "/0"
    return {
        "StartServer": Case(start, missing=(lambda: [pb.StartServerRequest()],
                                            Want("ALREADY_EXISTS", "SERVER_RUNNING")),
                            enum=(lambda: [pb.StartServerRequest(name="odd", spec=bad_spec)],
                                  Want(INVALID, "INVALID_FIELDS", ["spec.framing"])),
                            long=pb.StartServerRequest(name=LONG_NAME)),
        "StopServer": Case(lambda: [pb.StopServerRequest(name=driver.running())],
                           missing=(lambda: [pb.StopServerRequest(name=driver.ensure("default") and "")], Want(OK)),
                           long=pb.StopServerRequest(name=LONG_NAME)),
        "RestartServer": Case(lambda: [pb.RestartServerRequest(name=driver.running(), now=True)],
                              missing=(lambda: [pb.RestartServerRequest(name=driver.ensure("default") and "")],
                                       Want(OK)),
                              long=pb.RestartServerRequest(name=LONG_NAME)),
        "ScaleServer": Case(lambda: [pb.ScaleServerRequest(name=driver.running(), workers=2)],
                            missing=(lambda: [pb.ScaleServerRequest(name=driver.running())],
                                     Want(INVALID, "INVALID_FIELDS", ["workers"])),
                            long=pb.ScaleServerRequest(name=LONG_NAME, workers=1)),
        "UpdateServer": Case(lambda: [pb.UpdateServerRequest(name=driver.running(),
                                                             spec=pb.ServerSpec(max_connections=driver.count + 7))],
                             missing=(lambda: [pb.UpdateServerRequest()], Want(OK)),
                             enum=(lambda: [pb.UpdateServerRequest(spec=bad_spec)],
                                   Want(INVALID, "INVALID_FIELDS", ["spec.framing"])),
                             long=pb.UpdateServerRequest(reset=[LONG_NAME])),
        "RestartWorker": Case(lambda: [pb.RestartWorkerRequest(name=worker(), now=True)],
                              missing=(lambda: [pb.RestartWorkerRequest()], Want(NOT_FOUND, "WORKER_NOT_FOUND")),
                              long=pb.RestartWorkerRequest(name=LONG_NAME)),
        "GetWorkerStacks": Case(lambda: [pb.GetWorkerStacksRequest(name="default/0")],
                                missing=(lambda: [pb.GetWorkerStacksRequest()], Want(NOT_FOUND)),
                                long=pb.GetWorkerStacksRequest(name=LONG_NAME)),
        "GetServer": Case(lambda: [pb.GetServerRequest(name="default")],
                          missing=(lambda: [pb.GetServerRequest()], Want(OK)),
                          long=pb.GetServerRequest(name=LONG_NAME)),
        "ListServers": Case(lambda: [pb.ListServersRequest(page_size=2)],
                            missing=(lambda: [pb.ListServersRequest()], Want(OK)),
                            long=pb.ListServersRequest(page_token=LONG_NAME)),
        "ListWorkers": Case(lambda: [pb.ListWorkersRequest(server="default")],
                            missing=(lambda: [pb.ListWorkersRequest()], Want(OK)),
                            long=pb.ListWorkersRequest(server=LONG_NAME)),
        "GetCoordinator": Case(lambda: [pb.GetCoordinatorRequest()]),
    }


def payload_cases(driver, worker=False):
    pb = payload_pb2
    start = pb.StartPosition(place=pb.StartPosition.PLACE_EARLIEST)
    wrong = pb.StartPosition(place=WRONG_ENUM)

    def stream(message):
        return Case(lambda: [message(start=start)], worker=worker,
                    missing=(lambda: [message()], Want(OK)),
                    enum=(lambda: [message(start=wrong)], Want(INVALID, "", ["start"])),
                    long=message(server=LONG_NAME))
    if worker:
        return {"StreamPayloads": stream(pb.StreamPayloadsRequest)}
    return {
        "StreamPayloads": stream(pb.StreamPayloadsRequest),
        "TailPayloads": stream(pb.TailPayloadsRequest),
        "CommitCursor": Case(lambda: [pb.CommitCursorRequest(subscription="nightly", cursor=pb.Cursor())],
                             missing=(lambda: [pb.CommitCursorRequest()], Want(INVALID, "", ["subscription"])),
                             long=pb.CommitCursorRequest(subscription=LONG_NAME)),
        "ListSubscriptions": Case(lambda: [pb.ListSubscriptionsRequest(page_size=1)],
                                  missing=(lambda: [pb.ListSubscriptionsRequest()], Want(OK)),
                                  long=pb.ListSubscriptionsRequest(server=LONG_NAME)),
        "DeleteSubscription": Case(
            lambda: [pb.DeleteSubscriptionRequest(subscription=driver.subscription("old"))],
            missing=(lambda: [pb.DeleteSubscriptionRequest()], Want(NOT_FOUND, "SUBSCRIPTION_NOT_FOUND")),
            long=pb.DeleteSubscriptionRequest(subscription=LONG_NAME)),
    }


def job_cases(driver):
    pb = job_pb2

    def submission(**spec):
        return [pb.SubmitJobRequest(submission=pb.JobSubmission(spec=pb.JobSpec(**spec)))]
    numbers = pb.IntegerRange(first=1, count=2)
    return {
        "SubmitJob": Case(lambda: submission(task="countdown", range=numbers),
                          missing=(lambda: submission(range=numbers), Want("INVALID_ARGUMENT|NOT_FOUND")),
                          long=submission(task=LONG_NAME, range=numbers)[0]),
        "GetJob": Case(lambda: [pb.GetJobRequest(id=driver.job())],
                       missing=(lambda: [pb.GetJobRequest()], Want(NOT_FOUND, "JOB_NOT_FOUND")),
                       long=pb.GetJobRequest(id=LONG_NAME)),
        "ListJobs": Case(lambda: [pb.ListJobsRequest(page_size=1)], missing=(lambda: [pb.ListJobsRequest()], Want(OK)),
                         enum=(lambda: [pb.ListJobsRequest(states=[WRONG_ENUM])],
                               Want(INVALID, "INVALID_FIELDS", ["states"])),
                         long=pb.ListJobsRequest(page_token=LONG_NAME)),
        "CancelJob": Case(lambda: [pb.CancelJobRequest(id=driver.job("sleep", 1_000_000))],
                          missing=(lambda: [pb.CancelJobRequest()], Want(NOT_FOUND, "JOB_NOT_FOUND")),
                          long=pb.CancelJobRequest(id=LONG_NAME)),
        "StreamResults": Case(lambda: [pb.StreamResultsRequest(id=driver.job(), follow=True)],
                              missing=(lambda: [pb.StreamResultsRequest()], Want(NOT_FOUND, "JOB_NOT_FOUND")),
                              long=pb.StreamResultsRequest(id=LONG_NAME)),
        "ListTasks": Case(lambda: [pb.ListTasksRequest(server="default")],
                          missing=(lambda: [pb.ListTasksRequest()], Want(OK)),
                          long=pb.ListTasksRequest(server=LONG_NAME)),
    }


def client_cases(driver):
    pb = client_pb2

    def start(name):
        driver.ensure("default")
        return pb.StartClientRequest(name=name, spec=pb.ClientSpec(server="default"))

    def running():
        name = driver.fresh()
        driver.ask("ClientService/StartClient", start(name))
        return name
    return {
        "StartClient": Case(lambda: [start(driver.fresh())],
                            missing=(lambda: [pb.StartClientRequest()], Want("OK|ALREADY_EXISTS")),
                            enum=(lambda: [pb.StartClientRequest(name="odd", spec=pb.ClientSpec(framing=WRONG_ENUM))],
                                  Want(INVALID, "INVALID_FIELDS", ["spec.framing"])),
                            long=pb.StartClientRequest(name=LONG_NAME)),
        "StopClient": Case(lambda: [pb.StopClientRequest(name=running(), now=True)],
                           missing=(lambda: [pb.StopClientRequest()], Want("OK|NOT_FOUND|FAILED_PRECONDITION")),
                           long=pb.StopClientRequest(name=LONG_NAME)),
        "GetClient": Case(lambda: [pb.GetClientRequest(name=running())],
                          missing=(lambda: [pb.GetClientRequest()], Want("OK|NOT_FOUND")),
                          long=pb.GetClientRequest(name=LONG_NAME)),
        "ListClients": Case(lambda: [pb.ListClientsRequest(page_size=1)],
                            missing=(lambda: [pb.ListClientsRequest()], Want(OK)),
                            long=pb.ListClientsRequest(page_token=LONG_NAME)),
    }


def grpc_cases(driver, on_worker):
    """Health, reflection and channelz, whose errors are gRPC's own."""
    peer = driver.worker if on_worker else driver.coordinator
    health = health_pb2.HealthCheckRequest(service="" if on_worker else "center.v1.ServerService")
    list_services = b"\x3a\x01*"
    server = driver.channelz(peer, "GetServers", 1, 1, 5)
    channel = driver.channelz(peer, "GetTopChannels", 1, 1, 1)
    identified = [lambda number=number: [b"\x08" + varint(number or 0)] for number in (server, channel)]
    cases = {
        "grpc.health.v1.Health/Check": Case(lambda: [health]),
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo":
            Case(lambda: [list_services], kind="stream_stream"),
    }
    channelz = {
        "GetTopChannels": (lambda: [b""], OK),
        "GetServers": (lambda: [b""], OK),
        "GetServer": (identified[0], OK),
        "GetServerSockets": (identified[0], OK),
        "GetChannel": (identified[1], OK if channel else NOT_FOUND),
        # None of this number: an id of the one kind is none of the other.
        "GetSubchannel": (identified[0], NOT_FOUND),
        "GetSocket": (identified[0], NOT_FOUND),
    }
    for method, (request, code) in channelz.items():
        cases["grpc.channelz.v1.Channelz/" + method] = Case(request, want=foreign(code), kind="unary_unary")
    return cases


def all_cases(driver, on_worker):
    cases = grpc_cases(driver, on_worker)
    unknown = worker_pb2.RegisterRequest(hello=worker_pb2.Hello(worker="nobody/0", pid=1, address="unix:/nowhere"))
    groups = {
        "ServerService": server_cases(driver), "JobService": job_cases(driver),
        "PayloadService": payload_cases(driver), "ClientService": client_cases(driver),
        "WorkerService": {
            **payload_cases(driver, worker=True),
            # The coordinator has the one stream of that kind.
            "Compute": Case(lambda: [worker_pb2.ComputeRequest()], worker=True,
                            want=Want("ALREADY_EXISTS", "COMPUTE_BUSY"))},
        "EventService": {"WatchEvents": Case(lambda: [event_pb2.WatchEventsRequest()])},
        "RegistryService": {"Register": Case(
            lambda: [unknown], want=Want("FAILED_PRECONDITION", "WORKER_UNKNOWN"),
            missing=(lambda: [worker_pb2.RegisterRequest()], Want(INVALID)),
            long=worker_pb2.RegisterRequest(hello=worker_pb2.Hello(worker=LONG_NAME)))},
        "ClientRegistryService": {"ReportClient": Case(
            lambda: [client_pb2.ReportClientRequest(client="nobody/0", pid=1)],
            want=Want("FAILED_PRECONDITION", "CLIENT_UNKNOWN"),
            long=client_pb2.ReportClientRequest(client=LONG_NAME))},
    }
    for service, methods in groups.items():
        for method, case in methods.items():
            cases[f"center.v1.{service}/{method}"] = case
    if on_worker:
        for case in cases.values():
            case.worker = True
    return cases


def drive_watch(driver, peer, rpc):
    """Health/Watch has no end of its own: its first answer comes, and a deadline ends it."""
    request = health_pb2.HealthCheckRequest(service="")
    for name, message in (("good", encode(request)), ("unknown field", encode(request) + UNKNOWN_FIELD)):
        responses, status = peer.call(rpc, "unary_stream", [message], timeout=1)
        serving = [health_pb2.HealthCheckResponse.FromString(one).status for one in responses]
        driver.report(rpc, name, {**status, "code": "OK" if serving == [1] else f"answers {serving}"}, Want(OK))
        driver.report(rpc, "expired deadline", status, foreign("DEADLINE_EXCEEDED"))
    driver.report(rpc, "cancelled", peer.call(rpc, "unary_stream", [encode(request)], cancel=True)[1],
                  foreign("CANCELLED"))
    driver.report(rpc, "100 MiB", peer.call(rpc, "unary_stream", [BIG_FIELD])[1], foreign("RESOURCE_EXHAUSTED"))


def main():
    coordinator, worker, rpcs = sys.argv[2], sys.argv[3], sys.argv[4:]
    driver = Driver(coordinator, worker)
    on_worker = "center.v1.WorkerService/Compute" in rpcs
    cases = all_cases(driver, on_worker)
    for rpc in rpcs:
        if rpc == "grpc.health.v1.Health/Watch":
            drive_watch(driver, driver.worker if on_worker else driver.coordinator, rpc)
        elif rpc in cases:
            driver.drive(rpc, cases[rpc])
        else:
            print(json.dumps({"rpc": rpc, "case": "any", "got": "nothing", "want": "a case", "ok": False}))


if __name__ == "__main__":
    main()

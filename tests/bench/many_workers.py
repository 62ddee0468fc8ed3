#!/usr/bin/env python3
"""Workers that are none: one process that registers as many, as pods would, and answers for them.

  many_workers.py GENERATED COORDINATOR ADDRESS SERVERS PER_SERVER

GENERATED is where protoc has put the Python modules. Each worker has a connection of its own to the
coordinator and sends a heartbeat every second, READY; WorkerService is served at ADDRESS for all of
them, and has nothing to do. A line that breaks is made again after a moment, as workers do it.
"""
import asyncio
import random
import sys

import grpc

sys.path.insert(0, sys.argv[1])
from center.v1 import job_pb2, server_pb2, worker_pb2, worker_pb2_grpc  # noqa: E402

HEARTBEAT_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 2.0


def uid_of(server, slot):
    return f"pod-{server}-{slot}"


class Silent(worker_pb2_grpc.WorkerServiceServicer):
    async def Compute(self, requests, context):
        yield worker_pb2.ComputeResponse(hello=worker_pb2.ComputeHello(threads=1))
        async for _ in requests:
            pass


async def report(hello):
    yield worker_pb2.RegisterRequest(hello=hello)
    payloads = 0
    while True:
        payloads += 1000
        yield worker_pb2.RegisterRequest(heartbeat=worker_pb2.Heartbeat(
            state=server_pb2.WORKER_STATE_READY,
            stats=server_pb2.WorkerStats(connections=4, payloads=payloads, bytes=100 * payloads)))
        await asyncio.sleep(HEARTBEAT_SECONDS * random.uniform(0.9, 1.1))


async def worker(coordinator, address, server, slot):
    hello = worker_pb2.Hello(worker=f"{server}/{slot}", pid=1, address=address, version="0.1.0",
                             token=f"{uid_of(server, slot)}.1")
    channel = grpc.aio.insecure_channel(coordinator, options=[
        ("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", int(1000 * BACKOFF_MAX_SECONDS))])
    stub = worker_pb2_grpc.RegistryServiceStub(channel)
    pause = 0.05
    while True:
        try:
            async for _ in stub.Register(report(hello), wait_for_ready=True):
                pause = 0.05
        except grpc.aio.AioRpcError:
            pass
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))
        pause = min(2 * pause, BACKOFF_MAX_SECONDS)


async def main():
    coordinator, address, servers, per_server = sys.argv[2:]
    service = grpc.aio.server()
    worker_pb2_grpc.add_WorkerServiceServicer_to_server(Silent(), service)
    service.add_insecure_port(address)
    await service.start()
    await asyncio.gather(*(worker(coordinator, address, f"s{server}", slot)
                           for server in range(int(servers)) for slot in range(int(per_server))))


if __name__ == "__main__":
    assert job_pb2  # its messages are part of the others'
    asyncio.run(main())

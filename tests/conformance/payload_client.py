"""A reader of Center's payloads, made from nothing but the .proto files and Python's gRPC.

payload_client.py GENERATED ADDRESS COMMAND ARGUMENTS…

GENERATED is where protoc has put the Python modules. A cursor is written
"default/0=12,default/1=7". Payloads are printed one a line, as JSON.

  stream SERVER START LIMIT   batches of START (earliest, cursor:CURSOR or
                              subscription:NAME) until at least LIMIT payloads have come (0: until
                              the stream ends), then {"cursor": …}
  tail SERVER LIMIT           single payloads from the earliest on, following
  commit SERVER NAME CURSOR   commits and prints {"cursor": …} as it is stored now

An RPC that fails is printed as {"code": …, "reason": …, "domain": …}, and the exit code is 3.
"""
import json
import sys

import grpc

RPC_TIMEOUT_S = 60
EXIT_RPC_FAILED = 3

sys.path.insert(0, sys.argv[1])
from center.v1 import payload_pb2  # noqa: E402
from center.v1 import payload_pb2_grpc  # noqa: E402
from google.rpc import error_details_pb2  # noqa: E402
from google.rpc import status_pb2  # noqa: E402


def parse_cursor(text):
    pairs = (item.rsplit("=", 1) for item in text.split(",") if item)
    return payload_pb2.Cursor(next_offsets={worker: int(offset) for worker, offset in pairs})


def print_cursor(offsets):
    cursor = ",".join(f"{worker}={offset}" for worker, offset in sorted(offsets.items()))
    print(json.dumps({"cursor": cursor}))


def parse_start(text):
    kind, _, value = text.partition(":")
    if kind == "earliest":
        return payload_pb2.StartPosition(place=payload_pb2.StartPosition.PLACE_EARLIEST)
    if kind == "cursor":
        return payload_pb2.StartPosition(cursor=parse_cursor(value))
    if kind == "subscription":
        return payload_pb2.StartPosition(subscription=value)
    raise ValueError(text)


def print_batch(batch):
    """Prints the payloads of a batch; answers the offset after its last one."""
    begin = 0
    for index, size in enumerate(batch.sizes):
        payload = batch.data[begin:begin + size]
        begin += size
        print(json.dumps({"worker": batch.worker, "offset": batch.first_offset + index,
                          "peer": batch.peer, "payload": payload.decode()}))
    if begin != len(batch.data):
        raise ValueError(f"sizes add up to {begin}, there are {len(batch.data)} bytes")
    return batch.first_offset + len(batch.sizes)


def stream(stub, server, start, limit):
    limit = int(limit)
    # Small messages, so that a limit is met in the middle of what is stored.
    call = stub.StreamPayloads(
        payload_pb2.StreamPayloadsRequest(server=server, start=parse_start(start),
                                          follow=limit > 0, max_message_bytes=1000),
        timeout=RPC_TIMEOUT_S)
    count = 0
    offsets = {}
    for response in call:
        for batch in response.batches:
            offsets[batch.worker] = print_batch(batch)
            count += len(batch.sizes)
        if response.HasField("gap"):
            raise ValueError(f"a gap: {response.gap}")
        if limit and count >= limit:
            call.cancel()
            break
    print_cursor(offsets)


def tail(stub, server, limit):
    start = payload_pb2.StartPosition(place=payload_pb2.StartPosition.PLACE_EARLIEST)
    for response in stub.TailPayloads(
            payload_pb2.TailPayloadsRequest(server=server, start=start, follow=True,
                                            limit=int(limit)), timeout=RPC_TIMEOUT_S):
        payload = response.payload
        print(json.dumps({"worker": payload.worker, "offset": payload.offset,
                          "peer": payload.peer,
                          "payload": getattr(payload, payload.WhichOneof("content"))}))


def commit(stub, server, subscription, cursor):
    response = stub.CommitCursor(
        payload_pb2.CommitCursorRequest(server=server, subscription=subscription,
                                        cursor=parse_cursor(cursor)), timeout=RPC_TIMEOUT_S)
    print_cursor(response.cursor.next_offsets)


def print_error(error):
    """The rich error model, as grpcio-status reads it."""
    rich = status_pb2.Status()
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            rich.ParseFromString(value)
    info = error_details_pb2.ErrorInfo()
    for detail in rich.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
    print(json.dumps({"code": error.code().name, "reason": info.reason, "domain": info.domain}))


def main():
    address, command, arguments = sys.argv[2], sys.argv[3], sys.argv[4:]
    commands = {"stream": stream, "tail": tail, "commit": commit}
    with grpc.insecure_channel(address) as channel:
        try:
            commands[command](payload_pb2_grpc.PayloadServiceStub(channel), *arguments)
        except grpc.RpcError as error:
            print_error(error)
            return EXIT_RPC_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A client that submits a job, made from nothing but the .proto files and Python's gRPC.

job_client.py GENERATED ADDRESS SERVER TASK RECORD…

GENERATED is where protoc has put the Python modules. Sends each RECORD as an input, prints a line
{"index": …, "result": …} or {"index": …, "cause": …, "message": …} for each as its result comes, then
{"id": …, "state": …}.
"""
import json
import sys

import grpc

RPC_TIMEOUT_S = 60

sys.path.insert(0, sys.argv[1])
from center.v1 import job_pb2  # noqa: E402
from center.v1 import job_pb2_grpc  # noqa: E402


def requests(server, task, records):
    spec = job_pb2.JobSpec(server=server, task=task, records=job_pb2.RecordSource(), ordered=True)
    yield job_pb2.SubmitJobRequest(
        submission=job_pb2.JobSubmission(spec=spec, stream_results=True))
    # One message each, as a producer that gets them one by one would.
    for record in records:
        data = record.encode()
        yield job_pb2.SubmitJobRequest(records=job_pb2.Records(sizes=[len(data)], data=data))


def sizes_of(records):
    return [records.uniform_size] * records.count if records.count else records.sizes


def print_batch(batch):
    failures = {failure.index: failure for failure in batch.failures}
    begin = 0
    for offset, size in enumerate(sizes_of(batch.results)):
        index = batch.first_index + offset
        result = batch.results.data[begin:begin + size]
        begin += size
        if index in failures:
            failure = failures[index]
            print(json.dumps({"index": index, "message": failure.message,
                              "cause": job_pb2.InputFailure.Cause.Name(failure.cause)}))
        else:
            print(json.dumps({"index": index, "result": result.decode()}))
    if begin != len(batch.results.data):
        raise ValueError(f"sizes add up to {begin}, there are {len(batch.results.data)} bytes")


def main():
    address, server, task, records = sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]
    with grpc.insecure_channel(address) as channel:
        job = None
        for response in job_pb2_grpc.JobServiceStub(channel).SubmitJob(
                requests(server, task, records), timeout=RPC_TIMEOUT_S):
            if response.HasField("results"):
                print_batch(response.results)
            else:
                job = response.job
        print(json.dumps({"id": job.id, "state": job_pb2.JobState.Name(job.state)}))


if __name__ == "__main__":
    main()

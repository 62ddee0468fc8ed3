"""What stands for a Service in the tests, which have no kube-proxy: an address behind which are the
pods that are ready.

A connection is as with its pod: it ends in order only when the pod has taken everything and ended it
in order, and is reset when the pod resets it, refuses it, or there is none.
"""
import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
import threading

READ_BYTES = 64 * 1024


class Service(threading.Thread):
    def __init__(self, address, pick):
        """Listens at `address` until `stop`. `pick`: the address of a pod that is ready, or None."""
        super().__init__(daemon=True)
        self.pick = pick
        self.loop = asyncio.new_event_loop()
        self.listener = socket.create_server(address, backlog=512)
        self.connections = set()
        self.start()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.serve, sock=self.listener))
        self.loop.run_forever()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join()
        self.listener.close()

    async def serve(self, reader, writer):
        self.connections.add(asyncio.current_task())  # the loop holds tasks weakly
        asyncio.current_task().add_done_callback(self.connections.discard)
        address = self.pick()
        try:
            if address is None:
                return reset(writer)
            pod_reader, pod_writer = await asyncio.open_connection(*address)
        except OSError:
            return reset(writer)
        await Passage(reader, writer, pod_reader, pod_writer).run()


class Passage:
    """One connection to the service, and the one to its pod."""

    def __init__(self, reader, writer, pod_reader, pod_writer):
        self.reader, self.writer = reader, writer
        self.pod_reader, self.pod_writer = pod_reader, pod_writer
        self.all_passed = False  # the producer has ended its side, and the pod was sent everything

    async def run(self):
        towards_pod = asyncio.create_task(self.pass_to_pod())
        try:
            while data := await self.pod_reader.read(READ_BYTES):
                self.writer.write(data)
                await self.writer.drain()
            if not self.all_passed or waiting(self.pod_writer):
                raise ConnectionResetError("the pod has ended it before it had everything")
            self.writer.close()
        except OSError:
            reset(self.writer)
        finally:
            towards_pod.cancel()
            self.pod_writer.close()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await towards_pod

    async def pass_to_pod(self):
        try:
            while data := await self.reader.read(READ_BYTES):
                self.pod_writer.write(data)
                await self.pod_writer.drain()
            self.pod_writer.write_eof()
            self.all_passed = True
        except OSError:
            reset(self.pod_writer)
            reset(self.writer)


def waiting(writer):
    """Bytes that the other side's kernel has not acknowledged."""
    if writer.transport.get_write_buffer_size():
        return writer.transport.get_write_buffer_size()
    descriptor = writer.get_extra_info("socket").fileno()
    return struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4))[0]


def reset(writer):
    """Ends it not in order."""
    transport = writer.transport
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()

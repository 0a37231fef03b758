"""A grpcio server with the methods of TestService that our client's tests use. Prints `ready` and serves until it is
killed or its parent is gone. Usage: server.py TARGET"""

import os
import sys
import time
from concurrent import futures

import grpc


def fail(request, context):
    code, message = request.decode().split(" ", 1)
    context.set_trailing_metadata((("x-detail", "kept"),))
    context.abort(next(c for c in grpc.StatusCode if c.value[0] == int(code)), message)


def metadata(request, context):
    values = [m.value for m in context.invocation_metadata() if m.key == request.decode()]
    return "|".join(values).encode()


def deadline(request, context):
    left = context.time_remaining()
    return b"none" if left is None else str(int(left * 1e9)).encode()


def hang(request, context):
    while context.is_active():
        time.sleep(0.01)
    return b""


def flood(request, context):
    left = int(request)
    while left > 0 and context.is_active():
        yield b"x" * (64 << 10)
        left -= 64 << 10


def silent(request, context):
    context.send_initial_metadata(())
    while context.is_active():
        time.sleep(0.01)
    yield from ()


class Service(grpc.GenericRpcHandler):
    unary = {
        "Echo": lambda request, context: request,
        "Size": lambda request, context: b"\x07" * int(request),
        "Count": lambda request, context: str(len(request)).encode(),
        "Fail": fail,
        "Metadata": metadata,
        "Deadline": deadline,
        "Hang": hang,
    }
    streaming = {
        "Numbers": lambda request, context: (str(n).encode() for n in range(int(request))),
        "Flood": flood,
        "Silent": silent,
    }

    def service(self, details):
        service, _, method = details.method.rpartition("/")
        if service != "/test.Service":
            return None
        if method in self.unary:
            return grpc.unary_unary_rpc_method_handler(self.unary[method])
        if method in self.streaming:
            return grpc.unary_stream_rpc_method_handler(self.streaming[method])
        return None


server = grpc.server(
    futures.ThreadPoolExecutor(max_workers=40),
    options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
server.add_generic_rpc_handlers((Service(),))
server.add_insecure_port(sys.argv[1])
server.start()
print("ready", flush=True)
parent = os.getppid()
while os.getppid() == parent:
    time.sleep(0.5)
server.stop(0)

"""Calls our server with grpcio and checks every way a call can end. Usage: client.py TARGET"""

import sys
import threading
import time

import grpc

target = sys.argv[1]
options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
channel = grpc.insecure_channel(target, options)
failures = []
checks = 0


def check(what, condition, seen=None):
    global checks
    checks += 1
    if not condition:
        failures.append(f"{what}: {seen!r}")


def unary(method):
    return channel.unary_unary(f"/test.Service/{method}")


def stream(method):
    return channel.unary_stream(f"/test.Service/{method}")


def status(call, *args, **kwargs):
    """The status a call ends with."""
    try:
        result = call(*args, **kwargs)
        if hasattr(result, "__iter__") and not isinstance(result, bytes):
            list(result)
        return grpc.StatusCode.OK, "", ()
    except grpc.RpcError as error:
        return error.code(), error.details(), error.trailing_metadata()


check("echo", unary("Echo")(b"hello") == b"hello")
check("an empty message", unary("Echo")(b"") == b"")
check("an encoded answer", unary("EchoEncoded")(b"hello") == b"hello")
check("an answer that takes time", unary("EchoLater")(b"hello") == b"hello")

for code in list(grpc.StatusCode)[1:]:
    message = "100 % of café, line\ntwo"
    seen = status(unary("Fail"), f"{code.value[0]} {message}".encode())
    check(f"status {code}", seen[0] == code and seen[1] == message, seen)
    check(f"metadata of {code}", ("x-detail", "kept") in [(m.key, m.value) for m in seen[2]], seen[2])

check("an unknown error", status(unary("FailLater"), b"")[0] == grpc.StatusCode.UNKNOWN)
check("an unknown method", status(unary("Nothing"), b"")[0] == grpc.StatusCode.UNIMPLEMENTED)
check("an unknown service", status(channel.unary_unary("/other.Service/Echo"), b"")[0] == grpc.StatusCode.UNIMPLEMENTED)
check("a malformed message", status(unary("Echo"), b"malformed")[0] == grpc.StatusCode.INVALID_ARGUMENT)

metadata = (("x-name", "one"), ("x-name", "two"), ("x-name-bin", b"\x00\xff"))
check("metadata", unary("Metadata")(b"x-name", metadata=metadata) == b"one|two")
check("binary metadata", unary("Metadata")(b"x-name-bin", metadata=metadata) in (b"AP8=", b"AP8"))

left = unary("Deadline")(b"", timeout=30)
# grpcio rounds a timeout up to few digits before it sends it.
check("a deadline arrives", 0 < int(left) <= 31_000_000_000, left)
started = time.monotonic()
check("an expired deadline", status(unary("Hang"), b"", timeout=0.2)[0] == grpc.StatusCode.DEADLINE_EXCEEDED)
check("it expires in time", time.monotonic() - started < 10)

call = unary("Hang").future(b"")
threading.Timer(0.1, call.cancel).start()
try:
    call.result()
    check("cancellation", False)
except grpc.FutureCancelledError:
    check("cancellation", True)

check("a message of 16 MiB", unary("Count")(b"x" * (16 << 20)) == str(16 << 20).encode())
check("a larger message", status(unary("Count"), b"x" * ((16 << 20) + 1))[0] == grpc.StatusCode.RESOURCE_EXHAUSTED)
check("a large answer", len(unary("Size")(str(16 << 20).encode())) == 16 << 20)
check("a larger answer", status(unary("Size"), str((16 << 20) + 1).encode())[0] == grpc.StatusCode.RESOURCE_EXHAUSTED)
seen = status(unary("Echo"), b"", metadata=(("x-large", "x" * 20_000),))
check("headers that are too large", seen[0] == grpc.StatusCode.RESOURCE_EXHAUSTED, seen)
check("compression is refused", status(unary("Echo"), b"x" * 1000, compression=grpc.Compression.Gzip)[0] == grpc.StatusCode.UNIMPLEMENTED)

check("a stream", list(stream("Numbers")(b"500")) == [str(n).encode() for n in range(500)])
check("an empty stream", list(stream("Numbers")(b"0")) == [])
seen = []
try:
    for message in stream("FailAfterOne")(b"one"):
        seen.append(message)
except grpc.RpcError as error:
    check("a stream's status", error.code() == grpc.StatusCode.ABORTED and seen == [b"one"], (error.code(), seen))
check("a flood", sum(len(m) for m in stream("Flood")(str(20 << 20).encode())) == 20 << 20)
flood = stream("Flood")(str(100 << 20).encode())
next(flood)
flood.cancel()

results = [unary("EchoLater").future(str(n).encode()) for n in range(300)]
check("calls side by side", [r.result() for r in results] == [str(n).encode() for n in range(300)])

health = channel.unary_unary("/grpc.health.v1.Health/Check")
check("health of the server", health(b"") == b"\x08\x01")
check("health of a service", health(b"\x0a\x0ctest.Service") == b"\x08\x01")
check("health of no service", status(health, b"\x0a\x01x")[0] == grpc.StatusCode.NOT_FOUND)
watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
check("watching health", next(watch) == b"\x08\x01")
watch.cancel()

channel.close()
print("\n".join(failures))
print(f"{checks} checks, {len(failures)} failed")
sys.exit(1 if failures else 0)

import Proto
import RPC
import Streaming

extension CRIService {
    func registerExec(in router: inout Router) {
        work(CRI.RuntimeService.execSync, in: &router) { request, _ in
            guard !request.cmd.isEmpty else {
                throw ShimError(.invalidArgument, "ExecSync was called without a command")
            }
            let container = try containers.running(request.containerId, to: "execute a command")
            let outcome = try await runtimes.of(container).execSync(
                container, command: request.cmd, timeout: max(0, request.timeout))
            return .init {
                $0.stdout = outcome.stdout
                $0.stderr = outcome.stderr
                $0.exitCode = outcome.exitCode
            }
        }
        router.handle(CRI.RuntimeService.exec) { request, context in
            do {
                guard !request.cmd.isEmpty else {
                    throw ShimError(.invalidArgument, "Exec was called without a command")
                }
                let options = try Self.options(
                    stdin: request.stdin, stdout: request.stdout, stderr: request.stderr, tty: request.tty)
                let container = try containers.running(request.containerId, to: "execute a command")
                let runtime = try runtimes.of(container)
                let url = try streaming.exec(options, for: context) { io in
                    await runtime.exec(container, command: request.cmd, options: options, io: io)
                }
                return .now(.init { $0.url = url })
            } catch {
                throw RPCError(describing: error)
            }
        }
        router.handle(CRI.RuntimeService.attach) { request, context in
            do {
                let options = try Self.options(
                    stdin: request.stdin, stdout: request.stdout, stderr: request.stderr, tty: request.tty)
                let container = try containers.running(request.containerId, to: "be attached to")
                let runtime = try runtimes.of(container)
                let url = try streaming.attach(options, for: context) { io in
                    await runtime.attach(container, options: options, io: io)
                }
                return .now(.init { $0.url = url })
            } catch {
                throw RPCError(describing: error)
            }
        }
        router.handle(CRI.RuntimeService.portForward) { request, context in
            do {
                let sandbox = try store.sandbox(request.podSandboxId)
                guard sandbox.isReady else {
                    throw ShimError(.wrongState, "sandbox \(sandbox.id) is not ready: no port of it can be reached")
                }
                let id = sandbox.id
                _ = try sandboxes.forwarder(id, port: 0)
                let ports = request.port.map(Int.init).filter((1...65535).contains)
                let url = try streaming.portForward(ports, for: context) { port, connection in
                    try await sandboxes.forwarder(id, port: port)
                        .forward(try store.sandbox(id), port: port, connection: connection)
                }
                return .now(.init { $0.url = url })
            } catch {
                throw RPCError(describing: error)
            }
        }
    }

    /// The rules every CRI runtime has for the streams of Exec and Attach.
    static func options(stdin: Bool, stdout: Bool, stderr: Bool, tty: Bool) throws -> RemoteCommandOptions {
        guard stdin || stdout || stderr else {
            throw ShimError(.invalidArgument, "none of stdin, stdout and stderr was asked for: ask for one at least")
        }
        guard !(tty && stderr) else {
            throw ShimError(
                .invalidArgument, "tty and stderr were asked for together: a terminal has one output, stdout")
        }
        return RemoteCommandOptions(stdin: stdin, stdout: stdout, stderr: stderr, tty: tty)
    }
}

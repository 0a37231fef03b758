import Docker
import NIOCore
public import Sockets

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension ThisHost {
    public func docker(at endpoint: Endpoint) async -> DockerOutcome {
        await withDocker(endpoint) { client in
            do {
                let version = try await client.version()
                let info = try await client.info()
                return .answers(
                    version: "Docker \(version.version)",
                    system: info.operatingSystem ?? version.os ?? "an unknown system")
            } catch {
                return .failed("\(error)")
            }
        }
    }

    /// A container that never runs is enough: its files can be read, with its mounts, through the engine. So no program of
    /// the right architecture is needed, and no image from anywhere.
    public func tryDocker(at endpoint: Endpoint, sees directory: String) async -> TrialOutcome {
        let nonce = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        let ours = "\(directory)/.vz-cri-doctor-\(nonce)"
        let made = await offload { () -> String? in
            guard mkdir(ours, 0o755) == 0 else { return "making \(ours) failed: \(String(cString: strerror(errno)))" }
            return write(nonce, to: ours + "/nonce")
        }
        defer {
            unlink(ours + "/nonce")
            rmdir(ours)
        }
        if let problem = made ?? "the program ends" { return .unknown(problem) }
        return await withDocker(endpoint) { await Self.look(for: nonce, in: ours, $0) }
    }

    private static func look(for nonce: String, in directory: String, _ client: DockerClient) async -> TrialOutcome {
        let repository = "vzcri.dev/doctor"
        let image = "\(repository):\(nonce)"
        do {
            // The end of an archive without files.
            try await client.importImage(
                ByteBuffer(repeating: 0, count: 1024), repository: repository, tag: nonce)
        } catch {
            return .unknown("\(error)")
        }
        var request = ContainerCreateRequest(image: image)
        request.cmd = ["/nothing"]
        request.hostConfig.binds = ["\(directory):/seen:ro"]
        request.hostConfig.networkMode = "none"
        var outcome = TrialOutcome.works
        do {
            let container = try await client.createContainer(name: "vz-cri-doctor-\(nonce)", request)
            do {
                let archive = try await client.archive(of: "/seen/nonce", in: container)
                if archive.readableBytesView.firstRange(of: nonce.utf8) == nil {
                    outcome = .doesNotWork("a container saw another file there")
                }
            } catch let error as DockerError where error.code == .notFound {
                outcome = .doesNotWork("a container saw no file there")
            } catch {
                outcome = .unknown("\(error)")
            }
            try await client.removeContainer(container, force: true, volumes: true)
        } catch let error as DockerError where error.code == .invalidArgument || error.code == .failed {
            outcome = .doesNotWork("\(error)")
        } catch {
            outcome = .unknown("\(error)")
        }
        do {
            try await client.removeImage(image, force: true)
        } catch {
            return outcome == .works ? .unknown("the image \(image) could not be removed: \(error)") : outcome
        }
        return outcome
    }

    private func withDocker<R>(_ endpoint: Endpoint, _ body: (DockerClient) async -> R) async -> R {
        let client = DockerClient(endpoint: endpoint, tls: dockerTLS, group: group, logger: logger)
        let result = await body(client)
        await client.close()
        return result
    }
}

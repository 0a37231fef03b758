import HostFiles
import Logging
import NIOPosix
import TLS

/// What the kubelet API shows: files that somebody may replace, or what the cluster signed once it has.
struct ServingCertificate: Sendable {
    let context: TLSContext
    let configuration: TLSServerConfiguration
    /// Between looks at the files.
    var interval: Duration = .seconds(60)
    let logger: Logger

    /// Shows another file's certificate and key from now on.
    func show(_ file: String) async {
        var configuration = configuration
        configuration.certificateFile = file
        configuration.keyFile = file
        await change(to: configuration)
    }

    /// Follows the files the server was started with, until the task is cancelled.
    func follow() async {
        let files = [configuration.certificateFile, configuration.keyFile, configuration.clientCAFile].compactMap { $0 }
        var before = await versions(files)
        while !Task.isCancelled {
            do { try await Task.sleep(for: interval) } catch { return }
            let now = await versions(files)
            guard now != before, !now.contains(nil) else { continue }
            before = now
            await change(to: configuration)
        }
    }

    private func change(to configuration: TLSServerConfiguration) async {
        do {
            try await NIOThreadPool.singleton.runIfActive { try context.change(to: configuration) }
            logger.info("the kubelet API shows the certificate of \(configuration.certificateFile) now")
        } catch {
            logger.error("the kubelet API goes on with the certificate it had: \(error)")
        }
    }

    /// `nil` for one that cannot be looked at now: whoever replaces it may be at it.
    private func versions(_ files: [String]) async -> [SmallFile.Version?] {
        do {
            return try await NIOThreadPool.singleton.runIfActive {
                files.map { file in
                    do { return try SmallFile.version(file) } catch { return nil }
                }
            }
        } catch {
            return []
        }
    }
}

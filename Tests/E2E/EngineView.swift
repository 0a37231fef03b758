import Foundation
import Support

/// The engine as it is, past the programs under test.
enum EngineView {
    private struct Container: Decodable {
        let Id: String
    }

    /// - Parameter running: only those that run.
    static func containers(labelled labels: String..., running: Bool = false) async throws -> [String] {
        let list = labels.map { "\"\($0)\"" }.joined(separator: ",")
        let filter = "{\"label\":[\(list)]}".addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let answer = try await request("/containers/json?all=\(running ? 0 : 1)&filters=\(filter)")
        return try JSONDecoder().decode([Container].self, from: Data(answer.utf8)).map(\.Id)
    }

    static func kill(_ container: String) async throws {
        _ = try await request("/containers/\(container)/kill", ["-X", "POST"])
    }

    private static func request(_ path: String, _ options: [String] = []) async throws -> String {
        let answer = try await ChildProcess.run(
            "/usr/bin/curl",
            ["-sS", "--fail", "--unix-socket", try DockerEngine.requireSocket()] + options + ["http://localhost\(path)"]
        )
        guard answer.code == 0 else { throw ShimProcess.Failure(description: answer.errors) }
        return answer.output
    }
}

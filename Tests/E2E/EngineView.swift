import Foundation
import Support

/// The engine as it is, past the programs under test.
enum EngineView {
    private struct Container: Decodable {
        let Id: String
    }

    static func containers(labelled label: String) async throws -> [String] {
        let filter = "%7B%22label%22%3A%5B%22\(label.replacing("=", with: "%3D"))%22%5D%7D"
        let answer = try await ChildProcess.run(
            "/usr/bin/curl",
            [
                "-sS", "--fail", "--unix-socket", try DockerEngine.requireSocket(),
                "http://localhost/containers/json?all=1&filters=\(filter)",
            ])
        guard answer.code == 0 else { throw ShimProcess.Failure(description: answer.errors) }
        return try JSONDecoder().decode([Container].self, from: Data(answer.output.utf8)).map(\.Id)
    }
}

import CProto
import CProtobufC
import Foundation

/// `proto-gen DIRECTORY` writes the Swift side of proto/ into DIRECTORY. Run from the top of the package.
enum ProtoGen {
    static func main() {
        guard CommandLine.arguments.count == 2 else {
            FileHandle.standardError.write(Data("usage: proto-gen DIRECTORY\n".utf8))
            exit(64)
        }
        do {
            let directory = URL(fileURLWithPath: CommandLine.arguments[1])
            try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
            for file in try files() {
                try Data(file.text.utf8).write(to: directory.appendingPathComponent(file.name))
            }
        } catch {
            FileHandle.standardError.write(Data("proto-gen: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func files() throws -> [(name: String, text: String)] {
        let cri = Schema(
            services: [cri__runtime_service__desc(), cri__image_service__desc()],
            streaming: try streamingMethods("proto/runtime/v1/cri.proto"))
        let host = Schema(
            services: [vzcri_host__host_service__desc()],
            streaming: try streamingMethods("proto/vzcri/v1/host.proto"))
        return Emitter(schema: cri, namespace: "CRI", cPrefix: "Cri").files()
            + Emitter(schema: host, namespace: "HostAPI", cPrefix: "VzcriHost").files()
    }

    /// The methods whose answer is a stream: the one fact that protobuf-c's descriptors leave out.
    private static func streamingMethods(_ path: String) throws -> Set<String> {
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        return Set(
            lines.compactMap { line in
                let words = line.split(whereSeparator: { " ()".contains($0) })
                guard words.first == "rpc", words.contains("stream") else { return nil }
                return String(words[1])
            })
    }
}

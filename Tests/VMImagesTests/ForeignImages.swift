import Foundation
import Registry

@testable import VMImages

/// Images as other programs push them, made from the public facts of their formats.
enum ForeignImages {
    static let hardwareModel = Array("bplist00 a hardware model".utf8)

    /// As `oras-macos-vz` does, or with the config where its tests put it.
    static func agoda(
        _ registry: MemoryRegistry, disk: [UInt8], storage: [UInt8], isConfigInPlace: Bool, isCompressed: Bool = true
    ) throws -> [UInt8] {
        let prefix = "application/vnd.agoda.macosvz."
        func layer(_ bytes: [UInt8], _ type: String, _ title: String) -> Descriptor {
            var annotations = ["org.opencontainers.image.title": title]
            guard isCompressed else { return registry.add(bytes, prefix + type, annotations) }
            annotations["com.agoda.macosvz.content.uncompressed-size"] = "\(bytes.count)"
            annotations["com.agoda.macosvz.content.uncompressed-digest"] = "sha256:" + SHA256.hex(of: bytes)
            return registry.add(Encodings.gzip(bytes), prefix + type, annotations)
        }
        let text = """
            {"mediatype":"\(prefix)config.v1+json","os":"darwin",\
            "hardwareModelData":"\(Data(hardwareModel).base64EncodedString())","machineIdData":"aWQ=",\
            "storage":[{"mediatype":"\(prefix)aux.image.v1","file":"aux.img"},\
            {"mediatype":"\(prefix)disk.image.v1","file":"../../disk.img"}]}
            """
        let config = registry.add(
            Array(text.utf8), prefix + "config.v1+json", ["org.opencontainers.image.title": "config.json"])
        let disks = [
            layer(storage, "aux.image.v1", "aux.img"), layer(disk, "disk.image.v1", "../../../etc/disk.img"),
        ]
        let empty = Descriptor(
            mediaType: MediaType.empty,
            digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", size: 2, data: "e30=")
        return try JSONText.bytes(
            OCIManifest(
                artifactType: "application/vnd.agoda.macosvz.artifact", config: isConfigInPlace ? config : empty,
                layers: isConfigInPlace ? disks : disks + [config]))
    }

    /// As Tart does, with layers of a size of one's own.
    static func tart(
        _ registry: MemoryRegistry, disk: [UInt8], storage: [UInt8], layerSize: Int, os: String = "darwin"
    ) throws -> [UInt8] {
        let prefix = "application/vnd.cirruslabs.tart."
        let text = """
            {"version":1,"os":"\(os)","arch":"arm64","cpuCountMin":4,"cpuCount":4,"memorySizeMin":4294967296,\
            "memorySize":8589934592,"macAddress":"52:54:00:00:00:01","display":{"width":1024,"height":768},\
            "ecid":"ZWNpZA==","hardwareModel":"\(Data(hardwareModel).base64EncodedString())"}
            """
        var layers = [registry.add(Array(text.utf8), prefix + "config.v1")]
        for start in stride(from: 0, to: disk.count, by: layerSize) {
            let part = Array(disk[start..<min(disk.count, start + layerSize)])
            layers.append(
                registry.add(
                    Encodings.appleLZ4(part), prefix + "disk.v2",
                    [
                        "org.cirruslabs.tart.uncompressed-size": "\(part.count)",
                        "org.cirruslabs.tart.uncompressed-content-digest": "sha256:" + SHA256.hex(of: part),
                    ]))
        }
        layers.append(registry.add(storage, prefix + "nvram.v1"))
        let config = registry.add(Array("{}".utf8), "application/vnd.oci.image.config.v1+json")
        return try JSONText.bytes(OCIManifest(config: config, layers: layers))
    }
}

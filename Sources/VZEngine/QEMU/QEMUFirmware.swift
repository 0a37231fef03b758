import HostFiles
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// UEFI firmware on this host.
enum QEMUFirmware {
    /// The first of the known files that is there, with the file its variables begin as.
    ///
    /// - Throws: `VZEngineError` with `startFailed` when there is none.
    static func find(
        platform: QEMUPlatform = .current, in further: [String],
        exists: (String) -> Bool = { access($0, R_OK) == 0 }
    ) throws -> QEMUArguments.Firmware {
        let directories = further + QEMUPlatform.firmwareDirectories
        for directory in directories {
            for names in platform.firmware {
                let (code, variables) = ("\(directory)/\(names.code)", "\(directory)/\(names.variables)")
                if exists(code), exists(variables) {
                    return QEMUArguments.Firmware(code: code, variables: variables)
                }
            }
        }
        throw VZEngineError(
            .startFailed,
            "this image starts by UEFI firmware, and there is none in \(directories.joined(separator: ", ")): "
                + "install OVMF (Debian: ovmf or qemu-efi-aarch64)")
    }

    /// The firmware with the machine's own variables, which begin as a copy.
    static func prepare(variables: String, in directories: [String]) async throws -> QEMUArguments.Firmware {
        var firmware = try find(in: directories)
        if access(variables, F_OK) != 0 {
            let template = firmware.variables
            try await NIOThreadPool.singleton.runIfActive {
                try AtomicFile.write(try SystemFile.read(template), to: variables, mode: 0o600)
            }
        }
        firmware.variables = variables
        return firmware
    }
}

extension Check {
    static let storageChecks = [
        Check("disk space") { host, subject in
            let directory = await host.nearest(subject.root)
            guard let space = await host.space(at: directory) else {
                return [
                    .warning("how much is free at \(directory) cannot be told", fix: "df -h \(directory)")
                ]
            }
            let what = "\(size(space.freeBytes)) of \(size(space.totalBytes)) are free at \(directory)"
            let fix = "cri-shim image prune; docker system prune; or move it to a larger disk: --root"
            if space.freeBytes < leastSpace { return [.failure("\(what): too little for a machine's disk", fix: fix)] }
            if space.freeBytes < enoughSpace || space.freeBytes < space.totalBytes / 20 {
                return [.warning(what, fix: fix)]
            }
            return [.ok(what)]
        },
        Check("clones") { host, subject in
            guard !subject.hasNoMachines else { return [] }
            let directory = await host.nearest(subject.root)
            guard await host.may(.write, directory) else {
                return [
                    .warning(
                        "whether files can be cloned at \(directory) cannot be tried: it is not ours to write to",
                        fix: "run cri-shim doctor as the daemon's user")
                ]
            }
            switch await host.tryClone(in: directory) {
            case .works:
                return [.ok("the file system of \(directory) shares the blocks of a machine's disk with its image's")]
            case .doesNotWork(let why):
                if host.system == .linux {
                    return [
                        .ok(
                            "the file system of \(directory) cannot share blocks: machines get QEMU overlays, at once as well"
                        )
                    ]
                }
                return [
                    .failure(
                        "the file system of \(directory) cannot clone files (\(why)): every machine would copy a whole disk",
                        fix: "put the root on an APFS volume: --root")
                ]
            case .unknown(let why):
                return [
                    .warning(
                        "whether files can be cloned at \(directory) could not be tried: \(why)",
                        fix: "df -h \(directory); ls -ld \(directory)")
                ]
            }
        },
    ]

    private static let leastSpace: UInt64 = 2 << 30
    private static let enoughSpace: UInt64 = 20 << 30

    /// `12.3 GiB`
    static func size(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 || tenths >= 1000
            ? "\(Int(value.rounded())) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}

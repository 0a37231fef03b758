#if canImport(Darwin)
import Darwin

extension DiskHolders {
    static func numbers(holding path: String) -> [Int32] {
        var wanted = stat()
        guard stat(path, &wanted) == 0 else { return [] }
        return all().filter { holds($0, wanted) }
    }

    /// Processes of the framework's that run a machine, anybody's.
    static func otherMachines() -> [Int32] {
        all().filter { id in
            var path = [CChar](repeating: 0, count: Int(MAXPATHLEN) * 4)
            guard proc_pidpath(id, &path, UInt32(path.count)) > 0 else { return false }
            return path.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
                .hasSuffix("/com.apple.Virtualization.VirtualMachine")
        }
    }

    private static func all() -> [Int32] {
        let size = MemoryLayout<Int32>.stride
        let needed = proc_listpids(UInt32(PROC_ALL_PIDS), 0, nil, 0)
        guard needed > 0 else { return [] }
        // Some more may start meanwhile.
        var ids = [Int32](repeating: 0, count: Int(needed) / size + 64)
        let filled = proc_listpids(UInt32(PROC_ALL_PIDS), 0, &ids, Int32(ids.count * size))
        return ids.prefix(max(0, Int(filled)) / size).filter { $0 > 0 }
    }

    /// Another user's process says nothing: it does not hold our disk.
    private static func holds(_ id: Int32, _ wanted: stat) -> Bool {
        let size = MemoryLayout<proc_fdinfo>.stride
        let needed = proc_pidinfo(id, PROC_PIDLISTFDS, 0, nil, 0)
        guard needed > 0 else { return false }
        var open = [proc_fdinfo](repeating: proc_fdinfo(), count: Int(needed) / size + 16)
        let filled = proc_pidinfo(id, PROC_PIDLISTFDS, 0, &open, Int32(open.count * size))
        for one in open.prefix(max(0, Int(filled)) / size) where one.proc_fdtype == UInt32(PROX_FDTYPE_VNODE) {
            var info = vnode_fdinfowithpath()
            let length = Int32(MemoryLayout<vnode_fdinfowithpath>.size)
            guard proc_pidfdinfo(id, one.proc_fd, PROC_PIDFDVNODEPATHINFO, &info, length) == length else { continue }
            let found = info.pvip.vip_vi.vi_stat
            if found.vst_ino == wanted.st_ino, found.vst_dev == UInt32(bitPattern: wanted.st_dev) { return true }
        }
        return false
    }
}
#endif

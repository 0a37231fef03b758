import FoundationEssentials
import VZEngine

/// What a pod's annotations say of its machine, and the configuration where they say nothing. An annotation of the
/// container counts before one of its pod.
struct MachineOptions: Sendable, Hashable {
    /// Keeps the machine's disk after its end, until the container is removed: `true`, `false`.
    static let keepDisk = "vzcri.dev/keep-disk"
    /// What the guest's disk grows to before it starts: `64Gi`.
    static let diskSize = "vzcri.dev/disk-size"
    /// `1920x1080@80`, `1920x1080`, `none`.
    static let display = "vzcri.dev/display"
    /// Lets a Linux guest run machines of its own: `true`, `false`.
    static let nested = "vzcri.dev/nested-virtualization"
    /// Appended to the command line of a Linux kernel that is started directly.
    static let bootArguments = "vzcri.dev/boot-args"
    /// A command in the guest whose output is the container's log, when the container is the guest itself: a line for the
    /// shell, or a JSON list of arguments.
    static let logCommand = "vzcri.dev/log-command"
    /// How long a machine that failed is kept to be looked at: `30m`.
    static let holdOnFailure = "vzcri.dev/hold-on-failure"
    /// What the container's memory request is, in bytes: the CRI itself does not tell.
    static let memoryRequest = "vzcri.dev/memory-request"

    var keepsDisk = false
    var diskBytes: Int64?
    var screen: MachineDefaults.Display?
    var isNested = false
    var kernelArguments = ""
    var logCommandLine: [String]?
    /// Seconds; 0 is none.
    var hold = 0
    var memoryRequestBytes: Int64?
    /// What the configuration gives those who ask for nothing.
    var defaultCPUs: Int?
    var defaultMemoryBytes: Int64?

    /// What the reference gives a Mac, which does not work without.
    private static let macDisplay = MachineDefaults.Display("1920x1200@80")
    private static let longestHold = 7 * 86_400
    /// What a kernel takes of a command line.
    private static let longestArguments = 2048

    init() {}

    /// - Throws: `invalidArgument` that names the annotation and its value.
    init(
        _ container: [String: String], _ pod: [String: String], defaults: MachineDefaults, image: MachineImage,
        what: String
    ) throws {
        let read = Reader(container: container, pod: pod, what: what)
        let isMac = image.guestOS == .macos
        keepsDisk = try read.truth(Self.keepDisk) ?? false
        diskBytes =
            try read.value(Self.diskSize, "an amount such as 64Gi", ByteCount.parse)
            ?? defaults.diskBytes.map { try Self.grown($0, image) } ?? nil
        memoryRequestBytes = try read.value(Self.memoryRequest, "an amount such as 4Gi", ByteCount.parse)
        screen =
            try read.value(
                Self.display, "the size of a display: WIDTHxHEIGHT, WIDTHxHEIGHT@PPI, or none"
            ) { text -> MachineDefaults.Display?? in
                text == "none" ? .some(nil) : MachineDefaults.Display(text).map { .some($0) }
            } ?? defaults.display ?? (isMac ? Self.macDisplay : nil)
        if let wanted = try read.truth(Self.nested) {
            guard !wanted || !isMac else {
                throw read.refusal(Self.nested, "macOS guests cannot run machines of their own")
            }
            isNested = wanted
        } else {
            isNested = defaults.nestedVirtualization && !isMac
        }
        try readBoot(read, defaults, image.boot)
        logCommandLine = try read.value(
            Self.logCommand, "a line for the shell, or a JSON list of arguments", Self.command)
        hold =
            try read.value(Self.holdOnFailure, "a time of a week at most, such as 30m") { text in
                Self.seconds(text).flatMap { $0 <= Self.longestHold ? $0 : nil }
            } ?? defaults.holdOnFailure
        (defaultCPUs, defaultMemoryBytes) = (defaults.cpus, defaults.memoryBytes)
    }

    private mutating func readBoot(
        _ read: Reader, _ defaults: MachineDefaults, _ boot: MachineConfig.Boot
    ) throws {
        let isKernel = if case .kernel = boot { true } else { false }
        let given = try read.value(
            Self.bootArguments, "one line of up to \(Self.longestArguments) printable characters"
        ) {
            text -> String? in
            let isLine = text.unicodeScalars.allSatisfy { $0.isASCII && $0.properties.generalCategory != .control }
            return isLine && text.utf8.count <= Self.longestArguments ? text : nil
        }
        if given != nil, !isKernel {
            throw read.refusal(
                Self.bootArguments,
                "this image starts by its own boot loader; only a kernel that is started directly takes them")
        }
        kernelArguments = isKernel ? given ?? defaults.bootArguments : ""
    }

    /// A default makes small disks larger, and leaves larger ones alone.
    private static func grown(_ bytes: Int64, _ image: MachineImage) throws -> Int64? {
        guard let disk = image.disks.first else { return nil }
        return try Int64(DiskClone.size(of: disk.path, disk.format)) < bytes ? bytes : nil
    }

    func boot(_ boot: MachineConfig.Boot) -> MachineConfig.Boot {
        guard case .kernel(let path, let initrd, let line) = boot, !kernelArguments.isEmpty else { return boot }
        return .kernel(
            path: path, initrd: initrd, commandLine: line.isEmpty ? kernelArguments : "\(line) \(kernelArguments)")
    }

    func apply(to config: inout MachineConfig) {
        config.keepsDisk = keepsDisk
        config.display = screen.map {
            MachineConfig.Display(width: $0.width, height: $0.height, pixelsPerInch: $0.pixelsPerInch)
        }
        config.nestedVirtualization = isNested ? true : nil
        config.logCommand = logCommandLine
        config.holdOnFailure = hold > 0 ? hold : nil
    }

    // MARK: Values

    private static func command(_ text: String) -> [String]? {
        guard text.hasPrefix("[") else {
            return text.isEmpty || text.contains("\0") ? nil : ["/bin/sh", "-c", text]
        }
        do {
            let words = try JSONDecoder().decode([String].self, from: Data(text.utf8))
            return words.isEmpty || words[0].isEmpty || words.contains { $0.contains("\0") } ? nil : words
        } catch {
            return nil
        }
    }

    /// `90s`, `30m`, `1h30m`, `0`.
    static func seconds(_ text: String) -> Int? {
        if text == "0" { return 0 }
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
        var (total, digits) = (0, "")
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
            } else {
                guard let unit = units[character], let number = Int(digits), number <= 1 << 24 else { return nil }
                total += number * unit
                digits = ""
            }
        }
        return digits.isEmpty && !text.isEmpty ? total : nil
    }

    /// Reads annotations and refuses what they must not say.
    private struct Reader {
        var container: [String: String]
        var pod: [String: String]
        var what: String

        func value<Value>(_ key: String, _ wanted: String, _ parse: (String) -> Value?) throws -> Value? {
            guard let text = container[key] ?? pod[key] else { return nil }
            guard let value = parse(text) else {
                throw ShimError(
                    .invalidArgument, "\(what): annotation \(key): \(text.debugDescription) is not \(wanted)")
            }
            return value
        }

        func truth(_ key: String) throws -> Bool? {
            try value(key, "true or false") { text in
                switch text {
                case "true": true
                case "false": false
                default: nil
                }
            }
        }

        func refusal(_ key: String, _ why: String) -> ShimError {
            let text = container[key] ?? pod[key] ?? ""
            return ShimError(.invalidArgument, "\(what): annotation \(key): \(text.debugDescription): \(why)")
        }
    }
}

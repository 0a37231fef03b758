/// Everything a supervisor needs to run one machine: `config.json` in the machine's bundle. Written by the shim when the
/// container is created, read by `vm-host`.
public struct MachineConfig: Codable, Sendable, Hashable {
    /// The newest layout this program writes and reads; a newer one is refused.
    public static let schema = 1

    public enum GuestOS: String, Codable, Sendable { case linux, macos }

    /// How the guest is started.
    public enum Boot: Codable, Sendable, Hashable {
        /// Straight into a kernel. Paths are absolute, on the host.
        case kernel(path: String, initrd: String?, commandLine: String)
        /// By firmware, from the disk. `variables` is the file of its non-volatile store, in the bundle.
        case efi(variables: String?)
        /// A Mac, from its disk. Absolute paths on the host, of the files that make it one: its model, an identifier that no
        /// other machine has, and its non-volatile store.
        case mac(hardwareModel: String, machineIdentifier: String, auxiliaryStorage: String)
    }

    public struct Disk: Codable, Sendable, Hashable {
        public enum Format: String, Codable, Sendable { case raw, qcow2 }
        /// Absolute.
        public var path: String
        public var format: Format
        public var readOnly: Bool
        /// What it lies upon, where that is no file but served by another process of this host; nil is a file, or nothing.
        public var remote: Remote?

        public init(path: String, format: Format, readOnly: Bool = false, remote: Remote? = nil) {
            self.path = path
            self.format = format
            self.readOnly = readOnly
            self.remote = remote
        }
    }

    /// A disk that another process serves by the NBD protocol.
    public struct Remote: Codable, Sendable, Hashable {
        /// The image whose disk it is.
        public var image: String
        /// Of a unix socket, absolute.
        public var socket: String
        public var export: String
        /// What the guest sees, in bytes.
        public var size: Int64

        public init(image: String, socket: String, export: String, size: Int64) {
            self.image = image
            self.socket = socket
            self.export = export
            self.size = size
        }
    }

    /// A directory of the host that the guest sees.
    public struct Share: Codable, Sendable, Hashable {
        /// Its name in the guest: letters, digits and dashes, 36 bytes at most, unique in the machine.
        public var tag: String
        /// Absolute.
        public var source: String
        public var readOnly: Bool
        /// There were no links in ``source`` when the container was created: one that is there now was made by somebody who
        /// wants to lead elsewhere. nil is from before that was said.
        public var isResolved: Bool?

        public init(tag: String, source: String, readOnly: Bool) {
            self.tag = tag
            self.source = source
            self.readOnly = readOnly
        }
    }

    /// Where something of a share appears in the guest.
    public struct Mount: Codable, Sendable, Hashable {
        public var tag: String
        /// Relative to the share's root; empty for the whole share. A single file for a file mount.
        public var subPath: String
        /// Absolute, in the guest.
        public var guestPath: String
        public var readOnly: Bool

        public init(tag: String, subPath: String = "", guestPath: String, readOnly: Bool) {
            self.tag = tag
            self.subPath = subPath
            self.guestPath = guestPath
            self.readOnly = readOnly
        }
    }

    /// How the machine is connected.
    public struct Network: Codable, Sendable, Hashable {
        public enum Mode: String, Codable, Sendable {
            /// User-mode: in the namespace below, or the host's when there is none. The pod's address is the guest's, and
            /// localhost is shared.
            case user
            /// An address of its own on a bridge of the host.
            case bridged
            /// An address of its own behind the host, which the host gives it (Virtualization.framework's NAT).
            case nat

            /// The guest is somewhere else than its pod.
            public var hasOwnAddress: Bool { self != .user }
        }

        public struct Port: Codable, Sendable, Hashable {
            public enum Transport: String, Codable, Sendable { case tcp, udp }
            public var transport: Transport
            public var number: Int

            public init(_ transport: Transport, _ number: Int) {
                self.transport = transport
                self.number = number
            }
        }

        public var mode = Mode.user
        /// The file of the pod's network namespace; nil is the host's.
        public var namespace: String?
        /// The bridge, for ``Mode/bridged``.
        public var interface: String?
        public var macAddress = ""
        /// Ports of the guest that are reached at the pod's address and its localhost.
        public var guestPorts: [Port] = []
        /// TCP ports of the pod's other containers, which the guest reaches at its own localhost.
        public var peerPorts: [Int] = []
        /// The pod's own address: what `pod` means in the guest where localhost is not shared.
        public var podAddress: String?
        /// Which machine of its pod it is, from 0: keeps what they bind on localhost apart.
        public var index = 0

        public init() {}
    }

    /// How the supervisor logs in.
    public struct Credentials: Codable, Sendable, Hashable {
        public var user: String
        /// A private key (ed25519 or ecdsa) on the host.
        public var keyFile: String?
        /// A file that holds a password, with or without a newline at its end.
        public var passwordFile: String?
        public var port: Int
        /// A file that holds the key's passphrase; nil for a key without one.
        public var passphraseFile: String?

        public init(user: String, keyFile: String? = nil, passwordFile: String? = nil, port: Int = 22) {
            self.user = user
            self.keyFile = keyFile
            self.passwordFile = passwordFile
            self.port = port
        }
    }

    /// What runs in the guest as the container's main process.
    public struct Main: Codable, Sendable, Hashable {
        /// Empty: the container is the guest itself, and ends when it powers off.
        public var command: [String] = []
        public var environment: [String: String] = [:]
        /// Absolute, in the guest; empty is the user's home.
        public var workingDirectory = ""
        public var tty = false
        public var stdin = false
        /// The first attached client's end of input is the command's.
        public var stdinOnce = false

        public init() {}
    }

    /// The guest's idea of its own place.
    public struct Naming: Codable, Sendable, Hashable {
        public struct Host: Codable, Sendable, Hashable {
            public var address: String
            public var names: [String]

            public init(address: String, names: [String]) {
                self.address = address
                self.names = names
            }
        }

        public var hostname = ""
        public var nameServers: [String] = []
        public var searchDomains: [String] = []
        public var resolverOptions: [String] = []
        /// Lines for /etc/hosts.
        public var hosts: [Host] = []

        public init() {}
    }

    public var schema = Self.schema
    /// The container's id.
    public var id: String
    public var sandboxID: String
    public var guestOS = GuestOS.linux
    public var cpus = 1
    public var memoryBytes: Int64 = 512 << 20
    public var boot: Boot
    /// The first is the one the guest starts from.
    public var disks: [Disk] = []
    public var shares: [Share] = []
    public var mounts: [Mount] = []
    public var network = Network()
    public var credentials: Credentials
    public var main = Main()
    public var naming = Naming()
    /// The CRI log; empty for none.
    public var logPath = ""
    /// Where the machine's processes belong, as the CRI names it; empty for nowhere in particular.
    public var cgroupParent = ""
    /// Keeps the disk after the end.
    public var keepsDisk = false
    /// Seconds until a guest that must be reached and was not is given up.
    public var readinessTimeout = 300
    /// Where the guest leaves its last words (absolute, in the guest) and where they go on the host; empty for neither.
    public var terminationMessagePath = ""
    public var terminationMessageFile = ""

    // What was not there from the beginning is optional: a record that was written before must be readable.

    /// A file of a machine that was saved: this one goes on where that one stood still.
    public var restoreFrom: String?
    /// nil is none.
    public var display: Display?
    /// Whether the guest may run machines of its own.
    public var nestedVirtualization: Bool?
    /// For a guest that is its own container: a command whose output is the container's log in place of the console's.
    public var logCommand: [String]?
    /// A machine whose command failed, or whose guest failed, lives on for so many seconds, to be looked at; nil is none.
    public var holdOnFailure: Int?
    /// Seconds in which a connection to the guest is made or given up; nil is what suits most.
    public var dialTimeout: Int?
    /// The SSH key exchanges that are offered to the guest, best first; nil is what the library chooses.
    public var keyExchanges: [String]?
    /// What the host keeps of its disks in memory; nil is what suits the guest.
    public var diskCaching: DiskCaching?
    /// What of a guest's flush reaches the host's disk; nil is what suits an ephemeral clone.
    public var diskSynchronization: DiskSynchronization?
    /// Settings of a Linux guest's kernel, by their path below /proc/sys; nil is none.
    public var kernelSettings: [String: String]?

    /// A screen, in pixels.
    public struct Display: Codable, Sendable, Hashable {
        public var width: Int
        public var height: Int
        public var pixelsPerInch: Int

        public init(width: Int, height: Int, pixelsPerInch: Int) {
            self.width = width
            self.height = height
            self.pixelsPerInch = pixelsPerInch
        }
    }

    public enum DiskCaching: String, Codable, Sendable { case automatic, cached, uncached }

    public enum DiskSynchronization: String, Codable, Sendable { case full, fsync, none }

    public init(id: String, sandboxID: String, boot: Boot, credentials: Credentials) {
        self.id = id
        self.sandboxID = sandboxID
        self.boot = boot
        self.credentials = credentials
    }
}

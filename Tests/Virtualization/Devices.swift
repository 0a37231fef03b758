import Dispatch
public import Foundation

// MARK: Serial ports

open class VZSerialPortAttachment: NSObject {}

open class VZFileHandleSerialPortAttachment: VZSerialPortAttachment {
    public let fileHandleForReading: FileHandle?
    public let fileHandleForWriting: FileHandle?
    public init(fileHandleForReading: FileHandle?, fileHandleForWriting: FileHandle?) {
        self.fileHandleForReading = fileHandleForReading
        self.fileHandleForWriting = fileHandleForWriting
    }
}

open class VZSerialPortConfiguration: NSObject { open var attachment: VZSerialPortAttachment? }

open class VZVirtioConsoleDeviceSerialPortConfiguration: VZSerialPortConfiguration { public override init() {} }

open class VZConsoleDeviceConfiguration: NSObject {}

// MARK: Entropy and memory

open class VZEntropyDeviceConfiguration: NSObject {}

open class VZVirtioEntropyDeviceConfiguration: VZEntropyDeviceConfiguration { public override init() {} }

open class VZMemoryBalloonDeviceConfiguration: NSObject {}

open class VZVirtioTraditionalMemoryBalloonDeviceConfiguration: VZMemoryBalloonDeviceConfiguration {
    public override init() {}
}

open class VZMemoryBalloonDevice: NSObject {}

open class VZVirtioTraditionalMemoryBalloonDevice: VZMemoryBalloonDevice {
    private let queue: DispatchQueue
    private var target: UInt64

    init(_ queue: DispatchQueue, target: UInt64) {
        self.queue = queue
        self.target = target
    }

    /// Rounded down to whole MiB, and kept within what the machine was started with.
    open var targetVirtualMachineMemorySize: UInt64 {
        get {
            dispatchPrecondition(condition: .onQueue(queue))
            return target
        }
        set {
            dispatchPrecondition(condition: .onQueue(queue))
            target = newValue & ~((1 << 20) - 1)
        }
    }
}

// MARK: Screens and what one types on

open class VZGraphicsDisplayConfiguration: NSObject {}

open class VZMacGraphicsDisplayConfiguration: VZGraphicsDisplayConfiguration {
    open var widthInPixels: Int
    open var heightInPixels: Int
    open var pixelsPerInch: Int
    public init(widthInPixels: Int, heightInPixels: Int, pixelsPerInch: Int) {
        self.widthInPixels = widthInPixels
        self.heightInPixels = heightInPixels
        self.pixelsPerInch = pixelsPerInch
    }
}

open class VZVirtioGraphicsScanoutConfiguration: VZGraphicsDisplayConfiguration {
    open var widthInPixels: Int
    open var heightInPixels: Int
    public init(widthInPixels: Int, heightInPixels: Int) {
        self.widthInPixels = widthInPixels
        self.heightInPixels = heightInPixels
    }
}

open class VZGraphicsDeviceConfiguration: NSObject {}

open class VZMacGraphicsDeviceConfiguration: VZGraphicsDeviceConfiguration {
    public override init() {}
    open var displays: [VZMacGraphicsDisplayConfiguration] = []
}

open class VZVirtioGraphicsDeviceConfiguration: VZGraphicsDeviceConfiguration {
    public override init() {}
    open var scanouts: [VZVirtioGraphicsScanoutConfiguration] = []
}

open class VZKeyboardConfiguration: NSObject {}

open class VZUSBKeyboardConfiguration: VZKeyboardConfiguration { public override init() {} }

open class VZMacKeyboardConfiguration: VZKeyboardConfiguration { public override init() {} }

open class VZPointingDeviceConfiguration: NSObject {}

open class VZUSBScreenCoordinatePointingDeviceConfiguration: VZPointingDeviceConfiguration {
    public override init() {}
}

open class VZMacTrackpadConfiguration: VZPointingDeviceConfiguration { public override init() {} }

// MARK: Sound

open class VZAudioDeviceConfiguration: NSObject {}

open class VZVirtioSoundDeviceConfiguration: VZAudioDeviceConfiguration {
    public override init() {}
    open var streams: [VZVirtioSoundDeviceStreamConfiguration] = []
}

open class VZVirtioSoundDeviceStreamConfiguration: NSObject {}

open class VZVirtioSoundDeviceInputStreamConfiguration: VZVirtioSoundDeviceStreamConfiguration {
    public override init() {}
}

open class VZUSBControllerConfiguration: NSObject {}

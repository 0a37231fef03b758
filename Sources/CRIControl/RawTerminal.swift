import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A terminal in raw mode: every key goes to the other side, nothing is echoed or interpreted here.
public final class RawTerminal: Sendable {
    private let descriptor: CInt
    /// The settings to go back to; nil once restored.
    private let original: Mutex<termios?>

    /// Puts the terminal into raw mode, or returns nil when `descriptor` is no terminal.
    public init?(descriptor: CInt) {
        var settings = termios()
        guard tcgetattr(descriptor, &settings) == 0 else { return nil }
        self.descriptor = descriptor
        original = Mutex(settings)
        cfmakeraw(&settings)
        guard tcsetattr(descriptor, TCSANOW, &settings) == 0 else { return nil }
    }

    /// Back to how the terminal was; a second call does nothing.
    public func restore() {
        original.withLock { settings in
            guard var before = settings else { return }
            tcsetattr(descriptor, TCSADRAIN, &before)
            settings = nil
        }
    }

    deinit { restore() }

    public static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

    /// Columns and rows, or nil when `descriptor` is no terminal.
    public static func size(of descriptor: CInt) -> (columns: UInt16, rows: UInt16)? {
        var size = winsize()
        guard ioctl(descriptor, numericCast(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return nil
        }
        return (size.ws_col, size.ws_row)
    }
}

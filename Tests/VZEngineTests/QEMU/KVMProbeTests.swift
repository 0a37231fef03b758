import Foundation
import Logging
import Processes
import Support
import Testing

@testable import VZEngine

@Suite("Whether KVM is usable")
struct KVMProbeTests {
    private static let emulator = "qemu-system-x86_64"
    private static let isIntel = QEMUPlatform.current.architecture == .x86_64
    private static let hasEmulator = isIntel && LinuxGuest.canRun
    private static let hasAssembler: Bool = {
        do {
            for tool in ["as", "objcopy"] { _ = try Executables.find(tool) }
            return isIntel
        } catch {
            return false
        }
    }()
    private let logger = Logger(label: "test")

    @Test("the probe is what its source says", .enabled(if: hasAssembler, "skipped, because there is no assembler"))
    func source() async throws {
        try await withTemporaryDirectory { directory async throws in
            try Data(Self.source.utf8).write(to: URL(filePath: directory + "/p.s"))
            try await Command.checked("as", ["-o", directory + "/p.o", directory + "/p.s"])
            try await Command.checked(
                "objcopy", ["-O", "binary", "-j", ".text", directory + "/p.o", directory + "/p.bin"])
            let assembled = Array(try Data(contentsOf: URL(filePath: directory + "/p.bin")))
            #expect(assembled == KVMProbePayload(.x86_64).bytes)
        }
    }

    @Test("a processor that works runs it to its end", .enabled(if: hasEmulator))
    func works() async {
        let outcome = await KVMProbe.run(emulator: Self.emulator, accelerator: "tcg", platform: .current)
        // On a machine this busy it may be late; it is never wrong.
        #expect(outcome.isUsable || outcome.expires != nil, "\(outcome)")
    }

    /// Stands for an emulator on a host where things go wrong.
    private func withEmulator(_ body: String, _ test: (String, String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory async throws in
            let emulator = directory + "/emulator"
            try Data("#!/bin/sh\necho run >>\(directory)/runs\n\(body)\n".utf8).write(to: URL(filePath: emulator))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: emulator)
            try await test(emulator, directory)
        }
    }

    private func runs(_ directory: String) throws -> Int {
        guard FileManager.default.fileExists(atPath: directory + "/runs") else { return 0 }
        return try String(contentsOfFile: directory + "/runs", encoding: .utf8).split(separator: "\n").count
    }

    private func isUsable(_ emulator: String, _ directory: String) async -> Bool {
        await KVMProbe.isUsable(
            emulator: emulator, file: directory + "/state/kvm.json", device: "/dev/null", logger: logger)
    }

    @Test("one that fails does not count, and is not tried again until the host restarts")
    func broken() async throws {
        try await withEmulator("echo 'KVM internal error. Suberror: 1' >&2; exit 1") {
            emulator, directory async throws in
            #expect(await !isUsable(emulator, directory))
            #expect(await !isUsable(emulator, directory))
            #expect(try runs(directory) == 1)
            let file = directory + "/state/kvm.json"
            let kept = try String(contentsOfFile: file, encoding: .utf8)
            #expect(kept.contains("Suberror: 1"))
            // Another start of the host.
            let bootID = try #require(ProcessIdentity.of(getpid())?.bootID)
            try Data(kept.replacing(bootID, with: "another").utf8).write(to: URL(filePath: file))
            #expect(await !isUsable(emulator, directory))
            #expect(try runs(directory) == 2)
            // A damaged record is as good as none.
            try Data("{".utf8).write(to: URL(filePath: file))
            #expect(await !isUsable(emulator, directory))
            #expect(try runs(directory) == 3)
        }
    }

    @Test("one that works counts")
    func usable() async throws {
        let code = KVMProbePayload(QEMUPlatform.current.architecture).success
        try await withEmulator("exit \(code)") { emulator, directory async throws in
            #expect(await isUsable(emulator, directory))
            #expect(await isUsable(emulator, directory))
            #expect(try runs(directory) == 1)
        }
    }

    @Test("a guest that never ends is ended, and tried again later")
    func hangs() async throws {
        try await withEmulator("exec sleep 1000") { emulator, directory async throws in
            let outcome = await KVMProbe.run(emulator: emulator, accelerator: "kvm", platform: .current)
            #expect(!outcome.isUsable)
            #expect(outcome.expires != nil)
        }
    }

    @Test("without the device nothing is tried")
    func noDevice() async throws {
        try await withEmulator("exit 0") { emulator, directory async throws in
            let usable = await KVMProbe.isUsable(
                emulator: emulator, file: nil, device: directory + "/none", logger: logger)
            #expect(!usable)
            #expect(try runs(directory) == 0)
        }
    }

    private static let source = """
        .intel_syntax noprefix
        .code32
        .set base, 0x100000
        header:
            .long 0x1BADB002, 0x00010000, 0xE4514FFE
            .long base, base, 0, 0, base + start - header
        gdt:
            .quad 0, 0x00209A0000000000, 0x0000920000000000
        gdt_register:
            .word 23
            .long base + gdt - header
        idt_register:
            .word 63
            .quad 0x203000
        start:
            cli
            mov dword ptr [0x200000], 0x201003
            mov dword ptr [0x201000], 0x202003
            mov dword ptr [0x202000], 0x83
            mov dword ptr [0x202008], 0x200083
            mov eax, 0x200000
            mov cr3, eax
            mov eax, cr4
            or eax, 0x620
            mov cr4, eax
            mov ecx, 0xC0000080
            rdmsr
            or eax, 0x100
            wrmsr
            mov eax, cr0
            and eax, 0xFFFFFFFB
            or eax, 0x80000002
            mov cr0, eax
            lgdt [base + gdt_register - header]
            ljmp 8, base + long_mode - header
        .code64
        long_mode:
            mov ax, 16
            mov ds, ax
            mov es, ax
            mov ss, ax
            mov rsp, 0x210000
            mov edi, 0x203030
            mov eax, base + breakpoint - header
            mov [rdi], ax
            mov word ptr [rdi + 2], 8
            mov word ptr [rdi + 4], 0x8E00
            shr eax, 16
            mov [rdi + 6], ax
            lidt [rip + idt_register]
            xor ebx, ebx
            int3
            cmp ebx, 1
            jne failed
            mov edi, 0x204000
            xor eax, eax
            xor edx, edx
            mov ebx, 5
            mov ecx, 6
            lock cmpxchg16b [rdi]
            jnz failed
            cmp qword ptr [rdi], 5
            jne failed
            movq xmm0, rbx
            paddq xmm0, xmm0
            movaps [rdi + 16], xmm0
            cmp qword ptr [rdi + 16], 10
            jne failed
            invlpg [rdi]
            swapgs
            mov eax, 1
            cpuid
            bt ecx, 26
            jnc passed
            mov rax, cr4
            or eax, 0x40000
            mov cr4, rax
            xor ecx, ecx
            xor edx, edx
            mov eax, 3
            xsetbv
            xsave [rdi + 64]
        passed:
            mov al, 0x2A
            mov dx, 0x501
            out dx, al
        failed:
            hlt
            jmp failed
        breakpoint:
            inc ebx
            iretq

        """
}

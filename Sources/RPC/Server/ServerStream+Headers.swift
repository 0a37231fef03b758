extension ServerStream {
    /// Notes one request header. Names the protocol knows are compared as bytes: they make no strings.
    func take(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        if name.first == UInt8(ascii: ":") {
            if name.equals(":path") {
                path = String(decoding: value, as: UTF8.self)
            } else if name.equals(":method") {
                methodIsPOST = value.equals("POST")
            }
            return
        }
        switch name.count {
        case 2 where name.equals("te"): return
        case 12 where name.equals("content-type"):
            contentTypeIsGRPC =
                value.equals("application/grpc") || value.starts(with: "application/grpc+".utf8)
                || value.starts(with: "application/grpc;".utf8)
            return
        case 12 where name.equals("grpc-timeout"):
            timeout = GRPCTimeout.parse(String(decoding: value, as: UTF8.self))
            malformedTimeout = timeout == nil
            return
        case 13 where name.equals("grpc-encoding"):
            encoding = String(decoding: value, as: UTF8.self)
            return
        case 20 where name.equals("grpc-accept-encoding"): return
        default: metadata.add(lowercase: String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: count))
    }
}

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Somebody asks the cluster for a certificate (`certificates.k8s.io/v1`).
public struct CertificateSigningRequest: KubeObject {
    public var kind = "CertificateSigningRequest"
    public var apiVersion = "certificates.k8s.io/v1"
    public var metadata = ObjectMeta()
    public var spec = CertificateSigningRequestSpec()
    public var status = CertificateSigningRequestStatus()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("spec", \.spec)
        $0("status", \.status)
    }
}

public struct CertificateSigningRequestSpec: KubeModel {
    /// Base64 of a PEM request.
    public var request = ""
    public var signerName = ""
    /// `digital signature`, `client auth`, …
    public var usages: [String] = []
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("request", \.request, always: true)
        $0("signerName", \.signerName, always: true)
        $0("usages", \.usages)
    }

    /// The request, PEM.
    public var pem: [UInt8] {
        get { Data(base64Encoded: request).map(Array.init) ?? [] }
        set { request = Data(newValue).base64EncodedString() }
    }
}

public struct CertificateSigningRequestStatus: KubeModel {
    public var conditions: [CertificateSigningRequestCondition] = []
    /// Base64 of PEM certificates; empty until they are signed.
    public var certificate = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("conditions", \.conditions)
        $0("certificate", \.certificate)
    }

    /// The certificates, PEM.
    public var pem: [UInt8] {
        get { Data(base64Encoded: certificate).map(Array.init) ?? [] }
        set { certificate = Data(newValue).base64EncodedString() }
    }
}

public struct CertificateSigningRequestCondition: KubeModel {
    /// `Approved`, `Denied` or `Failed`.
    public var type = ""
    public var status = ""
    public var reason = ""
    public var message = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("type", \.type, always: true)
        $0("status", \.status)
        $0("reason", \.reason)
        $0("message", \.message)
    }
}

extension APIResource where Object == CertificateSigningRequest {
    public static var certificateSigningRequests: Self {
        Self(group: "certificates.k8s.io", plural: "certificatesigningrequests", isNamespaced: false)
    }
}

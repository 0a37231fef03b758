/* Generated protobuf-c code of proto/. */

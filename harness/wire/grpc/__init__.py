"""The messages of the Open Inference Protocol over gRPC, for both ends of the wire."""

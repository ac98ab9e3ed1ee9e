"""The Open Inference Protocol over gRPC: codec, and the server that feeds the batch queue."""
